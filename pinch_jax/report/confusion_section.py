"""The section of language confusion: how far the answers stay in the language asked for."""

import math

from pinch_jax.evaluate.intervals import NOTHING, Estimate
from pinch_jax.report import charts
from pinch_jax.report.groups import in_groups
from pinch_jax.report.tables import Section, Table, interval, whole_file
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.confusion import MEAN, Confusion
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.measures import show
from pinch_jax.study.records import Records

WORDS = Words(
    short="Confusion",
    title="Do the answers stay in the language asked for?",
    lead="The line pass rate of the Language Confusion Benchmark (Marchisio et al., 2024): of the "
    "answers, those whose lines are all in the language asked for, as lid.176 has it. Lines of "
    "fewer than five words are passed over, and answers that have no other lines. What the answers "
    "say does not matter. Their word pass rate needs a list of English words: `pinch confusion "
    "--words`.",
    caption="A bar is the line pass rate of a model, mean of all languages; the line across its "
    "end is the 95 % interval.",
)


def confusion_section(records: Records) -> Section:
    """Returns how far the answers of each model stay in the language asked for."""
    means = {row.run: row for row in records.confusion if row.language == MEAN}
    told = {run: row for run, row in means.items() if not math.isnan(row.lpr)}

    def chart(runs: list[str]):
        rows = [
            {"name": records.names[run], "kind": "line pass rate", "score": told[run].lpr}
            | {"low": told[run].lpr_low, "high": told[run].lpr_high, "told": show(_lpr(told[run]))}
            for run in sorted(runs, key=lambda run: -told[run].lpr)
        ]
        return charts.bar_chart(rows, "line pass rate (%)", None), ""

    result = "No model has such answers in all languages of the study."
    if told:
        ranked = sorted(told, key=lambda run: -told[run].lpr)
        best, worst = (
            f"“{records.names[run]}”, {show(_lpr(told[run]), 0)} %"
            for run in (ranked[0], ranked[-1])
        )
        result = (
            f"Answers stay in their language most often after tuning on {best}; least often with "
            f"{worst}. These are means of all languages."
        )
    drawings = in_groups(records, "confusion", WORDS.title, told, chart) if told else []
    file = whole_file(records.workdir / "confusion.csv")
    return Section("confusion", WORDS, result, drawings, (_table(records),), file)


def _lpr(row: Confusion) -> Estimate:
    return Estimate(row.lpr, row.lpr_low, row.lpr_high)


def _table(records: Records) -> Table:
    """Returns a row a model: how many answers count, and the line pass rate by language."""
    held = {(row.run, row.language): row for row in records.confusion}
    runs = sorted({run for run, _ in held}, key=list(records.runs).index)
    runs.sort(key=lambda run: records.runs[run] != PRETRAINED)
    told = {language for _, language in held}
    codes = [code for code in (MEAN, *records.languages) if code in told]

    def counted(run: str) -> str:
        row = held.get((run, MEAN))
        ends = (row.counted, row.counted_low, row.counted_high) if row else ()
        return interval(Estimate(*ends) if row else NOTHING, 0)

    rows = [
        (
            records.names[run],
            counted(run),
            *(interval(_lpr(held[run, c]) if (run, c) in held else NOTHING, 0) for c in codes),
        )
        for run in runs
    ]
    answered = {row.language for row in records.responses}
    missing = [code for code in records.study["languages"] if code in answered - told]
    without = (
        f" Without {', '.join(missing)}: lid.176 does not know the language, or what parts its "
        "words is not installed (pip install 'pinch_jax[confusion]')."
    )
    columns = (
        "tuned on",
        "answers that count",
        *("mean of all" if c == MEAN else c for c in codes),
    )
    return Table(
        "line pass rate by language",
        "Percent, and 95 % intervals. The second column: of the answers, mean of all languages, "
        f"those with a line of five words or more.{without if missing else ''}",
        columns,
        tuple(rows),
        tuple(range(1, len(columns))),
        open=True,
    )
