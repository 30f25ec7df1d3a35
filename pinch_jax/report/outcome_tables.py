"""What became of the responses as tables: means over the languages, each language, each task."""

from collections.abc import Mapping, Sequence

from pinch_jax.evaluate.intervals import NOTHING, Estimate
from pinch_jax.report.tables import Table, interval
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.outcomes import ALL_TASKS, ELSEWHERE, MEAN, OTHER_LANGUAGE, RIGHT, TOO_SHORT
from pinch_jax.study.records import Records

# The columns of the table of kinds.
SHOWN = {
    RIGHT: "right",
    "exact": "word for word",
    "wrong_answer": "wrong answer",
    OTHER_LANGUAGE: "wrong language",
    ELSEWHERE: "right in it",
    "echo": "echo",
    TOO_SHORT: "too short",
}
# The share of a kind, in a language or MEAN, of a task.
Column = tuple[str, str, str]


def mean_shares(records: Records) -> dict[str, Mapping[str, tuple[float, float, float]]]:
    """Returns run -> what became of its responses, mean of all languages; the untuned one first."""
    rows = [row for row in records.outcomes if (row.language, row.task) == (MEAN, ALL_TASKS)]
    rows.sort(key=lambda row: row.spec != PRETRAINED)
    return {row.run: row.shares for row in rows}


def outcome_tables(records: Records) -> tuple[Table, ...]:
    """Returns the tables: kinds by model, what is right by language, and by task."""
    sizes = {row.task: row.prompts for row in records.outcomes if row.language == MEAN}
    tasks = sorted(sizes, key=lambda task: (task != ALL_TASKS, -sizes[task]))
    kinds = {told: (share, MEAN, ALL_TASKS) for share, told in SHOWN.items()}
    languages = {code: (RIGHT, code, ALL_TASKS) for code in records.study["languages"]}
    languages = {"mean of all": (RIGHT, MEAN, ALL_TASKS)} | languages
    by_task = {f"{t.replace('_', ' ')} ({sizes[t]})": (RIGHT, MEAN, t) for t in tasks}
    return (
        _table(
            records,
            "kinds of responses, mean of all languages",
            "Percent of the responses, and 95 % intervals. Right, wrong answer, wrong language, "
            "echo and too short add up to 100; “word for word” is a part of what is right, “right "
            "in it” of what is in a wrong language.",
            kinds,
            is_open=True,
        ),
        _table(
            records,
            "right answers by language",
            "Percent of the questions that were answered rightly, and 95 % intervals.",
            languages,
        ),
        _table(
            records,
            "right answers by task, mean of all languages",
            "Percent of the questions that were answered rightly, and 95 % intervals; behind a "
            "task its questions in each language.",
            by_task,
        ),
    )


def _table(
    records: Records, summary: str, caption: str, columns: Mapping[str, Column], is_open=False
) -> Table:
    """Returns a row a model, with an interval in each column."""
    held = {(row.run, row.language, row.task): row.shares for row in records.outcomes}
    runs = sorted({run for run, *_ in held}, key=list(records.runs).index)
    runs.sort(key=lambda run: records.runs[run] != PRETRAINED)

    def cell(run: str, share: str, language: str, task: str) -> str:
        shares = held.get((run, language, task))
        return interval(Estimate(*shares[share]) if shares else NOTHING, 0)

    rows: Sequence[tuple[str, ...]] = [
        (records.names[run], *(cell(run, *column) for column in columns.values())) for run in runs
    ]
    told = [row for row in rows if set(row[1:]) != {"–"}]
    numeric = tuple(range(1, 1 + len(columns)))
    return Table(summary, caption, ("tuned on", *columns), tuple(told), numeric, is_open)
