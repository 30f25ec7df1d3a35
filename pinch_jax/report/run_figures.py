"""Figures of the runs themselves: what they were tuned on, how they learned, what they know."""

import math

import numpy as np
from matplotlib.axes import Axes

from pinch_jax.languages import in_order, language
from pinch_jax.report import readings
from pinch_jax.report.drawing import BLUE, INK, MUTED, THIN, Canvas, canvas, language_colours
from pinch_jax.study.config import GAIN
from pinch_jax.study.records import Records

BASE_COLOUR = "#c6ccd2"


def exact_match_bars(records: Records, label: str) -> str:
    """Return the monolingual models' exact match in their own language, beside chance."""
    rows = readings.own_language_rows(records)
    with canvas("exact_match", label, 6.0, 2.8) as drawing:
        axes = drawing.figure.subplots()
        for place, row in enumerate(rows):
            value, low, high = (100 * number for number in readings.exact_match_point(row))
            bar = axes.bar(place, value, 0.62, color=BLUE)[0]
            axes.errorbar(
                place,
                value,
                yerr=[[value - low], [high - value]],
                ecolor=INK,
                elinewidth=1,
                capsize=2.5,
            )
            chance = 100 * row.chance
            told = f"{language(row.language).name}: {value:.1f} [{low:.1f}, {high:.1f}] %"
            if not math.isnan(chance):
                axes.plot([place - 0.38, place + 0.38], [chance, chance], color=INK, linewidth=2)
                told += f", chance {chance:.1f} %"
            drawing.tip(bar, told)
        median = 100 * float(np.median([row.exact_match for row in rows]))
        axes.axhline(median, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_title(f"median {median:.0f} %; the line across a bar is chance")
        axes.set_xticks(range(len(rows)), [row.language for row in rows])
        axes.set_ylim(0, 104)
        axes.set_ylabel("exact match (%)")
        axes.grid(False, axis="x")
        axes.tick_params(length=0)
    return drawing.svg


def compositions(records: Records, label: str) -> str:
    """Return every tuning set as two stacked bars: its examples and its tokens by language."""
    titles = {"budgets": "examples in the set", "tokens": "tokens trained on, all epochs"}
    runs, base = records.tuned_runs, records.study["base"]
    colours = language_colours(records.languages) | {base: BASE_COLOUR}
    with canvas("composition", label, 8.2, max(1.6, 0.175 * len(runs) + 0.8)) as drawing:
        panels = drawing.figure.subplots(1, 2, sharey=True)
        for axes, field in zip(panels, titles, strict=True):
            counts = [records.study["runs"][run][field] for run in runs]
            widest = max(sum(count.values()) for count in counts)
            for y, (run, count) in enumerate(zip(runs, counts, strict=True)):
                _stack(drawing, axes, y, count, colours, f"{records.names[run]}, {titles[field]}")
            axes.set_title(titles[field])
            axes.set_xlim(0, widest)
            axes.set_ylim(len(runs) - 0.4, -0.6)
            axes.locator_params(axis="x", nbins=5)
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.grid(False, axis="y")
            axes.tick_params(length=0)
        panels[0].set_yticks(range(len(runs)), [records.names[run] for run in runs], fontsize=6.5)
    return drawing.svg


def _stack(
    drawing: Canvas, axes: Axes, y: int, count: dict[str, int], colours: dict[str, str], name: str
) -> None:
    """Draw one bar of segments; a segment with room for it carries its language's code."""
    left = 0
    # The base language stands first: what follows it is the multilingual part.
    ordered = sorted(in_order(count, colours), key=lambda code: colours.get(code) != BASE_COLOUR)
    for code in ordered:
        if count[code] == 0:
            continue
        bar = axes.barh(y, count[code], 0.8, left=left, color=colours.get(code, THIN))[0]
        drawing.tip(bar, f"{name}: {count[code]:,} {code}")
        if count[code] > 0.05 * sum(count.values()):
            middle = left + count[code] / 2
            axes.text(middle, y + 0.03, code, ha="center", va="center", fontsize=6, color="#101010")
        left += count[code]


def training_curves(records: Records, label: str) -> str:
    """Return the loss over the steps of every run, a panel an experiment."""
    panels: dict[str, tuple[str, ...]] = {}
    for name, runs in records.candidates_of.items():
        # `pretrained` looks at the runs of `monolingual` once more, `gain` at all of them: they
        # need no second panel.
        if runs not in panels.values() and name != GAIN:
            panels[name] = runs
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with canvas("training", label, 2.7 * columns, 1.9 * rows + 0.2) as drawing:
        grid = drawing.figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (name, runs) in zip(grid.flat, panels.items(), strict=False):
            for run in runs:
                curve = readings.loss_curve(records, run)
                if curve:
                    line = axes.plot(*zip(*curve, strict=True), color=BLUE, linewidth=0.7)[0]
                    line.set_alpha(0.55)
                    drawing.tip(line, records.names[run])
            axes.set_title(f"{name} ({len(axes.lines)} runs)")
            axes.tick_params(length=0)
        # The lowest panel of each column; below it a last row may be empty.
        for axes in grid.flat[max(0, len(panels) - columns) : len(panels)]:
            axes.set_xlabel("step")
            axes.tick_params(labelbottom=True)
        for axes in grid[:, 0]:
            axes.set_ylabel("loss (nats / token)")
    return drawing.svg
