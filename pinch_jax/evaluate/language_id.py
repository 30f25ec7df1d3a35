"""What a response is: which language it is in, and in which way it fails.

fastText's small lid.176 knows 176 languages, but one short sentence often leaves it undecided
among close ones (it reads most Slovak as Czech and half of the Swahili as Italian). What a
study adds is that its own languages are known: their alphabets, and the words of their phrases.
Each is a factor on the probability that lid.176 gives a language:

    lid.176(language) * 0.2 ** (letters its alphabet lacks) * 0.1 ** (known words it does not use)

where a known word is one that the phrases of any candidate language use. lid.176's other
languages stay in the race, without a vocabulary. The best one wins if it takes at least
`CONFIDENCE` of the total; otherwise the text is `TOO_SHORT` to tell.
"""

import collections
import dataclasses
import functools
import re
import unicodedata

from pinch_jax.corpus.cldr.examples import phrases
from pinch_jax.corpus.lid import language_probabilities
from pinch_jax.evaluate.text_match import (
    chrf_score,
    contains_words,
    names_only,
    normalise,
    repeats,
)
from pinch_jax.languages import LANGUAGES, language

TOO_SHORT = "too_short"
RIGHT_KINDS = ("exact", "answer")
CONFIDENCE = 0.7

_FOREIGN_LETTER = 0.2
_FOREIGN_WORD = 0.1
# A name in another script must not decide for a sentence, nor a whole clause be ignored.
_MIN_SCRIPT_FRACTION = 0.2
_WORDS = re.compile(r"[^\W\d_]+")

_BASIC_LATIN = "abcdefghijklmnopqrstuvwxyz"
_ALPHABETS = {
    "cs": _BASIC_LATIN + "áčďéěíňóřšťúůýž",
    "en": _BASIC_LATIN,
    "es": _BASIC_LATIN + "áéíñóúü",
    "et": _BASIC_LATIN + "äõöšüž",
    "fi": _BASIC_LATIN + "äåöšž",
    "hr": _BASIC_LATIN + "ćčđšž",
    "it": _BASIC_LATIN + "àèéìíîòóùú",
    "pl": _BASIC_LATIN + "ąćęłńóśźż",
    "sk": _BASIC_LATIN + "áäčďéíĺľňóôŕšťúýž",
    "sl": _BASIC_LATIN + "čšž",
    "sw": _BASIC_LATIN,
    "ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "sr": "абвгдђежзијклљмнњопрстћуфхцчџш",
}
_UNICODE_SCRIPTS = {"Chinese": "CJK"}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one response is; `chrf` is from 0 to 100.

    `language` is right_language, wrong_language or too_short; `identified` is the code behind
    it. The failures are separate: an echo is in the right language, and so is a wrong answer.
    `exact_match` and `chrf` are None without a reference, `answer_match` without an answer.
    """

    identified: str
    language: str
    empty: bool
    echo: bool
    exact_match: bool | None
    answer_match: bool | None
    hedged: bool
    chrf: float | None

    @property
    def right_language(self) -> bool:
        """Whether it is known to be in the language of its prompt."""
        return self.language == "right_language"

    @property
    def wrong_language(self) -> bool:
        """Whether it is known to be in another language than its prompt."""
        return self.language == "wrong_language"

    @property
    def too_short(self) -> bool:
        """Whether its language cannot be told."""
        return self.language == TOO_SHORT

    @property
    def kind(self) -> str | None:
        """The one thing that it is; None where there is no answer to be right or wrong by.

        exact            the reference
        echo             the prompt, whatever it names on the way
        wrong_language   known to be in another language than its prompt, right or not
        answer           the right answer and no other, otherwise worded, or so short that no
                         language shows
        too_short        nothing, or nothing that would show a language, and not the answer
        wrong_answer     the rest: in the language of its prompt, or right among wrong ones
        """
        if self.answer_match is None:
            return None
        held = {
            "exact": self.exact_match,
            "echo": self.echo,
            "wrong_language": self.wrong_language,
            "answer": self.answer_match and not self.hedged,
            TOO_SHORT: (self.too_short or self.empty) and not self.answer_match,
        }
        return next((kind for kind, is_so in held.items() if is_so), "wrong_answer")

    @property
    def right(self) -> bool:
        """Whether it is the right answer, whatever the words; False where there is no answer."""
        return self.kind in RIGHT_KINDS


@functools.lru_cache(maxsize=1 << 17)
def identify(text: str, candidates: tuple[str, ...] = tuple(LANGUAGES)) -> str:
    """Return the code of the language of a text, or `TOO_SHORT` when that is unsure.

    The code is one of `candidates`, the languages whose alphabets and words are taken into
    account, or another one of lid.176.

    Raises:
      ValueError: a candidate is not a known language.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    letters = collections.Counter(letter for letter in text.lower() if letter.isalpha())
    if not letters:
        return TOO_SHORT
    scripts: collections.Counter[str] = collections.Counter()
    for letter, count in letters.items():
        scripts[_script(letter)] += count
    written = {s for s, n in scripts.items() if n >= _MIN_SCRIPT_FRACTION * letters.total()}
    known_words = set(_WORDS.findall(text.lower())) & _vocabulary(candidates)

    others = language_probabilities(text)
    weights = {}
    for code in candidates:
        weight = others.pop(code, 0.0)
        if (script := _script_of(code)) in written:
            foreign_letters = sum(
                letter not in _ALPHABETS.get(code, letter)
                for letter in letters
                if _script(letter) == script
            )
            weight *= _FOREIGN_LETTER**foreign_letters
            weights[code] = weight * _FOREIGN_WORD ** len(known_words - _words(code))
    other_weight = _FOREIGN_WORD ** len(known_words)
    weights |= {code: probability * other_weight for code, probability in others.items()}
    best = max(weights, key=weights.__getitem__)
    return best if weights[best] >= CONFIDENCE * sum(weights.values()) else TOO_SHORT


