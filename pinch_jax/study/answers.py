"""What a run answered in a language, and what each of its answers is."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinch_jax.evaluate.language_id import Outcome, classify
from pinch_jax.evaluate.records import other_answers, read_responses


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a run answered in one language: the records and what each is, by prompt id."""

    records: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Outcome]


def read_answers(workdir: Path, run: str, language: str) -> Answers:
    """Return what a run answered in a language.

    Raises:
      FileNotFoundError: the run has no responses in it.
      ValueError: the file is damaged.
    """
    records = {
        identity: record
        for (_, identity), record in read_responses(
            workdir / "runs" / run / "responses" / f"{language}.jsonl", kept=True
        ).items()
    }
    fields = ("prompt", "response", "language", "reference", "answer")
    others = other_answers(records)
    return Answers(
        records,
        {
            identity: classify(*(record[field] for field in fields), others=others[identity])
            for identity, record in records.items()
        },
    )
