"""A schedule's order against its integral, computed by another way."""

from fractions import Fraction

import numpy as np
import pytest
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


def order_of(schedule, length, seed=0):
    return schedule.order([f"l{i}" for i in range(len(schedule.shares[0]))], length, seed)


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
@given(schedules(), st.integers(1, 400), st.integers(0, 2**40))
def test_every_prefix_is_within_one_of_the_integral_of_the_shares(schedule, length, seed):
    order = order_of(schedule, length, seed)
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


@pytest.mark.parametrize("shape", SHAPES)
def test_a_position_is_a_members_with_a_probability_of_its_share_there(shape):
    # The members behind the first have less than one example each to the end.
    tables = [(Fraction(1), *3 * [Fraction(0)]), (Fraction(88, 100), *3 * [Fraction(4, 100)])]
    schedule = Schedule(shape, (Fraction(0), Fraction(1, 2)), tuple(tables))
    length, draws = 20, 4000
    counts = np.zeros((length, 4))
    for seed in range(draws):
        counts[np.arange(length), order_of(schedule, length, seed)] += 1
    share = np.diff(schedule.due(np.arange(length + 1), length), axis=0)
    spread = np.sqrt(draws * share * (1 - share))
    assert np.abs(counts - draws * share)[spread < 1e-3].max(initial=0) < 1e-3
    assert np.abs((counts - draws * share)[spread > 1] / spread[spread > 1]).max() < 4.5


def test_a_long_run_does_not_drift_from_the_closed_form_of_its_integral():
    n, ends = 300_000, ((1.0, 0.0, 0.0), (0.25, 0.5, 0.25))
    shares = tuple(tuple(Fraction(x) for x in some) for some in ends)
    u = np.arange(1, n + 1) / n
    rises = {"linear": u**2 / 2, "cosine": u / 2 - np.sin(np.pi * u) / (2 * np.pi)}
    for shape, rise in rises.items():
        order = order_of(Schedule(shape, (Fraction(0), Fraction(1)), shares), n)
        for member, (a, b) in enumerate(zip(*ends, strict=True)):
            due = n * (a * u + (b - a) * rise)
            assert np.max(np.abs(np.cumsum(order == member) - due)) < 1 + 1e-4


def test_the_order_does_not_depend_on_where_a_name_is_listed():
    shares = tuple(tuple(Fraction(x, 10) for x in some) for some in [(2, 3, 5), (6, 0, 4)])
    turned = tuple(some[::-1] for some in shares)
    knots = (Fraction(0), Fraction(1))
    names = ["en", "fi", "sw"]
    order = Schedule("cosine", knots, shares).order(names, 200, 7)
    other = Schedule("cosine", knots, turned).order(names[::-1], 200, 7)
    assert np.array_equal(order, 2 - other)
