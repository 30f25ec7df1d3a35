"""Batches made in the background, while the devices work on the ones before."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import grain

from pinch_jax.data.batch import Batch
from pinch_jax.data.batches import BatchPlan
from pinch_jax.hosts.goodput import doing

# More threads than these only wait for each other: making a batch holds Python's lock.
THREADS = 2
BATCHES_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class _Steps:
    """The steps of a plan as a data source: a length, and any step at any time."""

    plan: BatchPlan
    rows_of: Callable[[int], Sequence[int]]

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> Batch:
        return self.plan.batch_at(step, self.rows_of(self.plan.rows_at(step)))


def feed(plan: BatchPlan, rows_of: Callable[[int], Sequence[int]], first: int) -> Iterator[Batch]:
    """Returns the batches of a plan from step `first` on, in order.

    Of each it has this host's rows: `rows_of` says which these are of so many.
    """
    if first >= plan.steps:
        return iter(())
    steps = grain.MapDataset.source(_Steps(plan, rows_of))[first:]
    ahead = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=BATCHES_AHEAD)
    batches = iter(steps.to_iter_dataset(ahead))
    return iter(doing("waiting")(lambda: next(batches, None)), None)
