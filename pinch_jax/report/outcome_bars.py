"""What became of the responses, each of one kind: a stacked bar a model and language."""

import math

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from pinch_jax.languages import language
from pinch_jax.report.drawing import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    THIN,
    VERMILION,
    Canvas,
    canvas,
)
from pinch_jax.report.outcome_tables import outcome_table
from pinch_jax.report.wording import KIND_NAMES
from pinch_jax.study.outcomes import KINDS, MEAN, RIGHT, Outcomes
from pinch_jax.study.records import Records

FILLS = dict(
    zip(
        KINDS,
        (
            *((GREEN, 0.95), (GREEN, 0.5), (THIN, 0.45), (VERMILION, 0.45), (VERMILION, 0.9)),
            *((ORANGE, 0.75), (BLUE, 0.6)),
        ),
        strict=True,
    )
)
# The bars of the means are so much wider than those of the languages.
MEAN_WIDTH = 2.4


def outcome_bars(records: Records, label: str) -> str:
    """Return a table of bars: a row a model, a column a language, their mean first."""
    table = outcome_table(records)
    height = 0.19 * len(table.runs) + 0.9
    with canvas("outcomes", label, 9.4, max(1.7, height)) as drawing:
        axes = drawing.figure.subplots()
        for y, (run, name) in enumerate(zip(table.runs, table.names, strict=True)):
            if mean := table.rows.get((run, MEAN)):
                _bar(drawing, axes, 0, y, MEAN_WIDTH, mean, f"{name}, mean of all languages")
                _interval(axes, y, mean)
            for place, code in enumerate(table.languages):
                if row := table.rows.get((run, code)):
                    left = MEAN_WIDTH + 0.25 + place
                    _bar(drawing, axes, left, y, 0.9, row, f"{name} in {language(code).name}")
        axes.set_xlim(0, MEAN_WIDTH + 0.25 + len(table.languages))
        axes.set_ylim(len(table.runs), 0)
        axes.set_yticks([y + 0.5 for y in range(len(table.runs))], table.names)
        columns = [MEAN_WIDTH / 2, *(MEAN_WIDTH + 0.7 + x for x in range(len(table.languages)))]
        axes.set_xticks(columns, ["mean of all", *table.languages])
        axes.set_xlabel("language of the instructions", color=MUTED)
        axes.xaxis.set_label_position("top")
        axes.set_ylabel("tuned on", color=MUTED)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        keys = [Patch(facecolor=fill, label=KIND_NAMES[kind]) for kind, fill in FILLS.items()]
        drawing.figure.legend(handles=keys, loc="outside lower left", ncols=4)
    return drawing.svg


def _bar(
    drawing: Canvas, axes: Axes, left: float, y: int, width: float, row: Outcomes, named: str
) -> None:
    """Stack the kinds of a row; the pointer shows them all."""
    start, told = left, f"{named}: "
    known = [kind for kind in KINDS if not math.isnan(row.shares[kind][0])]
    told += ", ".join(f"{KIND_NAMES[kind]} {row.shares[kind][0]:.1f}" for kind in known) + " %"
    frame = Rectangle((left, y + 0.14), width, 0.72, facecolor="none", edgecolor=GRID)
    axes.add_artist(frame)
    for kind in known:
        part = width * row.shares[kind][0] / 100
        if part:
            axes.add_artist(Rectangle((start, y + 0.14), part, 0.72, facecolor=FILLS[kind]))
        start += part
    # Over all parts, so that any place of the bar has the text.
    cover = Rectangle((left, y + 0.14), width, 0.72, facecolor=INK, alpha=0.0)
    axes.add_artist(cover)
    drawing.tip(cover, told)


def _interval(axes: Axes, y: int, row: Outcomes) -> None:
    """Draw the interval of what is right over the bar of a mean."""
    low, high = (MEAN_WIDTH * end / 100 for end in row.shares[RIGHT][1:])
    axes.plot([low, high], [y + 0.5] * 2, color=INK, linewidth=1.0, solid_capstyle="butt")
    for end in (low, high):
        axes.plot([end] * 2, [y + 0.34, y + 0.66], color=INK, linewidth=1.0)
