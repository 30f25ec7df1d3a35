"""What became of the responses as tables: means over the languages, each language, each task."""

import dataclasses
import math

from pinch_jax.languages import language
from pinch_jax.report.readings import Point
from pinch_jax.report.tables import Table, interval, number
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.outcomes import (
    ALL_TASKS,
    ELSEWHERE,
    MEAN,
    OTHER_LANGUAGE,
    RIGHT,
    TOO_SHORT,
    Outcomes,
)
from pinch_jax.study.records import Records

NOTHING = (math.nan, math.nan, math.nan)
# The columns of the tables of kinds.
SHOWN = {
    RIGHT: "right",
    "exact": "word for word",
    "wrong_answer": "wrong answer",
    OTHER_LANGUAGE: "wrong language",
    ELSEWHERE: "right in it",
    "echo": "echo",
    TOO_SHORT: "too short",
}
PARTS = (
    "Percent of the responses, and 95 % intervals. Right, wrong answer, wrong language, echo and "
    "too short add up to 100; “word for word” is a part of what is right, “right in it” of what is "
    "in a wrong language."
)


@dataclasses.dataclass(frozen=True)
class OutcomeTable:
    """What the responses are over all tasks: `rows[run, language or MEAN]`; `names` of the runs."""

    runs: tuple[str, ...]
    names: tuple[str, ...]
    languages: tuple[str, ...]
    rows: dict[tuple[str, str], Outcomes]


def outcome_table(records: Records, task: str = ALL_TASKS) -> OutcomeTable:
    """Return the outcomes of a task by run and language; the untuned model stands first."""
    rows = {(row.run, row.language): row for row in records.outcomes if row.task == task}
    answered = {run for run, _ in rows}
    runs = sorted(
        (run for run in records.runs if run in answered),
        key=lambda run: records.runs[run] != PRETRAINED,
    )
    names = tuple(records.names[run] for run in runs)
    languages = tuple(
        code for code in records.study["languages"] if any((r, code) in rows for r in runs)
    )
    return OutcomeTable(tuple(runs), names, languages, rows)


def outcome_tables(records: Records) -> tuple[Table, ...]:
    """Return the tables: kinds by model, what is right by language and by task, and all rows."""
    table = outcome_table(records)
    return (_kinds(table), _languages(table), _tasks(records), _everything(table))


def _cell(table: OutcomeTable, run: str, column: str, share: str, digits: int = 0) -> str:
    row = table.rows.get((run, column))
    return interval(Point(*(row.shares[share] if row else NOTHING)), digits)


def _kinds(table: OutcomeTable) -> Table:
    rows = [
        (name, *(_cell(table, run, MEAN, share) for share in SHOWN))
        for run, name in zip(table.runs, table.names, strict=True)
        if (run, MEAN) in table.rows
    ]
    return _numbers(
        "kinds of responses, mean of all languages",
        PARTS,
        ("tuned on", *SHOWN.values()),
        rows,
        is_open=True,
    )


def _languages(table: OutcomeTable) -> Table:
    rows = [
        (name, *(_cell(table, run, code, RIGHT) for code in (MEAN, *table.languages)))
        for run, name in zip(table.runs, table.names, strict=True)
    ]
    return _numbers(
        "right answers by language",
        "Percent of the questions that were answered rightly, word for word or not, and 95 % "
        "intervals.",
        ("tuned on", "mean of all", *table.languages),
        rows,
    )


def _tasks(records: Records) -> Table:
    sizes = {row.task: row.prompts for row in records.outcomes if row.language == MEAN}
    tasks = sorted(sizes, key=lambda task: (task != ALL_TASKS, -sizes[task]))
    held = {task: outcome_table(records, task) for task in tasks}
    every = outcome_table(records)
    rows = [
        (name, *(_cell(held[task], run, MEAN, RIGHT) for task in tasks))
        for run, name in zip(every.runs, every.names, strict=True)
        if (run, MEAN) in every.rows
    ]
    return _numbers(
        "right answers by task, mean of all languages",
        "Percent of the questions that were answered rightly, and 95 % intervals; behind a task "
        "its questions in each language.",
        ("tuned on", *(f"{task.replace('_', ' ')} ({sizes[task]})" for task in tasks)),
        rows,
    )


def _everything(table: OutcomeTable) -> Table:
    rows = [
        (
            name,
            "mean of all" if code == MEAN else language(code).name,
            number(row.prompts, 0),
            *(_cell(table, run, code, share, digits=1) for share in SHOWN),
        )
        for run, name in zip(table.runs, table.names, strict=True)
        for code in (MEAN, *table.languages)
        if (row := table.rows.get((run, code)))
    ]
    return Table(
        "kinds of responses by language",
        PARTS,
        ("tuned on", "language", "questions", *SHOWN.values()),
        tuple(rows),
        tuple(range(2, 3 + len(SHOWN))),
    )


def _numbers(
    summary: str,
    caption: str,
    columns: tuple[str, ...],
    rows: list[tuple[str, ...]],
    is_open: bool = False,
) -> Table:
    numeric = tuple(range(1, len(columns)))
    return Table(summary, caption, columns, tuple(rows), numeric, is_open)
