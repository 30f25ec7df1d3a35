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
