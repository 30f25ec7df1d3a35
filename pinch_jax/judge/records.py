"""Verdict files: a line is one choice, with all that it was made by and on."""

import dataclasses
from pathlib import Path

from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import Key, Records, other_answers
from pinch_jax.storage.files import digest, read_kept_lines

ORDERS = ("baseline_first", "candidate_first")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One choice between two responses to one prompt.

    Attributes:
        order: baseline_first or candidate_first.
        choice: first or second.
        winner: baseline or candidate, which follows from both.
        judge, version, wording: who chose, as `Judge` has them.
        seen: what `seen_by_judge` says of the prompt; a verdict on other responses has another.
        responses: the checksums of the two responses, first and second.
        log_odds: log P(first) - log P(second) in nats; None where the judge gives none.
        by: "judge", or "language", where one response was in a wrong language and nobody was asked.
        model: as `Judgement` has it.
    """

    id: str
    language: str
    order: str
    choice: str
    winner: str
    judge: str
    seen: str
    version: str = ""
    wording: str = ""
    responses: tuple[str, str] = ("", "")
    log_odds: float | None = None
    by: str = "judge"
    model: str = ""

    def __post_init__(self) -> None:
        for field, values in (
            ("order", ORDERS),
            ("choice", ("first", "second")),
            ("by", ("judge", "language")),
        ):
            if getattr(self, field) not in values:
                raise UserError(f"{field}={getattr(self, field)!r} is none of {values}")
        if self.winner != chosen(self.order, self.choice):
            raise UserError(
                f"winner={self.winner!r} is not what choice={self.choice!r} of "
                f"order={self.order!r} says"
            )


def chosen(order: str, choice: str) -> str:
    """Returns which response a choice in an order names: baseline or candidate."""
    return "baseline" if (order == ORDERS[0]) == (choice == "first") else "candidate"


def seen_by_judge(baseline: Records[Key], candidate: Records[Key], version: str) -> dict[Key, str]:
    """Returns for each prompt the checksum of all that a judge knows, whatever the order."""
    others = other_answers(baseline)
    shown = ("language", "prompt", "reference", "answer", "response")
    return {
        key: digest(
            [
                *(version, *(record[n] for n in shown), candidate[key]["response"]),
                *(*others[key], *record.get("asked", ())),
            ]
        )
        for key, record in baseline.items()
    }


def read_verdicts(path: Path) -> list[Verdict]:
    """Returns the verdicts of a file, in order; raises UserError for a line that is none."""
    verdicts, remedy = [], "delete the line, and judge again"
    for place, record in read_kept_lines(path, remedy):
        try:
            responses = tuple(record.get("responses", Verdict.responses))
            verdicts.append(Verdict(**record | {"responses": responses}))
        except (TypeError, ValueError) as error:
            raise UserError(f"{place}: not a verdict ({error}); {remedy}") from error
    return verdicts
