"""Many models in several figures: by the experiment that trains them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pinch_jax.report.drawing import Drawing
from pinch_jax.study.experiments.registry import experiments_of
from pinch_jax.study.records import Records

# More models than this are several figures.
MOST_ROWS = 24


def in_groups(
    records: Records,
    name: str,
    title: str,
    runs: Iterable[str],
    chart: Callable[[list[str]], tuple[Mapping[str, Any], str]],
) -> list[Drawing]:
    """Returns a drawing of each group of runs; `chart` gives its specification and a note."""
    drawings = []
    for number, (group, members) in enumerate(groups_of(records, runs).items(), 1):
        own = name if number == 1 else f"{name}-{number}"  # sweep_2 is another one's
        drawings.append(Drawing(own, f"{title}: {group}" if group else title, *chart(members)))
    return drawings


def groups_of(records: Records, runs: Iterable[str]) -> dict[str, list[str]]:
    """Returns title -> the runs of a figure: all, or where they are many those of an experiment.

    A run stands with the first experiment that trains it, the untuned model with the first of
    all; a large group is parted again.
    """
    runs = list(runs)
    if len(runs) <= MOST_ROWS:
        return {"": runs}
    order = list(experiments_of(records.study))
    arms = sorted(records.study["arms"], key=lambda arm: -order.index(arm["experiment"]))
    homes = {arm["run"]: title_of(records, arm["experiment"]) for arm in arms}
    first = homes[next(run for run in runs if run in homes)]
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(homes.get(run, first), []).append(run)
    parted = {}
    for title, members in groups.items():
        parts = range(0, len(members), MOST_ROWS)
        for number, start in enumerate(parts, 1):
            part = f"{title} ({number} of {len(parts)})" if len(parts) > 1 else title
            parted[part] = members[start : start + MOST_ROWS]
    return parted


def title_of(records: Records, experiment: str) -> str:
    """Returns the heading of an experiment; a sweep has its own name in it."""
    title = experiments_of(records.study)[experiment].words.title
    return f"{title}: {experiment}" if experiment in records.study.get("sweeps", ()) else title
