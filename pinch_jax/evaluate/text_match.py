"""How two texts compare: equal but for form, one inside the other, repeated, alike by chrF."""

import functools
import unicodedata
from collections.abc import Iterable

import regex
from sacrebleu.metrics import CHRF

from pinch_jax.corpus.normalisation import caseless, normal_form
from pinch_jax.corpus.word_breaks import UNSPACED

ECHO_CHRF = 90.0
# So much of the beginning of a prompt is an echo of it that was cut off.
ECHO_CHARACTERS = 12

_CHRF = CHRF()
# A minus before a number, in whichever character; a hyphen behind a word or a number is none.
_MINUS = regex.compile(r"\u2212(?=\d)")
_SIGN = regex.compile(r"(?<![\w.,)])-(?=\d)")
# What is typed in many ways: apostrophes with a Hebrew geresh, quotation marks, hyphens.
_TYPED = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bb\u02bc\u05f3", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u05f4", '"')
    | dict.fromkeys("\u2010\u2011", "-")
)
_DIGIT = regex.compile(r"[\p{Nd}--0-9]", regex.VERSION1)
# What stands between the digits of one number: decimal and thousands separators.
_PARTED = regex.compile(r"\d[.,'\u2019\u066b\u066c]\d")
_UNSPACED = regex.compile(UNSPACED)


def chrf_score(text: str, reference: str) -> float:
    """Returns sacrebleu's sentence chrF (order 6, beta 2) of a text, 0 to 100; both normal."""
    text, reference = normal_form(text), normal_form(reference)
    return 100.0 if text == reference else _CHRF.sentence_score(text, [reference]).score


@functools.lru_cache(maxsize=1 << 17)
def normalise(text: str) -> str:
    """Returns a text `caseless`, without repeated spaces, and punctuation at its ends.

    A hyphen right before a digit is a sign, and is no punctuation. Digits are those of ASCII,
    whatever the script that writes them, and so are apostrophes, quotation marks and hyphens.
    """
    text = _MINUS.sub("-", " ".join(caseless(text).translate(_TYPED).split()))
    text = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    start, end = 0, len(text)
    while start < end and _is_punctuation(text[start]) and not _SIGN.match(text, start):
        start += 1
    while start < end and _is_punctuation(text[end - 1]):
        end -= 1
    return text[start:end]


def contains_words(text: str, words: str) -> bool:
    """Returns whether `words` occur in `text`, not inside longer words (Niger in Nigeria).

    In scripts that set no spaces, a neighbouring letter does not make a longer word. A part of a
    number is another number: 3 is in neither 13, 0.3, 3,000 nor -3.
    """
    start = text.find(words) if words else -1
    while start >= 0:
        end = start + len(words)
        inside = _joined(text[start - 1 : start], words[0]) or _joined(words[-1], text[end:][:1])
        if not (inside or _splits_number(text, start) or _splits_number(text, end)):
            return True
        start = text.find(words, start + 1)
    return False


def names_only(said: str, name: str, others: Iterable[str]) -> bool:
    """Returns whether normalised `said` names this, and of `others` only what is a part of it."""
    wanted = normalise(name)
    if not contains_words(said, wanted):
        return False
    rest = said.replace(wanted, " ")
    wrong = (normalise(other) for other in others)
    return not any(contains_words(said if wanted in name else rest, name) for name in wrong)


def _splits_number(text: str, place: int) -> bool:
    """Returns whether a number goes on over this place, by its sign or by what parts its digits."""
    sign = _SIGN.match(text, place - 1) if place else None
    return bool(sign or _PARTED.search(text, max(place - 2, 0), place + 2))


def _joined(left: str, right: str) -> bool:
    """Returns whether two neighbouring characters belong to one word."""
    if not (left and right):
        return False
    kinds = [unicodedata.category(character)[0] for character in (left, right)]
    # A vowel sign belongs to what is before it in every script.
    unspaced = kinds[1] != "M" and any(_UNSPACED.match(character) for character in (left, right))
    return set(kinds) <= set("LMN") and not unspaced


def repeats(said: str, asked: str, chrf: float) -> bool:
    """Returns whether normalised `said` repeats `asked`; `chrf` is of `said` and its reference.

    It does if less than half of it is left once `asked` is taken out, if it is no more than the
    beginning of `asked`, or if it is nearly `asked` (chrF of `ECHO_CHRF`) and nearer to it than to
    the reference.
    """
    if not said or not asked:
        return False
    if len(said.replace(asked, "")) < len(said) / 2:
        return True
    if len(said) >= ECHO_CHARACTERS and asked.startswith(said):
        return True
    if highest_chrf(said, asked) < ECHO_CHRF:
        return False
    echo_chrf = chrf_score(said, asked)
    return echo_chrf >= ECHO_CHRF and echo_chrf > chrf


def highest_chrf(text: str, reference: str) -> float:
    """Returns what `chrf_score` is at most, from the sizes alone: its counts are slow."""
    said, expected = (len("".join(normal_form(each).split())) for each in (text, reference))
    if not (said and expected):
        return 100.0
    # Of no order a larger part is found than of single characters.
    precision, recall = min(expected / said, 1.0), min(said / expected, 1.0)
    weight = CHRF.BETA**2
    # Rounded up, since the two are not computed alike.
    return 100.0 * (1 + weight) * precision * recall / (weight * precision + recall) + 1e-9


def _is_punctuation(character: str) -> bool:
    return character == " " or unicodedata.category(character).startswith("P")
