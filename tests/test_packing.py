"""Packing from lengths: nothing split, nothing over the rim, in order, little left empty."""

from itertools import pairwise

import numpy as np
import pytest
from batch_shapes import batch_shape
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch_jax.data.packing import fits_row, place_in_rows, step_bounds

quick = settings(deadline=None, derandomize=True, max_examples=200)


rooms = st.builds(
    batch_shape,
    st.integers(1, 6),
    st.integers(4, 40),
    st.integers(1, 20),
    st.sampled_from((0, 1, 3, 8)),
)


@st.composite
def packings(draw):
    """A room, and up to 120 examples that fit into its rows."""
    room = draw(rooms)
    tokens = np.array(draw(st.lists(st.integers(2, room.row_tokens), max_size=120)), np.int32)
    supervised = np.minimum(np.maximum(tokens // 2, 1), room.row_supervised_tokens)
    return room, tokens, supervised.astype(np.int32)


def steps(room, tokens, supervised):
    bounds = step_bounds(room, tokens, supervised)
    return [slice(a, b) for a, b in pairwise(bounds)]


@quick
@given(packings())
def test_steps_hold_all_examples_in_their_order(packing):
    room, tokens, _ = packing
    held = [i for step in steps(*packing) for i in range(len(tokens))[step]]
    assert held == list(range(len(tokens)))
    for step in steps(*packing):
        assert step.stop > step.start
        assert not room.examples or step.stop - step.start <= room.examples


@quick
@given(packings())
def test_rows_hold_their_examples_end_to_end_and_nothing_over_the_rim(packing):
    room, tokens, supervised = packing
    for step in steps(*packing):
        used, slots = np.zeros((2, room.rows), int)
        places = zip(*place_in_rows(room, tokens[step], supervised[step]), strict=True)
        for i, (row, offset, slot) in enumerate(places, start=step.start):
            assert (offset, slot) == (used[row], slots[row])
            used[row] += tokens[i]
            slots[row] += supervised[i]
        assert used.max() <= room.row_tokens and slots.max() <= room.row_supervised_tokens


@quick
@given(packings())
def test_a_step_closes_only_when_the_next_example_has_no_room(packing):
    room, tokens, supervised = packing
    for step in steps(*packing)[:-1]:
        if room.examples and step.stop - step.start == room.examples:
            continue
        one_more = slice(step.start, step.stop + 1)
        with pytest.raises(ValueError, match="no room in one step"):
            place_in_rows(room, tokens[one_more], supervised[one_more])


def test_a_long_run_of_full_steps_never_closes_one_too_early():
    random = np.random.default_rng(0)
    room = batch_shape(rows=4, row_tokens=40, row_supervised_tokens=40, examples=0)
    tokens = random.integers(5, 30, 3000).astype(np.int32)
    for step in steps(room, tokens, tokens // 2)[:-1]:
        one_more = tokens[step.start : step.stop + 1]
        with pytest.raises(ValueError, match="no room in one step"):
            place_in_rows(room, one_more, one_more // 2)


@given(rooms, st.lists(st.integers(2, 48), max_size=20))
@quick
def test_an_example_fits_where_a_row_of_its_own_could_hold_it(room, lengths):
    tokens = np.array(lengths, np.int32)
    supervised = np.maximum(tokens // 2, 1)
    for i, fits in enumerate(fits_row(room, tokens, supervised)):
        alone = tokens[i : i + 1], supervised[i : i + 1]
        assert fits == (
            tokens[i] <= room.row_tokens and supervised[i] <= room.row_supervised_tokens
        )
        if fits:
            place_in_rows(room, *alone)


def test_lengths_as_in_real_corpora_leave_less_than_a_twentieth_empty():
    random = np.random.default_rng(0)
    tokens = np.clip(random.lognormal(5.3, 0.9, 20_000), 8, 1024).astype(np.int32)
    supervised = np.maximum(tokens * random.uniform(0.3, 0.95, len(tokens)), 1).astype(np.int32)
    room = batch_shape(rows=32, row_tokens=1024, row_supervised_tokens=1024, examples=0)
    capacity = len(steps(room, tokens, supervised)) * room.rows * room.row_tokens
    assert 1 - tokens.sum() / capacity < 0.05
