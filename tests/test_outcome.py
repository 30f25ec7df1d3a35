"""What a response is: the separate ways in which it can fail."""

import pytest

from pinch_jax.corpus.language_id import TOO_SHORT, identify, no_words
from pinch_jax.evaluate.outcome import classify
from pinch_jax.evaluate.text_match import contains_words, normalise

ASKED = "What is the money of this country called: Kenya?"
TOLD = "The currency of this country is: Kenyan Shilling."


def outcome(response, prompt=ASKED, language="en", reference=TOLD, answer="Kenyan Shilling"):
    return classify(prompt, response, language, reference, answer)


def test_wrong_language_echo_and_wrong_answer_are_different_failures():
    wrong_language = outcome("Tämän maan valuutta on: Kenian shillinki.")
    assert (wrong_language.language, wrong_language.identified) == ("wrong_language", "fi")
    assert not wrong_language.echo and not wrong_language.answer_match

    echo = outcome(ASKED)
    assert echo.echo and echo.language == "right_language" and not echo.exact_match

    wrong_answer = outcome("The currency of this country is: Ugandan Shilling.")
    assert wrong_answer.right_language and not wrong_answer.wrong_language
    assert outcome("Shilling").too_short and not outcome("Shilling").wrong_language
    assert not (wrong_answer.echo or wrong_answer.exact_match or wrong_answer.answer_match)
    assert 50 < wrong_answer.chrf < 100


def test_an_exact_match_ignores_case_width_spacing_and_final_punctuation():
    for response in (TOLD, " the currency of  this country is: kenyan shilling", TOLD + "!"):
        found = outcome(response)
        assert found.exact_match and found.answer_match and found.language == "right_language"
    assert normalise("货币是：肯尼亚先令。") == normalise("货币是:肯尼亚先令")
    assert not outcome(TOLD + " Yes").exact_match


def test_an_exact_match_is_in_its_language_however_short():
    found = outcome("Euro", language="fi", reference="Euro.", answer="Euro")
    assert found.exact_match and found.language == "right_language"
    assert outcome("Mali", language="fi", reference="Euro.", answer="Euro").language == TOO_SHORT


def test_an_answer_alone_is_in_no_other_language_than_its_own():
    assert identify("latinka", no_words("cs", "en")) == "lt"
    found = classify(
        "Jaké písmo?", "latinka", "cs", "Písmo: latinka.", "latinka", words=no_words("cs", "en")
    )
    assert (found.language, found.kind) == (TOO_SHORT, "answer")
    wrong = classify(
        "Jaké písmo?", "latinka", "cs", "Písmo: azbuka.", "azbuka", words=no_words("cs", "en")
    )
    assert wrong.kind == "wrong_language"


def test_apostrophes_quotes_and_hyphens_are_the_same_however_they_are_typed():
    pairs = [("Côte d\u2019Ivoire", "Co\u0302te d'Ivoire"), ("צ\u05f3אד", "צ'אד")]
    pairs += [("ארה\u05f4ב", 'ארה"ב'), ("Guinea\u2011Bissau", "Guinea-Bissau")]
    for kept, typed in pairs:
        assert normalise(kept) == normalise(typed)
    assert normalise("Côte d\u2019Ivoire") != normalise("Côte dIvoire")


def test_a_repeated_or_slightly_changed_prompt_is_an_echo_but_an_answer_is_not():
    assert outcome(f"{ASKED} {ASKED}").echo
    assert outcome(ASKED.replace("called", "caled")).echo
    assert outcome(ASKED[:30]).echo and not outcome(ASKED[:5]).echo, "it may have been cut off"
    assert not outcome(f"{ASKED} {TOLD} Kenya lies in Africa.").echo
    assert not outcome(TOLD, prompt=TOLD).echo, "the reference itself is never an echo"
    assert not outcome("").echo and outcome("").empty


def test_of_a_language_without_a_label_no_language_is_told_and_no_answer_is_in_a_wrong_one():
    said = "Kudin wannan ƙasa shi ne shillin na Kenya, kuma ana amfani da shi a ko'ina."
    found = classify("", said, "ha", said + " a", "Kenya", words=no_words("ha", "en"))
    assert (found.language, found.wrong_language, found.too_short) == (None, None, None)
    assert found.kind == "answer" and found.right
    assert classify("", said, "en", "", "Kenya", words=no_words("ha", "en")).wrong_language


def test_without_an_answer_nothing_is_said_about_it():
    assert classify(ASKED, TOLD, "en", TOLD).answer_match is None
    assert outcome(TOLD).answer_match is True


def test_a_name_inside_a_longer_word_is_no_answer():
    assert contains_words("the country is nigeria", "nigeria")
    assert not contains_words("the country is nigeria", "niger")
    assert not contains_words("the country is somalia", "mali")
    assert not contains_words("the country is somalia", "malia")
    assert contains_words("romania or oman", "oman"), "a later place counts"
    assert contains_words("货币是肯尼亚先令", "先令"), "Chinese sets no spaces"
    assert not contains_words("anything", "")
    assert contains_words("สกุลเงินของเคนยาคือชิลลิง", "เคนยา"), "nor does Thai"
    assert not contains_words("เงินมาลี", "มาล"), "a vowel sign belongs to the letter before it"
    assert contains_words("首都はマリの", "マリ") and not contains_words("首都はソマリア", "マリ")


@pytest.mark.parametrize(
    ("response", "answer", "matches"),
    [
        ("It is 3.", "3", True),
        ("3, then 4", "3", True),
        ("It is 3.14", "3", False),
        ("It is 3.14", "14", False),
        ("3,000 of them", "3", False),
        ("0,3 anni", "3 anni", False),
        ("3 anni", "3 anni", True),
        ("0.3厘米", "3厘米", False),
        ("-5", "5", False),
        ("It is \u22125 °C", "-5", True),
        ("It is \u22125 °C", "5", False),
        ("pages 3-5", "5", True),
        ("- 5", "5", True),
        ("-5", "-5", True),
    ],
)
def test_a_part_of_a_number_is_another_number(response, answer, matches):
    assert classify("How many?", response, "en", "Some.", answer).answer_match is matches


def test_a_sign_is_no_punctuation():
    assert not classify("How many?", "-5", "en", "5").exact_match
    assert not classify("How many?", "5", "en", "-5").exact_match
    assert classify("How many?", "\u22125.", "en", "-5").exact_match
    assert classify("How many?", "- Five.", "en", "five").exact_match


@pytest.mark.parametrize(
    ("response", "answer"),
    [("५ लीटर", "5 लीटर"), ("٣ قرون", "3 قرون"), ("۱۲ ماه", "12 ماه"), ("5 লিটার", "৫ লিটার")],
)
def test_a_number_is_the_same_in_the_digits_of_any_script(response, answer):
    other = answer.translate(str.maketrans("1235৫", "7777৭"))
    for said, right in ((response, True), (other, False)):
        outcome = classify("How many?", said, "hi", answer, answer)
        assert outcome.exact_match is outcome.answer_match is right
