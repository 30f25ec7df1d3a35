"""A picture of a mixture over its run: examples a step, and how far off its share a member is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from pinch_jax.corpus.recipes import recipe_of
from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.report.drawing import BASE_COLOUR, INK, SUFFIXES, THIN, Drawing, language_colours
from pinch_jax.report.mixture import count_steps, label, members_of

# More steps than this are drawn as means of so many stretches of the run.
MOST_STRETCHES = 240


def plot_mixture(plan: BatchPlan, path: Path, name: str) -> None:
    """Draws the run of a plan into a file, in the format that its suffix names (.svg, .png, .pdf).

    On the left, how many examples of each member a step holds. On the right, how many examples the
    member is ahead of its share, or behind it, by the end of each step.

    Raises:
        UserError: nothing can be drawn in the format of that suffix.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"--plot={path}: end its name with one of {', '.join(SUFFIXES)}")
    members = members_of(plan)
    examples = count_steps(plan, range(plan.steps), members)["examples"]
    ahead = np.cumsum(examples, axis=0) - due_examples(plan, examples)
    edges, means = stretches(examples)
    rows = []
    for column, member in enumerate(members):
        own, drift = examples[:, column], ahead[:, column]
        told = f"{own.sum():,} examples, {own.min():,} to {own.max():,} a step"
        held = zip(edges.tolist(), [*means[:, column], means[-1, column]], strict=True)
        counts = alt.Chart(_points(held), title=f"{label(member)}: {told}")
        counts = counts.mark_area(interpolate="step-after", color=_colour(plan, member))
        told = f"{_signed(drift.min())} to {_signed(drift.max())}"
        drifts = alt.Chart(_points(enumerate(drift, 1)), title=f"ahead of its share: {told}")
        drifts = drifts.mark_line(color=INK, strokeWidth=0.9)
        highest = max(float(means[:, column].max()), 1), max(float(np.abs(ahead).max()), 1.0)
        pair = _scaled(counts, 0, highest[0]), _scaled(drifts, -highest[1], highest[1])
        rows.append(alt.hconcat(*pair))
    spec = alt.vconcat(*rows, title=name or alt.Undefined).to_dict()
    del spec["config"]
    Drawing("mixture", name, spec).save(path)


def _points(held: Iterable[tuple[int, Any]]) -> alt.InlineData:
    return alt.InlineData(values=[{"step": step, "value": float(value)} for step, value in held])


def _scaled(chart: alt.Chart, low: float, high: float) -> alt.Chart:
    """Returns a small chart over the steps, on this scale."""
    steps = alt.Axis(grid=False, tickCount=5)
    return chart.properties(width=370, height=50).encode(
        alt.X("step:Q", title=None, axis=steps).scale(nice=False),
        alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=2)).scale(domain=[low, high]),
    )


def _colour(plan: BatchPlan, member: str) -> str:
    """Returns the colour of a member; a recipe has that of the language it is tuned in."""
    recipe = recipe_of(member, plan.mixture.languages)
    colours = language_colours(plan.mixture.languages) | {plan.mixture.base: BASE_COLOUR}
    return colours.get(recipe.target if recipe else member, THIN)


def _signed(value: float) -> str:
    """Returns a number with its sign, a real minus; what rounds to 0 has none."""
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0"


def due_examples(plan: BatchPlan, counts: np.ndarray) -> np.ndarray:
    """Returns the examples that the shares ask for by the end of each step, [steps, members].

    The shares are those of the mixture, before anything was dropped; under a schedule, its
    integral.
    """
    examples, members = np.cumsum(counts.sum(axis=1)), members_of(plan)
    planned = plan.planned()
    total = sum(planned.values())
    constant = np.array([planned[member] for member in members]) / total
    schedule = plan.mixture.schedule
    if not schedule:
        return examples[:, None] * constant
    columns = [plan.mixture.languages.index(member) for member in members]
    return schedule.due(examples, total)[:, columns]


def stretches(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the edges of stretches of steps, and the mean counts of a step in each of them."""
    edges = np.linspace(0, len(counts), min(len(counts), MOST_STRETCHES) + 1).round().astype(int)
    sums = np.add.reduceat(counts, edges[:-1], axis=0)
    return edges, sums / np.diff(edges)[:, None]
