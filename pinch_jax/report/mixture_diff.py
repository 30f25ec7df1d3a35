"""What differs between the mixtures of two configs, example by example."""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pinch_jax.data.batches import BatchPlan
from pinch_jax.report.mixture_table import label
from pinch_jax.report.text_table import text_table

# What may have become of an example, and how it is told.
CHANGES = {
    "only_config": "only in --config",
    "only_against": "only in --against",
    "language": "in another language",
    "step": "in the same language, at another step",
}
# Longer lists are cut, unless some steps were asked for.
LISTED = 20

# (step, member), one for each time that an example is seen.
Place = tuple[int, str]
Places = Mapping[str, tuple[Place, ...]]


@dataclasses.dataclass(frozen=True)
class Difference:
    """An example that two runs do not have alike; `change` is one of `CHANGES`."""

    id: str
    change: str
    config: tuple[Place, ...]
    against: tuple[Place, ...]


def differences(first: Places, second: Places, steps: range | None = None) -> list[Difference]:
    """Returns every example that two runs do not have alike, in the order of the first run.

    Those that only the second has come last. With `steps`, only those that stand in one of these
    steps in either run.
    """
    found = []
    for id in dict.fromkeys((*first, *second)):
        a, b = first.get(id, ()), second.get(id, ())
        if a != b and (steps is None or any(step in steps for step, _ in (*a, *b))):
            found.append(Difference(id, _change(a, b), a, b))
    return found


def diff_lines(config: BatchPlan, against: BatchPlan, steps: range | None = None) -> Iterator[str]:
    """Yields the differences for programs, one JSON object a line.

    {"id": ..., "change": a key of `CHANGES`, "config": [[step, member], ...], "against": likewise}
    """
    for difference in differences(places(config), places(against), steps):
        yield json.dumps(dataclasses.asdict(difference), ensure_ascii=False)


def places(plan: BatchPlan) -> Places:
    """Returns where each example of a run is seen, by id, in the order of the run."""
    found: dict[str, list[Place]] = defaultdict(list)
    for step in range(plan.steps):
        for member, id in plan.examples_at(step):
            found[id].append((step, member))
    return {id: tuple(seen) for id, seen in found.items()}


def _change(a: Sequence[Place], b: Sequence[Place]) -> str:
    if not b:
        return "only_config"
    if not a:
        return "only_against"
    languages = [{member for _, member in seen} for seen in (a, b)]
    return "language" if languages[0] != languages[1] else "step"


def diff_table(config: BatchPlan, against: BatchPlan, steps: range | None = None) -> list[str]:
    """Returns what differs as lines for a person: counts by language, then lists of examples.

    The lists are cut after `LISTED` lines; with `steps` they hold all that stands in these steps.
    """
    first, second = places(config), places(against)
    found = differences(first, second, steps)
    members = dict.fromkeys((*config.mixture.languages, *against.mixture.languages))
    lines = _counts(first, second, tuple(members))
    if not found:
        return [*lines, "", "every example is in the same language and at the same step"]
    for change, told in CHANGES.items():
        some = [difference for difference in found if difference.change == change]
        listed = some if steps is not None else some[:LISTED]
        lines += ["", f"{told}: {len(some):,}", *_lines(listed)]
        if len(listed) < len(some):
            lines.append(f"  … {len(some) - len(listed):,} more; --steps=a:b lists all of some")
    return lines


def _counts(first: Places, second: Places, members: Sequence[str]) -> list[str]:
    """Returns how many different examples each member has in one run, the other, and both."""
    one, other = (
        {(member, id) for id, seen in run.items() for _, member in seen} for run in (first, second)
    )
    sets = (one, other, one & other)
    counts = [Counter(member for member, _ in pairs) for pairs in sets]
    rows = [
        [label(member), *(f"{count[member]:,}" for count in counts)]
        for member in members
        if any(count[member] for count in counts)
    ]
    columns = ("examples", "in --config", "in --against", "in both")
    return text_table(columns, [*rows, [], ["total", *(f"{len(pairs):,}" for pairs in sets)]])


def _lines(some: Iterable[Difference]) -> list[str]:
    """Returns a line an example: its id, where the first run has it, and where the second."""
    cells = [
        (difference.id, _places(difference.config), _places(difference.against))
        for difference in some
    ]
    widths = [max((len(cell[column]) for cell in cells), default=0) for column in range(2)]
    lines = []
    for id, a, b in cells:
        where = f"{a.ljust(widths[1])} → {b}" if a and b else a or b
        lines.append(f"  {id.ljust(widths[0])}  {where}")
    return lines


def _places(seen: Sequence[Place]) -> str:
    """Returns e.g. "en at 3, 41; fi at 9": the steps of each language."""
    steps: dict[str, list[str]] = defaultdict(list)
    for step, member in seen:
        steps[member].append(str(step))
    return "; ".join(f"{member} at {', '.join(own)}" for member, own in steps.items())
