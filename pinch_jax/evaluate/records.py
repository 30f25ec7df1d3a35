"""Response files: one JSON object a line, read with the place of every mistake."""

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pinch_jax.corpus.example import CROSSLINGUAL, Example, Prompt, written
from pinch_jax.corpus.language_id import NO_WORDS, StudyWords, study_words
from pinch_jax.errors import UserError
from pinch_jax.evaluate.outcome import Outcome, classify
from pinch_jax.evaluate.text_match import contains_words, normalise
from pinch_jax.languages import language
from pinch_jax.storage.files import CHECKSUM, without_checksum
from pinch_jax.storage.json_input import check_fields, read_objects

Key = TypeVar("Key", bound=Hashable)
Records = Mapping[Key, Mapping[str, Any]]

# What a prompt is, whoever answers it.
ASKED = ("prompt", "reference", "task", "answer")
RESPONSE_FIELDS = ("id", "language", "prompt", "response", "reference", "task", "answer")


def response_record(example: Example, response: str) -> dict[str, Any]:
    """Returns the record of a response to a held-out prompt."""
    return {
        "id": example.id,
        "language": example.language,
        "prompt": example.prompt,
        "response": response,
        "reference": example.response,
        "task": example.task,
        "answer": example.answer,
        # As JSON gives it back: what is kept is held against it.
        **({"asked": [list(turn) for turn in example.turns]} if example.turns else {}),
    }


def asked(record: Mapping[str, Any]) -> Prompt:
    """Returns what a template makes a prompt of, of a `response_record` or one that is like it."""
    return tuple((role, text) for role, text in record.get("asked", ())) or record["prompt"]


def last_prompt(record: Mapping[str, Any]) -> str:
    """Returns what an answer replies to, and may echo: the last turn, where there are several."""
    turns = record.get("asked")
    return turns[-1][1] if turns else record["prompt"]


def outcome_of(
    record: Mapping[str, Any], response: str, words: StudyWords, others: tuple[str, ...] = ()
) -> Outcome:
    """Returns what a response to the prompt of a record is, by the rule of judges and tables."""
    asked = record["language"], record["reference"], record["answer"]
    return classify(last_prompt(record), response, *asked, others, words)


def other_answers(records: Records[Key]) -> dict[Key, tuple[str, ...]]:
    """Returns for each prompt the answers that are wrong: whoever names them hedges.

    They are those of its task in its language. What the prompt names itself may be repeated,
    unless it names the right answer too: it asks to choose then, as between topics.
    """
    answers: dict[tuple[str, str], dict[str, str]] = {}
    for record in records.values():
        held = answers.setdefault((record["language"], record["task"]), {})
        held[record["answer"]] = normalise(record["answer"])

    def wrong(record: Mapping[str, Any]) -> tuple[str, ...]:
        asked, right = normalise(record["prompt"]), normalise(record["answer"])
        chooses = contains_words(asked, right)
        return tuple(
            name
            for name, written in answers[record["language"], record["task"]].items()
            if written != right and (chooses or not contains_words(asked, written))
        )

    return {key: wrong(record) for key, record in records.items()}


def words_of_records(records: Iterable[Mapping[str, Any]]) -> StudyWords:
    """Returns the words that the texts of a study use; none where they are in one language."""
    texts: dict[str, list[str]] = {}
    for record in records:
        texts.setdefault(record["language"], []).extend(own_texts(record))
    return study_words(texts) if len(texts) > 1 else NO_WORDS


def own_texts(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the texts of a record in its language: the reference, and behind it the prompt.

    A cross-lingual prompt is in another language, and says nothing of this one; so may the
    system's turn be, which many records share.
    """
    if record["task"].partition("/")[0] == CROSSLINGUAL:
        return (record["reference"],)
    turns = record.get("asked") or [("user", record["prompt"])]
    return record["reference"], written(turn for turn in turns if turn[0] != "system")


def language_of(place: str, spelt: str) -> str:
    """Returns the code of a record's language, in whatever spelling it has it.

    `no` is nb, which lid.176 and the study call it.

    Raises:
        UserError: there is no such language; `place` is for the message.
    """
    try:
        return language(spelt).code
    except UserError as error:
        raise UserError(f"{place}: language: {error}") from None


def read_responses(path: Path, kept: bool = False) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns (language, id) -> record of a response file, in the order of its lines.

    `kept`: it is a run's own, and every line has a checksum; else those that have one are checked.

    Raises:
      UserError: the file is not there or empty, or a line is no record, damaged or of a known id.
    """
    records: dict[tuple[str, str], dict[str, Any]] = {}
    remedy = "delete the file, and run again" if kept else "repair or delete it"
    for place, record in read_objects(path, remedy):
        if kept or CHECKSUM in record:
            record = without_checksum(place, record, remedy)
        check_fields(place, record, RESPONSE_FIELDS, empty=RESPONSE_FIELDS[3:])
        record["language"] = language_of(place, record["language"])
        key = record["language"], record["id"]
        if key in records:
            raise UserError(f"{place}: {key[0]} {key[1]!r} comes twice; keep one response of each")
        records[key] = record
    if not records:
        raise UserError(f"{path}: no responses; generate them first")
    return records
