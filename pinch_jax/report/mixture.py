"""What a mixture holds, and how two differ: JSON lines for programs, tables for a person."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.languages import name_of
from pinch_jax.report.text_table import text_table

UNITS = ("examples", "tokens", "supervised_tokens")
# What may have become of an example between two runs, and how it is told.
CHANGES = {
    "only_config": "only in --config",
    "only_against": "only in --against",
    "language": "in another language",
    "step": "in the same language, at another step",
}
# (step, member), one for each time that an example is seen.
Place = tuple[int, str]


def mixture_lines(plan: BatchPlan, steps: range) -> Iterator[str]:
    """Yields what each step holds, one JSON object a line, for programs."""
    for step in steps:
        ids = [list(pair) for pair in plan.examples_at(step)]
        yield json.dumps({"step": step, **plan.counts_at(step), "ids": ids}, ensure_ascii=False)


def mixture_table(plan: BatchPlan, steps: range | None = None) -> list[str]:
    """Returns the tables of a run, or of some of its steps, as lines.

    First the sums and shares over all of them, then the counts of one step, then padding. What was
    dropped is told of the whole run only.

    Raises:
        UserError: there is none of these steps in the run.
    """
    steps = range(plan.steps) if steps is None else steps
    if not steps:
        raise UserError(f"--steps: none of them is in this run; write a part of 0:{plan.steps}")
    whole = len(steps) == plan.steps
    span = f"steps {steps.start:,} to {steps.stop - 1:,} of {plan.steps:,}"
    dropped, members = plan.dropped, members_of(plan)
    counts = count_steps(plan, steps, members)
    rows = [(label(member), [place], dropped[member]) for place, member in enumerate(members)]
    rows.append(("total", range(len(members)), sum(dropped.values())))
    sums, each = [], []
    for name, places, left_out in rows:
        own = {unit: counts[unit][:, places].sum(axis=1) for unit in UNITS}
        sums.append([name])
        each.append([name])
        for unit in UNITS:
            sums[-1] += [f"{own[unit].sum():,}", _percent(own[unit].sum(), counts[unit].sum())]
            each[-1] += [f"{own[unit].min():,}", f"{own[unit].mean():,.1f}", f"{own[unit].max():,}"]
        sums[-1] += [f"{left_out:,}"] * whole
    names = [unit.removesuffix("_tokens") for unit in UNITS]
    columns = ["member", *(column for name in names for column in (name, "share"))]
    per_step = [column for name in names for column in (f"{name}: min", "mean", "max")]
    return [
        f"all {plan.steps:,} steps" if whole else span,
        "",
        *text_table(columns + ["dropped"] * whole, [*sums[:-1], [], sums[-1]]),
        "",
        *text_table(["per step", *per_step], [*each[:-1], [], each[-1]]),
        "",
        *_remarks(plan, steps, members, int(counts["tokens"].sum())),
    ]


def members_of(plan: BatchPlan) -> list[str]:
    """Returns the members that have an example in the run, or had one that was dropped."""
    planned = plan.planned()
    return [member for member in plan.mixture.languages if planned[member]]


def count_steps(plan: BatchPlan, steps: range, members: list[str]) -> dict[str, np.ndarray]:
    """Returns int64 [steps, members] of each unit."""
    counts = {unit: np.zeros((len(steps), len(members)), np.int64) for unit in UNITS}
    for row, step in enumerate(steps):
        for unit, held in plan.counts_at(step).items():
            counts[unit][row] = [held.get(member, 0) for member in members]
    return counts


def _remarks(plan: BatchPlan, steps: range, members: list[str], tokens: int) -> list[str]:
    """Returns what the tables leave out: padding, and the members without an example."""
    room = sum(map(plan.rows_at, steps)) * plan.shape.row_tokens
    remarks = [
        f"{plan.shape.rows} rows of {plan.shape.row_tokens} tokens a step: "
        f"{_percent(room - tokens, room)} of them are padding"
    ]
    absent = [member for member in plan.mixture.languages if member not in members]
    if absent:
        remarks.append(f"without an example: {', '.join(absent)}")
    return remarks


def diff_lines(config: BatchPlan, against: BatchPlan, steps: range | None = None) -> Iterator[str]:
    """Yields the differences for programs, one JSON object a line.

    {"id": ..., "change": a key of `CHANGES`, "config": [[step, member], ...], "against": likewise}
    """
    for difference in _differences(_places(config), _places(against), steps):
        yield json.dumps(difference, ensure_ascii=False)


def diff_table(config: BatchPlan, against: BatchPlan, steps: range | None = None) -> list[str]:
    """Returns what differs as lines for a person: counts by language, and by kind of change.

    With `steps`, the kinds are of the examples in these steps alone.
    """
    first, second = _places(config), _places(against)
    one, other = (
        {(member, id) for id, seen in run.items() for _, member in seen} for run in (first, second)
    )
    sets = (one, other, one & other)
    counts = [Counter(member for member, _ in pairs) for pairs in sets]
    members = dict.fromkeys((*config.mixture.languages, *against.mixture.languages))
    rows = [
        [label(member), *(f"{count[member]:,}" for count in counts)]
        for member in members
        if any(count[member] for count in counts)
    ]
    rows += [[], ["total", *(f"{len(pairs):,}" for pairs in sets)]]
    changes = Counter(difference["change"] for difference in _differences(first, second, steps))
    told = [f"{words}: {changes[change]:,}" for change, words in CHANGES.items()]
    return [
        *text_table(("examples", "in --config", "in --against", "in both"), rows),
        "",
        *(told if changes else ["every example is in the same language and at the same step"]),
    ]


def _differences(
    first: dict[str, list[Place]], second: dict[str, list[Place]], steps: range | None
) -> Iterator[dict[str, Any]]:
    """Yields every example that two runs do not have alike, in the order of the first run.

    Those that only the second has come last. With `steps`, only those that stand in one of these
    steps in either run.
    """
    for id in dict.fromkeys((*first, *second)):
        a, b = first.get(id, []), second.get(id, [])
        if a != b and (steps is None or any(step in steps for step, _ in (*a, *b))):
            yield {"id": id, "change": _change(a, b), "config": a, "against": b}


def _places(plan: BatchPlan) -> dict[str, list[Place]]:
    """Returns where each example of a run is seen, by id, in the order of the run."""
    found: dict[str, list[Place]] = defaultdict(list)
    for step in range(plan.steps):
        for member, id in plan.examples_at(step):
            found[id].append((step, member))
    return found


def _change(a: list[Place], b: list[Place]) -> str:
    if not b:
        return "only_config"
    if not a:
        return "only_against"
    languages = [{member for _, member in seen} for seen in (a, b)]
    return "language" if languages[0] != languages[1] else "step"


def label(member: str) -> str:
    """Returns a language's code and name; a recipe's name says all."""
    name = name_of(member)
    return member if name == member else f"{member}  {name}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "–"
