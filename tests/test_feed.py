"""Batches from the background: the plan's own, in order, from any step, and no thread left."""

import threading

import numpy as np
import pytest
from small import random_plan

from pinch_jax.train.feed import feed


@pytest.mark.parametrize("first", [0, 5])
def test_the_feed_gives_the_plans_batches_in_order_from_any_step(first):
    plan = random_plan(examples=600)
    assert plan.steps > 20
    rows = (5, 0, 3)
    fed = list(feed(plan, lambda count: rows, first))
    assert len(fed) == plan.steps - first
    for step, batch in enumerate(fed, start=first):
        for field, expected in zip(batch, plan.batch_at(step, rows), strict=True):
            assert np.array_equal(field, expected) and field.dtype == expected.dtype
    assert list(feed(plan, range, plan.steps)) == []


def test_a_feed_that_nobody_reads_to_its_end_leaves_no_thread():
    before = set(threading.enumerate())
    batches = feed(random_plan(examples=600), lambda count: range(2), 0)
    next(batches)
    del batches
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
    assert set(threading.enumerate()) <= before


def test_what_goes_wrong_in_the_background_reaches_the_loop():
    plan = random_plan()
    with pytest.raises(IndexError, match="out of bounds"):
        next(feed(plan, lambda count: (count,), 0))
