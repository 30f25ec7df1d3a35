"""Tables of cells in colour: scores of monolingual models, and what became of the responses."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pinch_jax.evaluate.intervals import EVEN
from pinch_jax.languages import language
from pinch_jax.report import readings
from pinch_jax.report.drawing import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    VERMILION,
    canvas,
)
from pinch_jax.report.tables import AGGREGATE_NAMES
from pinch_jax.study.records import Records, Score

SIGNIFICANT = 0.05
# Points that a column's colours span at least: a difference of one is not to look like a great one.
LEAST_SPAN = 10.0


def heat_map(experiment: str, records: Records, label: str) -> str:
    """Return the table of monolingual models; every column has its own colour scale."""
    table = readings.matrix(records, experiment)
    codes = table.languages
    count = len(codes)
    with canvas(experiment, label, 0.47 * (count + 4.2), 0.31 * (count + 2.6)) as drawing:
        axes = drawing.figure.subplots()
        for x, judged in enumerate(codes):
            column = [table.cells.get((tuned, judged)) for tuned in codes]
            strengths = _strengths([cell.score if cell else math.nan for cell in column])
            for y, (tuned, cell) in enumerate(zip(codes, column, strict=True)):
                if cell is None:
                    _left_out(axes, x, y)
                    continue
                patch = _block(axes, x, y, f"{cell.score:.0f}", strengths[y])
                drawing.tip(patch, _cell_text(language(tuned).name, judged, cell))
                if cell.p_holm < SIGNIFICANT:
                    colour = _ink_on(strengths[y])
                    axes.plot(x + 0.88, y + 0.18, "o", color=colour, markersize=2, clip_on=False)
        strengths = _strengths([table.means[code].value for code in codes])
        for y, code in enumerate(codes):
            mean = table.means[code]
            patch = _block(axes, count + 0.3, y, f"{mean.value:.1f}", strengths[y])
            drawing.tip(patch, f"tuned on {language(code).name}: mean of the others {mean}")
        _frame_of_table(axes, codes)
    return drawing.svg


def score_map(experiment: str, records: Records, label: str) -> str:
    """Return the table of an experiment's models, in one scale around 50."""
    table = readings.score_map(records, experiment)
    codes, means = table.languages, ("mean", "mean_other")
    width, height = 0.42 * (len(codes) + 8), 0.3 * (len(table.runs) + 2.4)
    with canvas(experiment, label, width, height) as drawing:
        axes = drawing.figure.subplots()
        for y, run in enumerate(table.runs):
            for x, code in enumerate(codes):
                if cell := table.cells.get((run, code)):
                    strength, colour = _around_even(cell.score)
                    patch = _block(axes, x, y, f"{cell.score:.0f}", strength, colour)
                    drawing.tip(patch, _cell_text(records.names[run], code, cell))
                    if cell.p_holm < SIGNIFICANT:
                        ink = _ink_on(strength)
                        axes.plot(x + 0.88, y + 0.18, "o", color=ink, markersize=2, clip_on=False)
            for place, name in enumerate(means):
                # A model that is tuned on all languages has no others.
                if mean := table.means[name].get(run):
                    x = len(codes) + 0.3 + 1.1 * place
                    patch = _block(axes, x, y, f"{mean.value:.1f}", *_around_even(mean.value))
                    drawing.tip(patch, f"{records.names[run]}, {AGGREGATE_NAMES[name]}: {mean}")
        _frame(axes, len(codes) + 2.5, [records.names[run] for run in table.runs])
        places = [*(np.arange(len(codes)) + 0.5), len(codes) + 0.8, len(codes) + 1.9]
        axes.set_xticks(places, [*codes, "mean", "not\ntuned on"])
    return drawing.svg


def _around_even(score: float) -> tuple[float, str]:
    """Return how strongly and in which colour a score is painted that 50 is the middle of."""
    return abs(score - EVEN) / EVEN, BLUE if score >= EVEN else ORANGE


def _strengths(values: list[float]) -> list[float]:
    """Return how far each value lies above the least, in the column's span; NaN is passed over."""
    low = np.nanmin(values)
    span = max(np.nanmax(values) - low, LEAST_SPAN)
    return [(value - low) / span for value in values]


