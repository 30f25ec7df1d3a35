"""What can be wrong with a translation that can be seen without reading both languages.

A text is checked only as far as it is long enough to tell: a fault is meant to be one. What is
counted is a translator's business alone, without code, URLs and the other protected parts.
"""

import collections

from pinch_jax.corpus.duplicates import folded
from pinch_jax.corpus.language_id import LONG, letters
from pinch_jax.corpus.lid import cannot_be_identified, language_probabilities, script_of
from pinch_jax.corpus.normalisation import is_blank
from pinch_jax.corpus.translation.additions import find_addition
from pinch_jax.corpus.translation.protect import protected_parts, without_protected

# Characters that say what one character of Latin script says: medians over the parallel texts
# of SIB-200, Tatoeba, UDHR and MT-Bench. Of other scripts it is not known, and no length is told.
_DENSITY = {
    **dict.fromkeys(("Latin", "Cyrillic", "Devanagari"), 1.0),
    **{"Arabic": 0.85, "Hebrew": 0.75, "Chinese": 0.36},
}
# All but 5 of the 9,370 human translations among these of 40 characters and more are within this
# factor of the expected length.
_LENGTH_FACTOR = 2.5
# Latin characters below which lengths are not told.
_MIN_CHARACTERS = 40
# lid.176 must be sure of another language and see none of the right one.
_SURE, _NOT_AT_ALL = 0.5, 0.05
COPY = "copy"
# Of so many texts most are not the same in two languages by chance.
MANY = 5


def find_fault(
    original: str, translation: str, source: str, target: str, is_name: bool = False
) -> str | None:
    """Returns what is wrong with a translation from language `source` to `target`, or None.

    The words before the colon are the kind of the fault, from a small set. Something that
    `is_name` may be the same in both languages.
    """
    if is_blank(translation) and not is_blank(original):
        return "empty: nothing came back"
    if not is_name and is_copy(original, translation):
        return f"{COPY}: came back as it was"
    return (
        _changed_part(original, translation)
        or find_addition(original, translation)
        or _length(original, translation, source, target)
        or _wrong_language(translation, target)
    )


def is_copy(original: str, translation: str) -> bool:
    """Returns whether a text is its original, but for case and punctuation, and could be another.

    What has no letter to translate, as a number or code, translates as itself.
    """
    if folded(original) != folded(translation):
        return False
    return any(character.isalpha() for character in without_protected(original))


def _changed_part(original: str, translation: str) -> str | None:
    for part, count in collections.Counter(protected_parts(original)).items():
        found = translation.count(part)
        # A part may be inside another one, so that a count can only be compared with its like.
        if found != original.count(part):
            return f"changed part: {part[:40]!r} came {found} times instead of {count}"
    return None


def _length(original: str, translation: str, source: str, target: str) -> str | None:
    densities = [_DENSITY.get(script_of(code)) for code in (source, target)]
    sent, came = _characters(original), _characters(translation)
    if None in densities or sent < _MIN_CHARACTERS * densities[0]:
        return None
    expected = sent * densities[1] / densities[0]
    if expected / _LENGTH_FACTOR <= came <= expected * _LENGTH_FACTOR:
        return None
    return f"length: {came} characters, about {expected:.0f} expected"


def _wrong_language(translation: str, target: str) -> str | None:
    words = without_protected(translation)
    if letters(words) < LONG or cannot_be_identified((target,)):
        return None
    probabilities = language_probabilities(words, (target,))
    likely = max(probabilities, key=probabilities.__getitem__)
    of_target = probabilities.get(target, 0.0)
    if likely == target or probabilities[likely] < _SURE or of_target >= _NOT_AT_ALL:
        return None
    return f"wrong language: reads as {likely}, not {target}"


def _characters(text: str) -> int:
    return sum(len(word) for word in without_protected(text).split())