@functools.lru_cache(maxsize=1 << 17)
def classify(
    prompt: str,
    response: str,
    language: str,
    reference: str,
    answer: str = "",
    candidates: tuple[str, ...] = tuple(LANGUAGES),
    others: tuple[str, ...] = (),
) -> Outcome:
    """Return what a response to `prompt` is, held against its `reference` in `language`.

    `exact_match` is equality after `normalise`; `answer_match` asks for the name `answer` as
    whole words. A response is `hedged` when it names some of `others` too, which are wrong. It is
    an echo when it repeats the prompt and is neither the reference nor nearer to it. A `reference`
    or `answer` of "" is none: there is nothing to hold against.

    Raises:
      ValueError: a candidate is not a known language.
    """
    said, asked, expected = normalise(response), normalise(prompt), normalise(reference)
    exact, chrf = None, None
    if reference:
        exact = said == expected
        chrf = chrf_score(response, reference)
    match = contains_words(said, normalise(answer)) if answer else None
    # An exact match is in the language of the reference, however short it is.
    identified = language if exact and said else identify(response, candidates)
    return Outcome(
        identified=identified,
        language=TOO_SHORT
        if identified == TOO_SHORT
        else ("right_language" if identified == language else "wrong_language"),
        empty=not said,
        echo=not exact and repeats(said, asked, chrf or 0.0),
        exact_match=exact,
        answer_match=match,
        hedged=bool(match) and not names_only(said, answer, others),
        chrf=chrf,
    )


@functools.cache
def _script(letter: str) -> str:
    """Return the script a letter is of, by the first word of its Unicode name."""
    return unicodedata.name(letter, "UNKNOWN").split()[0]


@functools.cache
def _script_of(code: str) -> str:
    script = language(code).script
    return _UNICODE_SCRIPTS.get(script, script.upper())


@functools.cache
def _words(code: str) -> frozenset[str]:
    """Return the lower-case words that the phrases of a language use, without the names."""
    told = set()
    for phrase in phrases(code).values():
        for template in (*phrase["statements"], *phrase["questions"], phrase["response"]):
            told |= set(_WORDS.findall(template.format(subject=" ", answer=" ").lower()))
    return frozenset(told)


@functools.cache
def _vocabulary(candidates: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(_words(code) for code in candidates))
