"""The reference as judge: the right language, no echo, the right answer, the nearer words."""

from collections.abc import Iterable, Sequence

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.language_id import NO_WORDS, StudyWords
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import outcome_of
from pinch_jax.judge.protocol import Judgement, Pair


class ReferenceJudge:
    """Chooses by the reference alone: language, not an echo, right answer, exact match, chrF.

    A response too short to tell its language is not taken for a wrong one. Between responses of
    equal quality the place decides, "first", so that the two orders differ: a tie by protocol.
    `words` are those of all languages of the study, which help to tell them apart.
    """

    # The number changes with the rule, so that no file holds verdicts by two of them.
    name, identity, wording = "reference-5", "reference-5", ""
    batch_size, everywhere = 256, False

    def __init__(self, words: StudyWords = NO_WORDS):
        self._words, self.version = words, words.checksum

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Returns the better response of each pair; raises UserError if one has no reference."""
        qualities = ((self.quality(p, p.first), self.quality(p, p.second)) for p in pairs)
        return [Judgement("first" if first >= second else "second") for first, second in qualities]

    def quality(self, pair: Pair, response: str) -> tuple[bool, bool, bool, bool, bool, float]:
        """Returns what ranks a response: says anything, language, no echo, right, exact, chrF."""
        record = pair.record
        if not record["reference"]:
            raise UserError(
                f"judge={self.name!r}: {record['language']} {record['id']!r} has no reference to "
                "judge by; leave such prompts out, or use another judge"
            )
        outcome = outcome_of(record, response, self._words, pair.others)
        return (
            not outcome.empty,
            not outcome.wrong_language,
            not outcome.echo,
            outcome.right,
            outcome.exact_match,
            outcome.chrf,
        )


def check_references(heldout: Iterable[Example]) -> None:
    """Raises UserError when a prompt has no reference for `ReferenceJudge` to judge by."""
    examples = tuple(heldout)
    if without := [example for example in examples if not example.response]:
        raise UserError(
            f"config.study.judge='reference': {len(without)} of {len(examples)} "
            f"held-out prompts have no reference, such as {without[0].language} "
            f"{without[0].id!r}; hold out examples with responses, or set another judge "
            "(docs/judging.md)"
        )
