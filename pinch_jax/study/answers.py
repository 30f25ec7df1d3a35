"""What the runs of a study answered, and what each of their answers is."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.corpus.language_id import StudyWords
from pinch_jax.evaluate.outcome import Outcome, classify
from pinch_jax.evaluate.records import other_answers, read_responses, words_of_records


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a run answered in one language: the records and what each is, by prompt id."""

    records: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Outcome]


def read_answers(
    workdir: Path, answered: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Answers]:
    """Returns (run, language) -> what the run answered in it, for those that are asked for.

    Raises:
      UserError: a run has no responses in a language.
      UserError: a file is damaged.
    """
    folder = workdir / "runs"
    held = {
        (run, language): read_responses(folder / run / "responses" / f"{language}.jsonl", kept=True)
        for run, language in answered
    }
    words = words_of_records(
        {key: record for records in held.values() for key, record in records.items()}.values()
    )
    return {
        key: _answers({identity: record for (_, identity), record in records.items()}, words)
        for key, records in held.items()
    }


def _answers(records: Mapping[str, Mapping[str, Any]], words: StudyWords) -> Answers:
    fields = ("prompt", "response", "language", "reference", "answer")
    others = other_answers(records)
    return Answers(
        records,
        {
            identity: classify(
                *(record[field] for field in fields), others=others[identity], words=words
            )
            for identity, record in records.items()
        },
    )
