"""One form of a text for all comparisons: equal where texts look the same, and only there."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinch_jax.corpus.duplicates import folded
from pinch_jax.corpus.normalisation import caseless, is_blank, normal_form
from pinch_jax.corpus.reading.rows import check_text
from pinch_jax.evaluate.outcome import classify
from pinch_jax.evaluate.text_match import chrf_score, highest_chrf, normalise
from pinch_jax.judge.protocol import Pair
from pinch_jax.judge.reference import ReferenceJudge

UNSEEN = "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u2060\u2066\u2067\u2069\ufeff"
# Letters that are drawn by their neighbours and joiners, marks that compose, emoji, and the rest.
TRICKY = (
    "aéÅßİﬁ\u0301\u0323بهادی\u064e\u0653\u200c\u200d\u200c\u200dकर्ष\u0940ক\u09cdর가\u1100\u1161"
    "👩\ufe0f🏴\U000e0067"
)
texts = st.text(st.sampled_from(TRICKY + UNSEEN + " \n") | st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_the_normal_form_is_its_own_and_that_of_every_equal_text(text):
    normal = normal_form(text)
    assert normal_form(normal) == normal
    assert unicodedata.is_normalized("NFC", normal)
    assert normal_form(unicodedata.normalize("NFD", text)) == normal
    assert caseless(caseless(text)) == caseless(text)
    assert caseless(unicodedata.normalize("NFD", text)) == caseless(text)


def test_joiners_around_a_useless_one_become_one():
    assert normal_form("\u200d\u200c\u200d\u0628 \ufeff") == "\u200d\u0628 "
    assert normal_form("\u0647\u200d\u200c\u200d") == "\u0647\u200d"


@given(texts, st.lists(st.tuples(st.integers(0, 30), st.sampled_from(UNSEEN)), max_size=6))
def test_what_is_not_seen_makes_no_difference_and_what_is_seen_stays(text, unseen):
    strewn = text
    for place, character in unseen:
        strewn = strewn[:place] + character + strewn[place:]
    assert normal_form(strewn) == normal_form(text)
    seen, left = (
        [character for character in some if unicodedata.category(character) != "Cf"]
        for some in (unicodedata.normalize("NFC", text), normal_form(text))
    )
    # Characters that a removed one stood between may compose.
    assert unicodedata.normalize("NFD", "".join(left)) == unicodedata.normalize(
        "NFD", "".join(seen)
    )


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("می‌خواهم", "می‌خواهم"),  # Persian: the letters would join
        ("می‌‌خواهم‌", "می‌خواهم"),  # once is enough, and at the end it does nothing
        ("آزاد‌راه", "آزادراه"),  # the letter before never joins
        ("ه‍", "ه‍"),  # an abbreviation, drawn as at the beginning of a word
        ("क्‍ष क्‌ष", "क्‍ष क्‌ष"),  # half a letter, a visible virama
        ("র‍্য", "র‍্য"),  # another form of the same two letters
        ("Auf‌lage f‍i", "Auflage fi"),
        ("e\u200b\u0301", "é"),
        ("👩‍👩‍👧 🏳️‍🌈", "👩‍👩‍👧 🏳️‍🌈"),
        ("🏴\U000e0067\U000e0062\U000e007f a\U000e0067", "🏴\U000e0067\U000e0062\U000e007f a"),
        ("؀١", "؀١"),  # a format character that is drawn
    ],
)
def test_joiners_stay_where_the_script_needs_them(written, normal):
    assert normal_form(written) == normal


def test_a_right_answer_is_right_however_its_characters_are_encoded():
    def outcome(response, reference, answer):
        return classify("?", response, "he", reference, answer)

    for said in ("\u200fשקל חדש\u200e", "שקל\u200b חדש", "\u202bשקל חדש\u202c", "\ufeffשקל חדש."):
        assert outcome(said, "שקל חדש", "שקל חדש").exact_match
        assert outcome(f"זה \u2067{said}\u2069!", "משהו אחר", "שקל חדש").answer_match
        assert outcome(said, "שקל חדש", "").chrf == pytest.approx(chrf_score(said, "שקל חדש"))
    assert outcome("\u200f \u200b", "שקל חדש", "").empty


def test_equal_wrong_answers_tie_in_whatever_form_they_are():
    record = {"language": "cs", "id": "1", "prompt": "?", "reference": "žluťoučký kůň"}
    record |= {"answer": "", "task": "t"}
    composed = "příliš žluťoučký"
    for other in (
        unicodedata.normalize("NFD", composed),
        f"\u200e{composed}",
        "pří\u00adliš žluťoučký",
    ):
        pair = Pair(record, composed, other, ())
        judge = ReferenceJudge()
        assert judge.quality(pair, composed) == judge.quality(pair, other)
        assert chrf_score(other, composed) == 100.0
        assert normalise(other) == normalise(composed)
        assert folded(other) == folded(composed)


@given(texts.filter(len), st.integers(0, 9), st.integers(0, 9))
def test_chrf_is_never_above_what_the_sizes_allow(text, first, second):
    reference = text * 3
    said = reference[first:] + text[:second]
    for pair in ((said, reference), (reference, said)):
        assert chrf_score(*pair) <= highest_chrf(*pair)


def test_what_is_not_seen_is_no_text():
    for text in ("", " \n", "\u200b\u200f", "\ufeff \u00ad", "\u3164", "\x00"):
        assert is_blank(text) and check_text("x:1", "prompt", text, empty=True) == ""
    for text in ("a", "\u200fא", "。", "👩‍👧"):
        assert not is_blank(text) and check_text("x:1", "prompt", text) == text
