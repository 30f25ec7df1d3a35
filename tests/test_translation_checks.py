"""What is wrong with a translation, held against real sentences in 17 languages."""

import pytest
from bundled import LANGUAGES

from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.corpus.lid import language_probabilities
from pinch_jax.corpus.translation.checks import find_fault


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_real_translations_have_no_fault_and_those_into_another_language_have(code):
    def passages(language):
        own = cldr.examples(language)
        return [
            " ".join(e.prompt + " " + e.response for e in own[at : at + 3]) for at in (0, 500, 900)
        ]

    other = "fi" if LANGUAGES[code].script != "Latin" else "zh"
    for english, own, wrong in zip(passages("en"), passages(code), passages(other), strict=True):
        assert find_fault(english, own, "en", code) is None
        assert find_fault(english, english, "en", code).startswith("copy")
        assert find_fault(english, english + " So!", "en", code).startswith(("wrong", "length"))
        assert find_fault(english, wrong, "en", code).startswith(("wrong", "length"))
        assert find_fault(english, own[: len(own) // 4], "en", code).startswith("length")
        assert find_fault(own, english, code, "en") is None


def test_chinese_characters_alone_are_not_taken_for_japanese():
    assert language_probabilities("東京大学図書館")["zh"] > 0.5
    assert "ja" not in language_probabilities("東京大学図書館")
    assert language_probabilities("東京大学の図書館です")["ja"] > 0.5


def cut(code, characters, at=0):
    """Return the beginning of real text that has so many characters beside its blanks."""
    text = " ".join(f"{e.prompt} {e.response}" for e in cldr.examples(code)[at : at + 20])
    ends = [place for place, character in enumerate(text, 1) if not character.isspace()]
    return text[: ends[characters - 1]]


def kind(original, translation, source, target):
    return (find_fault(original, translation, source, target) or "none").partition(":")[0]


@pytest.mark.parametrize(
    ("target", "least", "most"), [("fi", 40, 250), ("ar", 34, 212), ("he", 30, 187), ("zh", 15, 90)]
)
def test_a_translation_is_within_two_and_a_half_times_the_length_expected(target, least, most):
    for characters, found in ((least - 1, "length"), (least, "none"), (most, "none")):
        assert kind(cut("en", 100), cut(target, characters), "en", target) == found
    assert kind(cut("en", 100), cut(target, most + 1), "en", target) == "length"


def test_lengths_are_told_from_forty_latin_characters_on():
    assert kind(cut("en", 39), cut("fi", 300), "en", "fi") == "none"
    assert kind(cut("en", 40), cut("fi", 300), "en", "fi") == "length"
    # 14 and 15 Chinese characters say what 39 and 42 Latin ones say.
    assert kind(cut("zh", 14), cut("fi", 300), "zh", "fi") == "none"
    assert kind(cut("zh", 15), cut("fi", 300), "zh", "fi") == "length"


def test_another_language_is_told_from_forty_letters_on_vowel_signs_and_many_for_a_chinese_one():
    short = cut("en", 39, at=500)
    hindi = "इस देश की मुद्रा क्या है और यहाँ कौन सी भाषा"
    assert len(hindi.replace(" ", "")) == 34
    for text, letters, found in (
        ("the people of that land pay with their own coi", 37, "none"),
        ("the people of that land pay with their own coins", 39, "none"),
        ("the people of that land pay with their own coinss", 40, "wrong language"),
        ("这个国家的货币是什么呢我不知", 14, "none"),
        ("这个国家的货币是什么呢我不知道", 15, "wrong language"),
        (hindi + " बोल", 37, "none"),
        (hindi + " बोली जाती", 42, "wrong language"),
    ):
        assert len(text.replace(" ", "")) == letters
        assert kind(short, text, "en", "fi") == found, text
