"""The section of answers: right, wrong or none; by model, by language and by task."""

import math
from collections.abc import Mapping
from typing import Any

from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.report import charts
from pinch_jax.report.drawing import GREEN, ORANGE, THIN, VERMILION
from pinch_jax.report.groups import in_groups
from pinch_jax.report.tables import Section, Table, model_table, most_and_least, whole_file
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.outcomes import ALL_TASKS, ELSEWHERE, MEAN, TOO_SHORT, Outcomes
from pinch_jax.study.records import Records

# The columns of the table of kinds.
SHOWN = {
    "right": "right",
    "exact": "word for word",
    "wrong_answer": "wrong answer",
    "other_language": "wrong language",
    ELSEWHERE: "right in it",
    "echo": "echo",
    TOO_SHORT: "too short",
}
# The kinds of study/outcomes.py as the legend has them, and their colours.
COLOURS = {
    "exact": ("right, word for word", GREEN),
    "answer": ("right, otherwise worded", "#7fbfa8"),
    "wrong_answer": ("wrong answer", "#d3d9df"),
    ELSEWHERE: ("wrong language, right answer", "#dd9a8b"),
    "wrong_language": ("wrong language, wrong answer", VERMILION),
    "echo": ("echo of the prompt", ORANGE),
    TOO_SHORT: ("too short or nothing", THIN),
}


def mean_shares(records: Records) -> dict[str, Outcomes]:
    """Returns run -> what became of its responses, mean of all languages; the untuned one first."""
    rows = [row for row in records.outcomes if (row.language, row.task) == (MEAN, ALL_TASKS)]
    rows.sort(key=lambda row: row.spec != PRETRAINED)
    return {row.run: row for row in rows}


def unidentified(records: Records) -> list[str]:
    """Returns the languages that the means of all languages are without."""
    rows = [row for row in records.outcomes if not math.isnan(row.other_language.value)]
    told = {row.language for row in rows}
    return [code for code in records.study["languages"] if MEAN in told and code not in told]


def left_out(records: Records) -> str:
    """Returns where a wrong language says little, in sentences; "" without such languages."""
    told = ""
    if missing := unidentified(records):
        told = (
            f" Means of all languages are without {', '.join(missing)}: in which language answers "
            "are cannot be told there."
        )
    foreign = records.study.get("foreign_references", {})
    if held := ", ".join(f"{code} {percent:.0f} %" for code, percent in foreign.items()):
        told += (
            f" Of the references themselves some count as in a wrong language ({held}), and so do "
            "answers like them."
        )
    return told


def outcome_section(records: Records) -> Section:
    """Returns what became of the questions that have an answer."""
    words = Words(
        short="Answers",
        title="Right, wrong, or no answer",
        lead="What became of the questions that have an answer? Right: the reference, or the right "
        "answer and no other one in other words. Wrong answer: in the language of the prompt, and "
        "not the answer. Wrong language: in another language than the prompt; the answer may be "
        "right there. Echo: the prompt once more. Too short: no language shows, and it is not the "
        "answer.",
        caption="A bar is a model, mean of all languages. The line is the 95 % interval of what is "
        f"right. The tables have every language by itself.{left_out(records)}",
    )
    means = mean_shares(records)

    def chart(runs: list[str]) -> tuple[Mapping[str, Any], str]:
        rows = []
        for run in sorted(runs, key=lambda run: -means[run].right.value):
            for kind, (told, _) in COLOURS.items():
                value = getattr(means[run], kind).value
                if not math.isnan(value):
                    row = {"name": records.names[run], "kind": told, "value": value}
                    rows.append(row | {"told": f"{value:.1f} %"})
            rows[-1] |= {"low": means[run].right.low, "high": means[run].right.high}
        order = list(dict.fromkeys(row["name"] for row in rows))
        colours = dict(COLOURS.values())
        return charts.stacked_chart(rows, "percent of the responses", colours, order), ""

    drawings = in_groups(records, "outcomes", words.title, means, chart) if means else []
    result = "No model was asked, in all languages of the study, what has an answer."
    if means:
        right = {run: row.right for run, row in means.items()}
        result = most_and_least(records, "are right", right)
    file = whole_file(records.workdir / "outcomes.csv")
    tables = tuple(table for table in outcome_tables(records) if table.rows)
    return Section("outcomes", words, result, drawings, tables, file)


def outcome_tables(records: Records) -> tuple[Table, ...]:
    """Returns the tables: kinds by model, what is right by language, and by task."""
    sizes = {row.task: row.prompts for row in records.outcomes if row.language == MEAN}
    tasks = sorted(sizes, key=lambda task: (task != ALL_TASKS, -sizes[task]))

    def column(share: str, language: str = MEAN, task: str = ALL_TASKS) -> dict[str, Estimate]:
        rows = (row for row in records.outcomes if (row.language, row.task) == (language, task))
        held = {row.run: getattr(row, share) for row in rows}
        return {run: of for run, of in held.items() if not math.isnan(of.value)}

    languages = {code: column("right", code) for code in records.study["languages"]}
    by_task = {f"{t.replace('_', ' ')} ({sizes[t]})": column("right", MEAN, t) for t in tasks}
    return (
        model_table(
            records,
            "kinds of responses, mean of all languages",
            "Percent of the responses, and 95 % intervals. Right, wrong answer, wrong language, "
            "echo and too short add up to 100; “word for word” is a part of what is right, “right "
            "in it” of what is in a wrong language.",
            {told: column(share) for share, told in SHOWN.items()},
            is_open=True,
        ),
        model_table(
            records,
            "right answers by language",
            "Percent of the questions that were answered rightly, and 95 % intervals.",
            {"mean of all": column("right")} | languages,
        ),
        model_table(
            records,
            "right answers by task, mean of all languages",
            "Percent of the questions that were answered rightly, and 95 % intervals; behind a "
            "task its questions in each language.",
            by_task,
        ),
    )
