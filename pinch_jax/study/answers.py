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
    others = other_answers(records)
    return Answers(
        records,
        {
            identity: classify(*(record[field] for field in fields), others=others[identity])
            for identity, record in records.items()
        },
    )


def other_answers(records: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return for each prompt the answers of its task that are wrong: whoever names them hedges.

    What the prompt names itself may be repeated, unless it names the right answer too: it asks to
    choose then, as between topics.
    """
    answers: dict[str, dict[str, str]] = {}
    for record in records.values():
        answers.setdefault(record["task"], {})[record["answer"]] = normalise(record["answer"])

    def wrong(record: Mapping[str, Any]) -> tuple[str, ...]:
        asked, right = normalise(record["prompt"]), normalise(record["answer"])
        chooses = contains_words(asked, right)
        return tuple(
            name
            for name, written in answers[record["task"]].items()
            if written != right and (chooses or not contains_words(asked, written))
        )

    return {identity: wrong(record) for identity, record in records.items()}
