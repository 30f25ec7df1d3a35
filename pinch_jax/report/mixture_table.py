"""What a mixture holds: JSON lines for programs, tables for a person."""

import dataclasses
import json
from collections.abc import Iterator, Sequence

import numpy as np

from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.languages import name_of
from pinch_jax.report.text_table import text_table

UNITS = ("examples", "tokens", "supervised_tokens")


@dataclasses.dataclass(frozen=True)
class StepCounts:
    """What each of some steps holds.

    Attributes:
        steps: which ones.
        members: those of the mixture that stand in the run, in its order.
        counts: int64 [steps, members] by unit: "examples", "tokens", "supervised_tokens".
    """

    steps: range
    members: tuple[str, ...]
    counts: dict[str, np.ndarray]


def count_steps(plan: BatchPlan, steps: range | None = None) -> StepCounts:
    """Returns what each of these steps holds, by default all of them.

    Raises:
        UserError: there is none of them in the run.
    """
    steps = range(plan.steps) if steps is None else steps
    if not steps:
        raise UserError(f"--steps: none of them is in this run; write a part of 0:{plan.steps}")
    planned = plan.planned()
    members = tuple(member for member in plan.mixture.languages if planned[member])
    counts = {unit: np.zeros((len(steps), len(members)), np.int64) for unit in UNITS}
    for row, step in enumerate(steps):
        for unit, held in plan.counts_at(step).items():
            counts[unit][row] = [held.get(member, 0) for member in members]
    return StepCounts(steps, members, counts)


def mixture_lines(plan: BatchPlan, steps: range) -> Iterator[str]:
    """Yields what each step holds, one JSON object a line, for programs."""
    for step in steps:
        ids = [list(pair) for pair in plan.examples_at(step)]
        yield json.dumps({"step": step, **plan.counts_at(step), "ids": ids}, ensure_ascii=False)


def mixture_table(plan: BatchPlan, steps: range | None = None) -> list[str]:
    """Returns the tables of a run, or of some of its steps, as lines.

    First the sums and shares over all of them, then the counts of one step, then padding.

    Raises:
        UserError: there is none of these steps in the run.
    """
    counted = count_steps(plan, steps)
    whole = len(counted.steps) == plan.steps
    span = f"all {plan.steps:,} steps"
    if not whole:
        span = f"steps {counted.steps.start:,} to {counted.steps.stop - 1:,} of {plan.steps:,}"
    sums, each = _sums(plan, counted, whole), _per_step(counted)
    return [span, "", *sums, "", *each, "", *_remarks(plan, counted)]


def _sums(plan: BatchPlan, counted: StepCounts, whole: bool) -> list[str]:
    """Returns the sums over the steps and their shares; what was dropped, of the whole run only."""
    columns = ["member"]
    for unit in UNITS:
        columns += [unit.removesuffix("_tokens"), "share"]
    columns += ["dropped"] * whole
    sums = {unit: counts.sum(axis=0) for unit, counts in counted.counts.items()}
    rows = []
    for index, member in enumerate(counted.members):
        row = [label(member)]
        for unit in UNITS:
            row += [f"{sums[unit][index]:,}", _percent(sums[unit][index], sums[unit].sum())]
        rows.append(row + [f"{plan.dropped[member]:,}"] * whole)
    total = ["total"]
    for unit in UNITS:
        total += [f"{sums[unit].sum():,}", _percent(sums[unit].sum(), sums[unit].sum())]
    return text_table(columns, [*rows, [], total + [f"{sum(plan.dropped.values()):,}"] * whole])


def _per_step(counted: StepCounts) -> list[str]:
    """Returns the smallest, the mean and the largest count of a step, of each unit."""
    columns = ["per step"]
    for unit in UNITS:
        columns += [f"{unit.removesuffix('_tokens')}: min", "mean", "max"]

    def row(name: str, columns_of: Sequence[np.ndarray]) -> list[str]:
        cells = [name]
        for counts in columns_of:
            cells += [f"{counts.min():,}", f"{counts.mean():,.1f}", f"{counts.max():,}"]
        return cells

    each = [
        row(label(member), [counted.counts[unit][:, index] for unit in UNITS])
        for index, member in enumerate(counted.members)
    ]
    together = row("total", [counted.counts[unit].sum(axis=1) for unit in UNITS])
    return text_table(columns, [*each, [], together])


def _remarks(plan: BatchPlan, counted: StepCounts) -> list[str]:
    """Returns what the tables leave out: padding, and the members without an example."""
    shape = plan.shape
    room = sum(map(plan.rows_at, counted.steps)) * shape.row_tokens
    used = int(counted.counts["tokens"].sum())
    remarks = [
        f"{shape.rows} rows of {shape.row_tokens} tokens a step: "
        f"{_percent(room - used, room)} of them are padding"
    ]
    absent = [member for member in plan.mixture.languages if member not in counted.members]
    if absent:
        remarks.append(f"without an example: {', '.join(absent)}")
    return remarks


def label(member: str) -> str:
    """Returns a language's code and name; a recipe's name says all."""
    name = name_of(member)
    return member if name == member else f"{member}  {name}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "–"
