"""Which language a text is in: lid.176's word, whose ties the words of the study's texts break.

lid.176 often cannot decide among close languages: it reads short Slovak as Czech and half of the
short Swahili as Italian. What a study adds is that it has texts in each of its languages, so that
it is known which words and letters they use. That weighs on what lid.176 says, within bounds:

    lid.176(language) * max(0.1 ** (known words and letters that it does not use), bound)

The bound is 0.001, and 0.01 for a text of `LONG` letters. A known one is what the texts of any
of the study's languages use, and only languages in the script of lid.176's best one take part. A
text of `LONG` letters is in the best language; a shorter one only if that takes `CONFIDENCE` of
all, and is `TOO_SHORT` otherwise. In a long text a language outside the study that has most of
lid.176's probability stands.
"""

import collections
import dataclasses
import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping

from pinch_jax.corpus.lid import (
    cannot_be_identified,
    language_probabilities,
    letter_script,
    main_script,
    script_of,
)
from pinch_jax.corpus.normalisation import normal_form
from pinch_jax.storage.files import digest

TOO_SHORT = "too_short"
LONG = 40
CONFIDENCE = 0.7

_UNUSED = 0.1
_BOUND, _LONG_BOUND = 0.001, 0.01
_MOST = 0.5
# A word of one text alone may be a name, or of another language.
_LEAST_TEXTS = 2
# Letters of Latin script that say what one of these says (medians over SIB-200, Tatoeba, UDHR).
_LETTERS_OF_LATIN = {"Chinese": 2.8}
# What a text of Chinese characters alone may be.
_CHINESE_TOO = frozenset(["Chinese", "Japanese"])
_WORDS = re.compile(r"[^\W\d_]+")


@dataclasses.dataclass(frozen=True, eq=False)
class StudyWords:
    """The words and letters that the texts of a study use, by language; equal where these are.

    So what a judge has found out of an answer is known when tables are made.
    """

    by_language: Mapping[str, frozenset[str]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StudyWords) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    @functools.cached_property
    def known(self) -> frozenset[str]:
        """Those of all languages."""
        return frozenset().union(*self.by_language.values())

    @functools.cached_property
    def checksum(self) -> str:
        """What tells them from those of other texts."""
        return digest({code: sorted(own) for code, own in sorted(self.by_language.items())})

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the study."""
        return tuple(self.by_language)

    @functools.cached_property
    def unidentifiable(self) -> frozenset[str]:
        """Those of the languages that cannot be identified."""
        return frozenset(cannot_be_identified(self.languages))


@functools.cache
def no_words(*languages: str) -> StudyWords:
    """Returns a study of these languages of which no text is known."""
    return StudyWords(dict.fromkeys(languages, frozenset()))


NO_WORDS = no_words()


def study_words(texts: Mapping[str, Iterable[str]]) -> StudyWords:
    """Returns the words and letters, in lower case, that two or more of a language's texts use.

    `texts` are those of every language of a study; those of one alone would speak for it.
    """
    used = {}
    for code, own in sorted(texts.items()):
        counts = collections.Counter(word for text in own for word in _words_of(text))
        used[code] = frozenset(word for word, count in counts.items() if count >= _LEAST_TEXTS)
    return StudyWords(used)


@functools.lru_cache(maxsize=1 << 17)
def identify(text: str, words: StudyWords = NO_WORDS) -> str:
    """Returns the code of the language of a text, or `TOO_SHORT` when that is unsure.

    It is one of lid.176's languages, in the study or not.
    """
    text = normal_form(text)
    size = letters(text)
    if not size:
        return TOO_SHORT
    probabilities = language_probabilities(text, words.languages)
    best = max(probabilities, key=probabilities.__getitem__)
    if size >= LONG and best not in words.by_language and probabilities[best] >= _MOST:
        return best
    script = script_of(best)
    alone = script in _CHINESE_TOO and main_script(text) == "Chinese"
    scripts = _CHINESE_TOO if alone else {script}
    known = {word for word in _words_of(text) & words.known if letter_script(word[0]) in scripts}
    if known:
        bound = _LONG_BOUND if size >= LONG else _BOUND
        # Of a language outside the study it is known that it has other words, not other letters.
        foreign = sum(len(word) > 1 for word in known)
        for code in probabilities:
            own = words.by_language.get(code)
            unused = foreign if own is None else len(known - own)
            same = script_of(code) in scripts
            probabilities[code] *= max(_UNUSED**unused, bound) if same else bound
        best = max(probabilities, key=probabilities.__getitem__)
    sure = probabilities[best] >= CONFIDENCE * sum(probabilities.values())
    return best if size >= LONG or sure else TOO_SHORT


def letters(text: str) -> float:
    """Returns how many letters a text has, vowel signs too, counted as in Latin script."""
    return sum(
        _LETTERS_OF_LATIN.get(letter_script(character), 1.0)
        for character in text
        if unicodedata.category(character)[0] in "LM"
    )


def _words_of(text: str) -> set[str]:
    words = set(_WORDS.findall(normal_form(text).lower()))
    return words.union(*words)
