"""A picture of a mixture over its run: shares, examples a step, and how far off its share it is."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pinch_jax.corpus.recipes import recipe_of
from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.report.drawing import INK, MUTED, PAPER, STYLE, THIN, language_colours
from pinch_jax.report.mixture_table import StepCounts, count_steps, label, planned_examples
from pinch_jax.report.run_figures import BASE_COLOUR

# More steps than this are drawn as means of so many stretches of the run.
MOST_STRETCHES = 240
DOTS_PER_INCH = 160


def plot_mixture(plan: BatchPlan, path: Path, name: str) -> None:
    """Draw the run of a plan into a file, in the format that its suffix names (.png, .svg, .pdf).

    Above, the share of the examples of each step that each member has. Below, a row a member: how
    many examples of it each step holds, and how many examples it is ahead of its share, or behind
    it, by the end of each step.

    Raises:
        UserError: nothing can be drawn in the format of that suffix.
    """
    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix.removeprefix(".") not in formats:
        raise UserError(f"--plot={path}: end its name with one of .{', .'.join(formats)}")
    counted = count_steps(plan)
    rows = len(counted.members)
    with matplotlib.rc_context({**STYLE, "figure.facecolor": PAPER, "axes.facecolor": PAPER}):
        figure = Figure(figsize=(10, 3.5 + 0.46 * rows), layout="constrained")
        figure.suptitle(name, x=0.01, ha="left", fontsize=10, fontweight="bold", color=INK)
        grid = figure.add_gridspec(rows + 1, 2, height_ratios=[6, *[1] * rows])
        _shares(figure.add_subplot(grid[0, :]), plan, counted)
        ahead = np.cumsum(counted.counts["examples"], axis=0) - due_examples(plan, counted)
        for index in range(rows):
            pair = [figure.add_subplot(grid[index + 1, column]) for column in range(2)]
            _row(pair, index, plan, counted, ahead)
        figure.savefig(path, dpi=DOTS_PER_INCH)


def _shares(axes: Axes, plan: BatchPlan, counted: StepCounts) -> None:
    """Stack the members' shares of the examples of a step, the base at the bottom."""
    edges, means = stretches(counted.counts["examples"])
    shares = 100 * means / means.sum(axis=1, keepdims=True)
    order = sorted(
        range(len(counted.members)), key=lambda i: counted.members[i] != plan.mixture.base
    )
    bottom = np.zeros(len(shares))
    for index in order:
        member, top = counted.members[index], bottom + shares[:, index]
        _fill(axes, edges, bottom, top, plan, member)
        if min(shares[-1, index], shares[:, index].mean()) > 4:  # room for its name
            middle = float(bottom[-1] + top[-1]) / 2
            axes.annotate(
                member,
                (1.005, middle),
                xycoords=axes.get_yaxis_transform(),
                va="center",
                fontsize=6.5,
            )
        bottom = top
    axes.set_title("share of the examples of each step; the colours are those of the rows below")
    axes.set_ylabel("share (%)")
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(length=0)


def _row(
    pair: list[Axes], index: int, plan: BatchPlan, counted: StepCounts, ahead: np.ndarray
) -> None:
    """Draw a member's examples in each step, and how far it is from its share by the end of it."""
    counts, drift = pair
    member, examples = counted.members[index], counted.counts["examples"]
    own, deviation = examples[:, index], ahead[:, index]
    edges, means = stretches(examples)
    means = means[:, index]
    _fill(counts, edges, np.zeros(len(means)), means, plan, member)
    counts.set_ylim(0, 1.1 * max(means.max(), 1))
    counts.set_ylabel(label(member), rotation=0, ha="right", va="center")
    _remark(counts, f"{own.sum():,} in all; {own.min():,} to {own.max():,} a step")
    drift.plot(range(1, len(own) + 1), deviation, color=INK, linewidth=0.7)
    drift.axhline(0, color=THIN, linewidth=0.6)
    bound = 1.15 * max(1.0, float(np.abs(ahead).max()))
    drift.set_ylim(-bound, bound)
    _remark(drift, f"{_signed(deviation.min())} to {_signed(deviation.max())}")
    last = index == len(counted.members) - 1
    for axes in pair:
        axes.set_xlim(0, edges[-1])
        axes.grid(False, axis="y")
        axes.tick_params(length=0, labelbottom=last)
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("step" if last else "")
    if index == 0:
        counts.set_title("examples in each step")
        drift.set_title("examples ahead of its share so far")


def _signed(value: float) -> str:
    """Return a number with its sign, a real minus; what rounds to 0 has none."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0"


def _remark(axes: Axes, text: str) -> None:
    """Write a line above the right end."""
    axes.annotate(
        text, (1, 1), xycoords="axes fraction", ha="right", va="bottom", color=MUTED, fontsize=6.5
    )


def due_examples(plan: BatchPlan, counted: StepCounts) -> np.ndarray:
    """Return the examples that the shares ask for by the end of each step, [steps, members].

    The shares are those of the mixture, before anything was dropped; under a schedule, its
    integral.
    """
    examples = np.cumsum(counted.counts["examples"].sum(axis=1))
    planned = planned_examples(plan)
    total = sum(planned.values())
    constant = np.array([planned[member] for member in counted.members]) / total
    schedule = plan.mixture.schedule
    if not schedule:
        return examples[:, None] * constant
    columns = [plan.mixture.languages.index(member) for member in counted.members]
    return schedule.due(examples, total)[:, columns]


def stretches(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of stretches of steps, and the mean counts of a step in each of them."""
    edges = np.linspace(0, len(counts), min(len(counts), MOST_STRETCHES) + 1).round().astype(int)
    sums = np.add.reduceat(counts, edges[:-1], axis=0)
    return edges, sums / np.diff(edges)[:, None]


def _fill(
    axes: Axes, edges: np.ndarray, bottom: np.ndarray, top: np.ndarray, plan: BatchPlan, member: str
) -> None:
    """Fill between two lines that step at the edges, in the member's colour."""
    recipe = recipe_of(member, plan.mixture.languages)
    colours = language_colours(plan.mixture.languages) | {plan.mixture.base: BASE_COLOUR}
    axes.fill_between(
        edges,
        np.append(bottom, bottom[-1]),
        np.append(top, top[-1]),
        step="post",
        facecolor=colours.get(recipe.target if recipe else member, THIN),
        hatch="////" if recipe else None,
        edgecolor=MUTED if recipe else PAPER,
        linewidth=0,
    )
