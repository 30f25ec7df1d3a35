"""What a response is: which language it is in, and in which way it fails."""

import dataclasses
import functools

from pinch_jax.corpus.language_id import NO_WORDS, TOO_SHORT, StudyWords, identify, no_words
from pinch_jax.evaluate.text_match import chrf_score, contains_words, names_only, normalise, repeats

RIGHT_KINDS = ("exact", "answer")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one response is; `chrf` is from 0 to 100.

    `language` is right_language, wrong_language, too_short, or None where the language of the
    prompt cannot be identified at all; `identified` is the code behind it. The failures are
    separate: an echo is in the right language, and so is a wrong answer.
    `exact_match` and `chrf` are None without a reference, `answer_match` without an answer.
    """

    identified: str
    language: str | None
    empty: bool
    echo: bool
    exact_match: bool | None
    answer_match: bool | None
    hedged: bool
    chrf: float | None

    @property
    def right_language(self) -> bool | None:
        """Whether it is known to be in the language of its prompt; None if `language` is."""
        return self._is("right_language")

    @property
    def wrong_language(self) -> bool | None:
        """Whether it is known to be in another language than its prompt; None if `language` is."""
        return self._is("wrong_language")

    @property
    def too_short(self) -> bool | None:
        """Whether its language cannot be told from so little; None if `language` is."""
        return self._is(TOO_SHORT)

    def _is(self, language: str) -> bool | None:
        return None if self.language is None else self.language == language

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
def classify(
    prompt: str,
    response: str,
    language: str,
    reference: str,
    answer: str = "",
    others: tuple[str, ...] = (),
    words: StudyWords = NO_WORDS,
) -> Outcome:
    """Returns what a response to `prompt` is, held against its `reference` in `language`.

    `exact_match` is equality after `normalise`; `answer_match` asks for the name `answer` as
    whole words. A response is `hedged` when it names some of `others` too, which are wrong. It is
    an echo when it repeats the prompt and is neither the reference nor nearer to it. A `reference`
    or `answer` of "" is none: there is nothing to hold against. `words` are what is known of the
    study's languages.
    """
    said, asked, right = normalise(response), normalise(prompt), normalise(answer)
    exact = said == normalise(reference) if reference else None
    chrf = chrf_score(response, reference) if reference else None
    match = contains_words(said, right) if answer else None
    # An exact match is in the language of the reference, however short it is.
    if language not in words.by_language:
        words = no_words(language)
    identified = language if exact and said else identify(response, words)
    if match and said == right and identified != language:
        # The answer alone, as its own language has it: none other shows.
        identified = TOO_SHORT
    return Outcome(
        identified=identified,
        language=_language(identified, language, words),
        empty=not said,
        echo=not exact and repeats(said, asked, chrf or 0.0),
        exact_match=exact,
        answer_match=match,
        hedged=bool(match) and not names_only(said, answer, others),
        chrf=chrf,
    )


def _language(identified: str, asked: str, words: StudyWords) -> str | None:
    if asked in words.unidentifiable:
        return None
    if identified == TOO_SHORT:
        return TOO_SHORT
    return "right_language" if identified == asked else "wrong_language"