def _block(
    axes: Axes, x: float, y: int, text: str, strength: float, colour: str = BLUE
) -> Rectangle:
    """Paint one cell: the stronger, the more colour over the paper."""
    fill = (colour, 0.05 + 0.9 * strength)
    patch = _rectangle(axes, x + 0.02, y + 0.03, 0.96, 0.94, facecolor=fill)
    axes.text(x + 0.5, y + 0.52, text, ha="center", va="center", color=_ink_on(strength))
    return patch


def _rectangle(
    axes: Axes, x: float, y: float, width: float, height: float, **style: Any
) -> Rectangle:
    """Add a rectangle that takes no part in limits, clipping and layout: there are thousands."""
    patch = Rectangle((x, y), width, height, **style)
    axes.add_artist(patch)
    patch.set_clip_on(False)
    patch.set_in_layout(False)
    return patch


def _ink_on(strength: float) -> str:
    """Return the colour that can be read on a cell, on the light page and on the dark one."""
    return PAPER if strength > 0.75 else INK


def _left_out(axes: Axes, x: float, y: int) -> None:
    """Mark a cell that is 50 by construction and takes no part in the colours."""
    _rectangle(axes, x + 0.04, y + 0.06, 0.92, 0.88, fill=False, edgecolor=GRID)
    axes.plot([x + 0.04, x + 0.96], [y + 0.06, y + 0.94], color=GRID, linewidth=0.8, clip_on=False)


def _frame_of_table(axes: Axes, codes: tuple[str, ...]) -> None:
    """Name the rows and the columns; draw no axes."""
    count = len(codes)
    _frame(axes, count + 1.3, [f"{language(code).name}  {code}" for code in codes])
    axes.set_xticks([*(np.arange(count) + 0.5), count + 0.8], [*codes, "mean of\nothers"])


def _frame(axes: Axes, width: float, rows: list[str]) -> None:
    axes.set_xlim(0, width)
    axes.set_ylim(len(rows), 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("language of the instructions", color=MUTED)
    axes.set_ylabel("tuned on", color=MUTED)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _cell_text(tuned: str, judged: str, cell: Score) -> str:
    return (
        f"tuned on {tuned}, asked in {language(judged).name}: {readings.point(cell)}; "
        f"p = {cell.p:.3f}, Holm {cell.p_holm:.3f}; "
        f"{cell.wins:.0f} wins, {cell.ties:.0f} ties, {cell.losses:.0f} losses"
    )


def response_shares(records: Records, label: str) -> str:
    """Return what share of each run's responses is in the right language, in a wrong one, too
    short to tell, and an echo of the prompt: a panel each, a row a run, a column a language.
    """
    shares = {(row.run, row.language): row for row in records.responses}
    runs = [run for run in records.runs if any(key[0] == run for key in shares)]
    codes = [code for code in records.languages if any(key[1] == code for key in shares)]
    outcomes = (
        ("right_language", "right language", GREEN),
        ("wrong_language", "wrong language", VERMILION),
        ("too_short", "too short to tell", BLUE),
        ("echo", "echo of the prompt", ORANGE),
    )
    with canvas("same_language", label, 9.4, max(1.6, 0.155 * len(runs) + 0.7)) as drawing:
        panels = drawing.figure.subplots(1, len(outcomes), sharey=True)
        for axes, (field, title, colour) in zip(panels, outcomes, strict=True):
            for y, run in enumerate(runs):
                for x, code in enumerate(codes):
                    row = shares.get((run, code))
                    # NaN where the language cannot be identified.
                    if row and not math.isnan(value := getattr(row, field)):
                        fill = (colour, 0.06 + 0.9 * value)
                        patch = _rectangle(axes, x + 0.04, y + 0.06, 0.92, 0.88, facecolor=fill)
                        drawing.tip(patch, f"{records.names[run]} in {code}: {100 * value:.0f} %")
            axes.set_title(title)
            axes.set_xlim(0, len(codes))
            axes.set_ylim(len(runs), 0)
            axes.set_xticks(np.arange(len(codes)) + 0.5, codes, fontsize=6)
            axes.tick_params(length=0, labeltop=True, labelbottom=False)
            axes.grid(False)
            axes.spines[:].set_visible(False)
        panels[0].set_yticks(
            np.arange(len(runs)) + 0.5, [records.names[run] for run in runs], fontsize=6.5
        )
    return drawing.svg
