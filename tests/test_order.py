"""The order of languages and the permutations behind it, checked one position at a time."""

import hashlib
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch_jax.data.order import interleave, permutation, shuffled
from pinch_jax.data.rounding import random_turns
from pinch_jax.errors import UserError

quick = settings(deadline=None, derandomize=True, max_examples=200)
NAMES = [f"l{i}" for i in range(14)]


def named(weights):
    return dict(zip(NAMES, weights, strict=False))


def prefix_deviation_is_below_one(weights, sequence):
    """Counts every prefix one position at a time, in integers."""
    counts, total = [0] * len(weights), sum(weights)
    for n, chosen in enumerate(sequence.tolist(), start=1):
        counts[chosen] += 1
        if any(abs(total * c - n * w) >= total for c, w in zip(counts, weights, strict=True)):
            return False
    return True


@quick
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=14).filter(any),
    st.data(),
    st.integers(0, 2**40),
)
def test_every_prefix_of_the_order_is_within_one_of_the_share(weights, data, seed):
    length = data.draw(st.integers(1, 2 * sum(weights)).filter(lambda n: n < 3000))
    sequence = interleave(named(weights), length, seed)
    assert len(sequence) == length
    assert prefix_deviation_is_below_one(weights, sequence)


@quick
@given(
    st.sampled_from([2**39, 2**56, 2**62, 10**30]).flatmap(
        lambda size: st.lists(st.integers(size // 9, size), min_size=1, max_size=6)
    ),
    st.integers(1, 300),
)
def test_the_order_is_exact_where_64_bits_overflow(weights, length):
    assert prefix_deviation_is_below_one(weights, interleave(named(weights), length, 0))


@pytest.mark.parametrize(
    ("weights", "length"),
    [([69] + 11 * [1], 80), ([2, 3], 5), ([5, 3, 3, 1], 12), ([3, 2, 2], 6), ([7, 1], 4)],
)
def test_a_position_is_a_members_with_a_probability_of_its_share(weights, length):
    draws = 4000
    counts = np.zeros((length, len(weights)))
    for seed in range(draws):
        counts[np.arange(length), interleave(named(weights), length, seed)] += 1
    share = np.array(weights) / sum(weights)
    deviations = (counts - draws * share) / np.sqrt(draws * share * (1 - share))
    # Of up to 960 independent normal numbers one is beyond 4.8 in one of 600 cases.
    assert np.abs(deviations).max() < 4.8


def test_no_choice_of_a_single_example_waits_for_that_of_another():
    first = Counter()
    for seed in range(3000):
        turns = interleave(named([37, 1, 1, 1]), 40, seed)
        first[tuple(turns[turns > 0].tolist())] += 1
    assert set(first) == set(permutations([1, 2, 3]))
    assert all(abs(count - 500) < 5 * (500 * 5 / 6) ** 0.5 for count in first.values())


@quick
@given(st.lists(st.integers(0, 60), min_size=1, max_size=14).filter(any), st.data())
def test_the_order_does_not_depend_on_where_a_name_is_listed(weights, data):
    table = named(weights)
    other = dict(data.draw(st.permutations(list(table.items()))))
    turns = [[*names][i] for names in (table, other) for i in interleave(names, 90, 3, "epoch", 1)]
    assert turns[:90] == turns[90:]


def test_a_new_purpose_or_seed_draws_another_order():
    table = named([9, 5, 4])
    drawn = {
        interleave(table, 90, seed, "epoch", epoch).tobytes() for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(drawn) == 4


def test_which_of_two_names_comes_first_does_not_depend_on_the_others():
    for seed in range(50):
        order = shuffled(NAMES, seed, "ties")
        assert shuffled(NAMES[::-2], seed, "ties") == [n for n in order if n in NAMES[::-2]]
    assert len({tuple(shuffled(NAMES[:3], seed, "ties")) for seed in range(60)}) == 6


def test_every_permutation_is_as_likely_as_any_other():
    drawn = Counter(tuple(permutation(3, seed, "likely").tolist()) for seed in range(6000))
    assert len(drawn) == 6
    assert all(abs(count - 1000) < 5 * 30 for count in drawn.values())  # 5 standard deviations


@quick
@given(st.integers(0, 300), st.integers(0, 2**40))
def test_a_permutation_holds_each_number_once_and_depends_on_all_of_its_key(length, seed):
    drawn = permutation(length, seed, "epoch", "sw", 0)
    assert sorted(drawn.tolist()) == list(range(length))
    assert np.array_equal(drawn, permutation(length, seed, "epoch", "sw", 0))
    if length > 20:
        for other in [(seed + 1, "epoch", "sw", 0), (seed, "study", "sw", 0),
                      (seed, "epoch", "fi", 0), (seed, "epoch", "sw", 1)]:  # fmt: skip
            assert not np.array_equal(drawn, permutation(length, *other))


def test_turns_of_many_members_are_those_that_runs_were_made_with():
    weights = {f"l{k}": 1 + k * k for k in range(60)}
    turns = interleave(weights, 2000, 3)
    assert hashlib.sha256(turns.tobytes()).hexdigest()[:16] == "086121afb05d0788"


def test_more_turns_than_can_be_told_are_refused():
    with pytest.raises(UserError, match=r"mixture\.examples: 536,870,912 turns of 2 members"):
        random_turns(np.array([[1, 1]]), np.empty((0, 2), np.int64), 2**29, 1)
