"""Language first: who answers in a wrong language loses to who does not, before anyone is asked.

Models that judge favour English, and whatever is fluent in a wrong language.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pinch_jax.corpus.language_id import StudyWords
from pinch_jax.evaluate.records import outcome_of
from pinch_jax.judge.protocol import Judge, Judgement, Pair
from pinch_jax.storage.files import digest

# Raised when the rule changes.
_RULE = "language-2"


class LanguageGate:
    """A judge that is asked only what language does not decide; a `Judge` itself."""

    def __init__(self, judge: Judge, words: StudyWords):
        """Puts a gate before a judge; `words` are those of all languages of the study."""
        self._judge, self._words = judge, words
        self.name, self.wording = judge.name, judge.wording
        self.identity = digest([judge.identity, _RULE])
        self.version = digest([self.identity, judge.version, words.checksum])
        self.batch_size, self.everywhere = judge.batch_size, judge.everywhere

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Returns what language says of each pair, or else the judge."""
        told = {at: held for at, pair in enumerate(pairs) if (held := self._by_language(pair))}
        asked = [at for at in range(len(pairs)) if at not in told]
        if asked:
            judgements = self._judge.judge([pairs[at] for at in asked])
            told |= dict(zip(asked, judgements, strict=True))
        return [told[at] for at in range(len(pairs))]

    def cost(self, pairs: Iterable[Pair]) -> Any:
        """Returns what the judge says that it costs; None where nothing is to be paid."""
        if not hasattr(self._judge, "cost"):
            return None
        return self._judge.cost(pair for pair in pairs if not self._by_language(pair))

    def _by_language(self, pair: Pair) -> Judgement | None:
        told = (outcome_of(pair.record, said, self._words) for said in (pair.first, pair.second))
        first, second = (bool(outcome.wrong_language) for outcome in told)
        if first == second:
            return None
        return Judgement("second" if first else "first", by="language")
