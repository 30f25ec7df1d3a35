"""Packing from lengths: nothing split, nothing over the rim, in order, every drop known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch_jax.data.packing import pack, pack_apart

quick = settings(deadline=None, derandomize=True, max_examples=150)

rooms = st.tuples(
    st.integers(1, 6), st.integers(4, 40), st.integers(1, 20), st.sampled_from((0, 1, 3, 8))
)


@st.composite
def lengths(draw):
    """Lengths and supervised lengths of up to 120 examples, some too long for any row above."""
    tokens = np.array(draw(st.lists(st.integers(2, 48), max_size=120)), np.int64)
    limit = draw(st.integers(1, 25))
    return tokens, np.minimum(np.maximum(tokens // 2, 1), limit)


def replay(packing, tokens, supervised, rows, row_tokens, row_supervised_tokens, examples):
    """Fills the rows once more by hand, and checks each place against the definition."""
    used, slots, open_step, held = [0] * rows, [0] * rows, 0, 0
    places = zip(
        packing.index, packing.step, packing.row, packing.offset, packing.slot, strict=True
    )
    for i, step, row, offset, slot in places:
        room = [
            r
            for r in range(rows)
            if used[r] + tokens[i] <= row_tokens
            and slots[r] + supervised[i] <= row_supervised_tokens
        ]
        if step != open_step:
            # A step closes only when it must.
            assert step == open_step + 1 and (not room or held == examples)
            used, slots, open_step, held, room = [0] * rows, [0] * rows, step, 0, [0]
        assert row == room[0]
        assert (offset, slot) == (used[row], slots[row])
        used[row] += tokens[i]
        slots[row] += supervised[i]
        held += 1
        assert not examples or held <= examples
        assert used[row] <= row_tokens and slots[row] <= row_supervised_tokens


@quick
@given(lengths(), rooms)
def test_examples_fill_the_first_row_with_room_in_their_order(sizes, room):
    packing = pack(*sizes, *room)
    replay(packing, *sizes, *room)
    assert np.all(np.diff(packing.index) > 0)
    assert packing.steps == len(set(packing.step.tolist()))


@quick
@given(lengths(), rooms)
def test_what_is_longer_than_a_row_is_dropped_and_nothing_else(sizes, room):
    tokens, supervised = sizes
    packing = pack(tokens, supervised, *room)
    too_long = {i for i in range(len(tokens)) if tokens[i] > room[1] or supervised[i] > room[2]}
    assert set(packing.dropped.tolist()) == too_long
    assert sorted([*packing.index, *packing.dropped]) == list(range(len(tokens)))


@quick
@given(lengths(), rooms, st.data())
def test_apart_each_step_holds_one_language_and_the_steps_interleave(sizes, room, data):
    tokens, supervised = sizes
    size = len(tokens)
    language = np.array(
        data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), np.int16
    )
    packing = pack_apart(language, tokens, supervised, *room)

    assert np.all(np.diff(packing.step) >= 0)
    held = {}
    for i, step in zip(packing.index, packing.step, strict=True):
        held.setdefault(int(step), set()).add(int(language[i]))
    assert sorted(held) == list(range(packing.steps))
    assert all(len(some) == 1 for some in held.values())

    turns = [min(held[step]) for step in range(packing.steps)]
    for n in range(1, len(turns) + 1):
        for number in set(turns):
            deviation = len(turns) * turns[:n].count(number) - n * turns.count(number)
            assert abs(deviation) < len(turns)


@quick
@given(lengths(), rooms, st.data())
def test_apart_each_language_is_packed_as_if_it_were_alone(sizes, room, data):
    tokens, supervised = sizes
    size = len(tokens)
    language = np.array(
        data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), np.int16
    )
    packing = pack_apart(language, tokens, supervised, *room)
    dropped = []
    for number in range(5):
        members = np.flatnonzero(language == number)
        alone = pack(tokens[members], supervised[members], *room)
        here = language[packing.index] == number
        assert np.array_equal(packing.index[here], members[alone.index])
        _, step = np.unique(packing.step[here], return_inverse=True)
        assert np.array_equal(step, alone.step)
        for name in ("row", "offset", "slot"):
            assert np.array_equal(getattr(packing, name)[here], getattr(alone, name))
        dropped.extend(members[alone.dropped])
    assert packing.dropped.tolist() == sorted(dropped)
