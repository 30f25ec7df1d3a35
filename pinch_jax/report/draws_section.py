"""The section of draws: how much of a number is the choice of examples, how much of prompts."""

import math

from pinch_jax.report import charts
from pinch_jax.report.drawing import Drawing
from pinch_jax.report.tables import Section, Table, csv_table, plotted, whole_file
from pinch_jax.report.text_table import number
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Variance
from pinch_jax.study.variance import PLANNED_DRAWS, POINTS, POWER

# Nobody has more prompts in a language: more draws are needed.
MOST_PROMPTS = 10_000
WORDS = Words(
    short="Draws",
    title="Which examples, and which prompts",
    lead="Each tuning set was drawn several times, from the same weights, with other examples in "
    "another order. How much of the variance of a difference is the draw, and how much the choice "
    "of prompts? A difference is a mean score less that of the first mixture of the same curve.",
    caption="A bar is the percent that draws give of the variance of the mean over all draws; the "
    "rest is prompts, and what a draw and a prompt do together. The line across its end is the "
    "95 % interval, which is wide with few draws.",
)


def draws_section(records: Records) -> Section:
    """Returns what the draws of a study tell."""
    rows = _differences(records)
    bars = [
        {"name": _named(records, row), "kind": "draws", **plotted(row.draw_share, 0)}
        for row in rows
        if not math.isnan(row.draw_share.value)
    ]
    spec = charts.bar_chart(bars, "percent of the variance", None) if bars else None
    drawings = [Drawing("draws", WORDS.title, spec)] if spec else []
    file = whole_file(records.workdir / "variance.csv")
    tables = (*([_table(records, rows)] if rows else []), csv_table(records, file))
    return Section("draws", WORDS, _result(rows), drawings, tables, file)


def _differences(records: Records) -> list[Variance]:
    """Returns the differences of the first curve, in its first mean; of other arms without one."""
    told = [row for row in records.variance if row.above]
    told = [row for row in told if row.x.replace(".", "").isdecimal()] or told
    first = [(row.experiment, row.language) for row in told[:1]]
    return [row for row in told if (row.experiment, row.language) in first]


def _named(records: Records, row: Variance) -> str:
    words = {spec: records.names[run] for run, spec in records.runs.items()}
    # A curve may have several lines, each with a first mixture of its own.
    return ", ".join(filter(None, (words.get(row.spec, row.spec), row.series)))


def _result(rows: list[Variance]) -> str:
    if not rows:
        return "No two mixtures of this study were judged in the same languages."
    told = [row.draw_share for row in rows if not math.isnan(row.draw_share.value)]
    shares = sorted(share.value for share in told)
    ends = dict.fromkeys(f"{share:.0f}" for share in (*shares[:1], *shares[-1:]))
    part = f"{' to '.join(ends)} %" if ends else "nothing"
    low = min((share.low for share in told), default=math.nan)
    high = max((share.high for share in told), default=math.nan)
    sure = f" (intervals from {low:.0f} to {high:.0f} %)" if told else ""
    most = PLANNED_DRAWS[-1]
    needed = max(getattr(row, f"prompts_{most}") for row in rows)
    needs = (
        f"With {most} draws and {needed:,.0f} prompts a language a difference of {POINTS:g} points "
        f"from the first mixture would be told in {100 * POWER:.0f} % of such studies"
        if needed <= MOST_PROMPTS
        else f"More than {most} draws are needed to tell a difference of {POINTS:g} points"
    )
    return (
        f"The draw gives {part} of the variance{sure}. {needs}, if draws scatter as they do here."
    )


def _table(records: Records, rows: list[Variance]) -> Table:
    columns = ("tuned on", "points above the first", "sd of draws", "% draws")
    columns += tuple(f"{draws} draws" for draws in PLANNED_DRAWS)

    def cells(row: Variance) -> tuple[str, ...]:
        estimates = (row.value, row.draw_sd, row.draw_share)
        told = (f"{number(e.value)} [{number(e.low)}, {number(e.high)}]" for e in estimates)
        needed = (getattr(row, f"prompts_{draws}") for draws in PLANNED_DRAWS)
        prompts = (f"{n:,.0f}" if n <= MOST_PROMPTS else "no number" for n in needed)
        return (_named(records, row), *told, *prompts)

    return Table(
        f"what would tell a difference of {POINTS:g} points",
        f"The last columns: with so many draws, the prompts a language that tell a difference of "
        f"{POINTS:g} points in {100 * POWER:.0f} % of such studies; “no number”: more draws are "
        "needed.",
        columns,
        tuple(map(cells, rows)),
        open=True,
    )
