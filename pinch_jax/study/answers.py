"""What a run answered in a language, and what each of its answers is."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinch_jax.evaluate.language_id import Outcome, classify
from pinch_jax.evaluate.records import read_responses
from pinch_jax.evaluate.text_match import contains_words, normalise


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a run answered in one language: the records and what each is, by prompt id."""

    records: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Outcome]


def read_answers(workdir: Path, run: str, language: str) -> Answers:
    """Return what a run answered in a language.

    Raises:
      FileNotFoundError: the run has no responses in it.
    """
    records = {
        identity: record
        for (_, identity), record in read_responses(
            workdir / "runs" / run / "responses" / f"{language}.jsonl"
        ).items()
    }
    fields = ("prompt", "response", "language", "reference", "answer")
    offered = offered_answers(records)
    return Answers(
        records,
        {
            identity: classify(*(record[field] for field in fields), offered=offered[identity])
            for identity, record in records.items()
        },
    )


def offered_answers(records: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return for each prompt the wrong answers that it names beside the right one.

    A prompt that names the right one asks to choose, as between topics; whoever repeats all of
    them has not chosen. The answers are those of all prompts of the task.
    """
    answers: dict[str, dict[str, None]] = {}
    for record in records.values():
        answers.setdefault(record["task"], {})[record["answer"]] = None

    def beside(record: Mapping[str, Any]) -> tuple[str, ...]:
        asked, right = normalise(record["prompt"]), normalise(record["answer"])
        if not contains_words(asked, right):
            return ()
        others = (name for name in answers[record["task"]] if normalise(name) != right)
        return tuple(name for name in others if contains_words(asked, normalise(name)))

    return {identity: beside(record) for identity, record in records.items()}
