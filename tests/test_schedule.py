"""A schedule's order against its integral, computed by another way."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch_jax.data.schedule import SHAPES, Schedule

quick = settings(deadline=None, derandomize=True, max_examples=150)


@st.composite
def schedules(draw):
    members, shape = draw(st.integers(1, 9)), draw(st.sampled_from(SHAPES))
    knots = set(draw(st.lists(st.integers(0, 60), min_size=1, max_size=4)))
    knots = sorted(knots | {0}) if shape == "piecewise" else sorted(knots)
    weights = st.lists(st.integers(0, 30), min_size=members, max_size=members).filter(any)
    tables = [draw(weights) for _ in knots]
    shares = tuple(tuple(Fraction(w, sum(table)) for w in table) for table in tables)
    return Schedule(shape, tuple(Fraction(knot, 60) for knot in knots), shares)


def share_at(schedule, member, x):
    """The share of a member at these fractions of the run, by interpolation."""
    knots = np.array([float(knot) for knot in schedule.knots])
    values = np.array([float(shares[member]) for shares in schedule.shares])
    if schedule.shape == "piecewise":
        return values[np.searchsorted(knots, x, side="right") - 1]
    if schedule.shape == "cosine":
        leg = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, max(len(knots) - 2, 0))
        if len(knots) == 1:
            return np.full_like(x, values[0])
        u = np.clip((x - knots[leg]) / (knots[leg + 1] - knots[leg]), 0, 1)
        ease = (1 - np.cos(np.pi * u)) / 2
        return values[leg] + (values[leg + 1] - values[leg]) * ease
    return np.interp(x, knots, values)


@quick
@given(schedules(), st.integers(1, 400))
def test_every_prefix_is_within_one_of_the_integral_of_the_shares(schedule, length):
    order = schedule.order(length)
    fine = 60  # the knots fall between samples, so the midpoint rule meets no jump
    x = (np.arange(length * fine) + 0.5) / (length * fine)
    for member in range(len(schedule.shares[0])):
        due = np.cumsum(share_at(schedule, member, x))[fine - 1 :: fine] / fine
        had = np.cumsum(order == member)
        assert np.max(np.abs(had - due)) < 1 + 2e-3


@quick
@given(schedules())
def test_the_mean_is_the_integral_over_the_whole_run(schedule):
    x = (np.arange(6000) + 0.5) / 6000
    for member, mean in enumerate(schedule.mean()):
        assert abs(share_at(schedule, member, x).mean() - mean) < 1e-4
    assert sum(schedule.mean()) == 1


def test_members_that_do_not_change_come_as_they_would_without_a_schedule():
    even = tuple(Fraction(1, 4) for _ in range(4))
    order = Schedule("linear", (Fraction(0), Fraction(1)), (even, even)).order(40)
    assert np.array_equal(order, np.tile(np.arange(4), 10))


def test_a_long_run_does_not_drift_from_the_closed_form_of_its_integral():
    n, ends = 300_000, ((1.0, 0.0, 0.0), (0.25, 0.5, 0.25))
    shares = tuple(tuple(Fraction(x) for x in some) for some in ends)
    u = np.arange(1, n + 1) / n
    rises = {"linear": u**2 / 2, "cosine": u / 2 - np.sin(np.pi * u) / (2 * np.pi)}
    for shape, rise in rises.items():
        order = Schedule(shape, (Fraction(0), Fraction(1)), shares).order(n)
        for member, (a, b) in enumerate(zip(*ends, strict=True)):
            due = n * (a * u + (b - a) * rise)
            assert np.max(np.abs(np.cumsum(order == member) - due)) < 1 + 1e-4


def test_where_nothing_is_due_the_largest_remainder_comes_first():
    shares = tuple(Fraction(x, 10) for x in (2, 3, 5))
    assert Schedule("linear", (Fraction(0),), (shares,)).order(1).tolist() == [2]
