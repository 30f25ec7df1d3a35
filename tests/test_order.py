"""The order of languages and the permutations behind it, checked one position at a time."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch_jax.data.order import interleave, permutation

quick = settings(deadline=None, derandomize=True, max_examples=200)


def prefix_deviation_is_below_one(weights, sequence):
    """Counts every prefix one position at a time, in integers."""
    counts, total = [0] * len(weights), sum(weights)
    for n, chosen in enumerate(sequence.tolist(), start=1):
        counts[chosen] += 1
        if any(abs(total * c - n * w) >= total for c, w in zip(counts, weights, strict=True)):
            return False
    return True


@quick
@given(st.lists(st.integers(0, 400), min_size=1, max_size=14).filter(any), st.data())
def test_every_prefix_of_the_order_is_within_one_of_the_share(weights, data):
    length = data.draw(st.integers(1, 2 * sum(weights)).filter(lambda n: n < 3000))
    sequence = interleave(weights, length)
    assert len(sequence) == length
    assert prefix_deviation_is_below_one(weights, sequence)


@quick
@given(
    st.sampled_from([2**56, 2**60, 2**62, 10**30]).flatmap(
        lambda size: st.lists(st.integers(size // 9, size), min_size=1, max_size=6)
    ),
    st.integers(1, 300),
)
def test_the_order_is_exact_where_64_bits_overflow(weights, length):
    assert prefix_deviation_is_below_one(weights, interleave(weights, length))


def test_a_tie_goes_to_the_lower_index():
    assert interleave([2, 2, 2], 6).tolist() == [0, 1, 2, 0, 1, 2]


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
