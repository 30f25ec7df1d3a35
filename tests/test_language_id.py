"""The language of a response, and the separate ways in which it can fail."""

import pytest

from pinch_jax.corpus.cldr.examples import examples
from pinch_jax.evaluate.language_id import TOO_SHORT, classify, identify
from pinch_jax.evaluate.text_match import contains_words, normalise
from pinch_jax.languages import LANGUAGES, STUDY_LANGUAGES

ASKED = "What is the money of this country called: Kenya?"
TOLD = "The currency of this country is: Kenyan Shilling."


def outcome(response, prompt=ASKED, language="en", reference=TOLD, answer="Kenyan Shilling"):
    return classify(prompt, response, language, reference, answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_responses_of_the_corpus_are_in_their_own_language_and_never_in_another(language):
    responses = sorted({example.response for example in examples(language)})[::4]
    identified = [identify(response) for response in responses]
    assert set(identified) <= {language, TOO_SHORT}
    assert identified.count(language) >= 0.98 * len(responses)


@pytest.mark.parametrize(
    "text", ["", " \n", "42", "12.5 % - (3)", "😀 😀", "€ 10", "१२३", "・・・", "؟،"]
)
def test_a_text_without_letters_is_too_short_to_tell(text):
    assert identify(text) == TOO_SHORT


@pytest.mark.parametrize("name", ["Euro", "Mali", "Dinar", "Latin"])
def test_a_name_that_many_languages_share_is_too_short_to_tell(name):
    assert identify(name) == TOO_SHORT


def test_script_tells_serbian_from_croatian():
    assert identify("Главни град ове земље је велик и веома леп.") == "sr"
    assert identify("Glavni grad ove zemlje je velik i vrlo lijep.") == "hr"


def test_letters_that_czech_lacks_tell_slovak_where_the_words_are_unknown():
    assert identify("Kôň žerie mäso.") == "sk"
    assert identify("Kůň žere řepu.") == "cs"


def test_words_tell_slovak_from_czech():
    assert identify("Úradný jazyk tejto krajiny je slovenčina a ľudia ju majú radi.") == "sk"
    assert identify("Úřední jazyk této země je čeština a lidé ji mají rádi.") == "cs"


def test_a_language_outside_the_candidates_is_named_not_forced_into_them():
    german = "Die Währung dieses Landes heißt Euro und ist seit vielen Jahren gültig."
    assert identify(german) == "de"
    assert identify("Tämän maan virallinen kieli on suomi.", ("et", "en")) == "fi"
    assert identify("Το νόμισμα αυτής της χώρας είναι το ευρώ.") == "el"


def test_a_name_in_another_script_does_not_decide_for_the_sentence():
    assert identify("这个国家的货币是：Kenyan Shilling。") == "zh"
    assert identify("המטבע של המדינה הזאת הוא: Kenyan Shilling.") == "he"


def test_an_unknown_candidate_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'xx'"):
        identify("Some words of text", ("en", "xx"))


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


def test_a_repeated_or_slightly_changed_prompt_is_an_echo_but_an_answer_is_not():
    assert outcome(f"{ASKED} {ASKED}").echo
    assert outcome(ASKED.replace("called", "caled")).echo
    assert outcome(ASKED[:30]).echo and not outcome(ASKED[:5]).echo, "it may have been cut off"
    assert not outcome(f"{ASKED} {TOLD} Kenya lies in Africa.").echo
    assert not outcome(TOLD, prompt=TOLD).echo, "the reference itself is never an echo"
    assert not outcome("").echo and outcome("").empty


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


def test_every_script_of_the_study_is_written_in_letters_that_are_recognised():
    samples = {language: examples(language)[0].response for language in STUDY_LANGUAGES}
    for language, response in samples.items():
        assert identify(response.upper() if language not in ("zh", "hi") else response) == language
