"""Which step and row each example goes to, planned from lengths alone.

A step has room for so many tokens and supervised tokens in each row of its shape, and for so many
examples; 0 means as many as fit.
"""

import numpy as np

from pinch_jax.data.compiled import compiled
from pinch_jax.data.config import BatchConfig


def fits_row(shape: BatchConfig, tokens: np.ndarray, supervised: np.ndarray) -> np.ndarray:
    """Returns which examples fit into an empty row: bool [examples]."""
    return (tokens <= shape.row_tokens) & (supervised <= shape.row_supervised_tokens)


def step_bounds(shape: BatchConfig, tokens: np.ndarray, supervised: np.ndarray) -> np.ndarray:
    """Returns the bounds of the steps, int32 [steps + 1]; step i is bounds[i] to bounds[i + 1].

    Each example must fit into a row. A step takes as many of the next examples as `place_in_rows`
    can place at once, so examples keep their order from step to step.
    """
    return _steps(tokens, supervised, *_row(shape), shape.examples)


def place_in_rows(
    shape: BatchConfig, tokens: np.ndarray, supervised: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (row, tokens before it, supervised tokens before it) of each example of one step.

    The longest first, each into the fullest row with room for it; within a row the examples
    stand in their order.
    """
    row, count = np.empty(len(tokens), np.int64), len(tokens)
    scratch = np.empty((2, shape.rows), np.int64)
    left = _place(tokens, supervised, 0, count, *_row(shape), row, *scratch)
    if left:
        raise ValueError(f"{left} tokens of these examples have no room in one step")
    return row, _before(row, tokens, shape.rows), _before(row, supervised, shape.rows)


def _row(shape: BatchConfig) -> tuple[int, int, int]:
    return shape.rows, shape.row_tokens, shape.row_supervised_tokens


@compiled
def _before(row, lengths, rows):
    """Returns the sum of the lengths of the earlier examples in the same row."""
    used = np.zeros(rows, np.int64)
    before = np.empty(len(row), np.int64)
    for i in range(len(row)):
        before[i] = used[row[i]]
        used[row[i]] += lengths[i]
    return before


@compiled
def _place(tokens, supervised, start, stop, rows, row_tokens, row_supervised, row, used, slots):
    """Places by best fit decreasing; returns the tokens of the first example without room, or 0."""
    used[:] = 0
    slots[:] = 0
    # Sorted by counting: lengths are small numbers, and equal ones keep their order.
    ends = np.zeros(row_tokens + 2, np.int64)
    for i in range(start, stop):
        ends[row_tokens - tokens[i] + 1] += 1
    for length in range(row_tokens + 1):
        ends[length + 1] += ends[length]
    order = np.empty(stop - start, np.int64)
    for i in range(start, stop):
        length = row_tokens - tokens[i]
        order[ends[length]] = i
        ends[length] += 1
    opened = 0
    for i in order:
        best, most = -1, -1
        for r in range(min(opened + 1, rows)):  # of the empty rows one is as good as another
            full = used[r] + tokens[i]
            if most < full <= row_tokens and slots[r] + supervised[i] <= row_supervised:
                best, most = r, full
                if full == row_tokens:
                    break
        if best < 0:
            return tokens[i]
        row[i - start] = best
        opened = max(opened, best + 1)
        used[best] = most
        slots[best] += supervised[i]
    return 0


@compiled
def _steps(tokens, supervised, rows, row_tokens, row_supervised, examples):
    count = len(tokens)
    bounds = np.empty(count + 1, np.int32)
    bounds[0] = 0
    used = np.empty(rows, np.int64)
    slots = np.empty(rows, np.int64)
    row = np.empty(0, np.int64)
    steps, start = 0, 0
    while start < count:
        stop, held, kept = start, 0, 0
        while (
            stop < count
            and (examples == 0 or stop - start < examples)
            and held + tokens[stop] <= rows * row_tokens
            and kept + supervised[stop] <= rows * row_supervised
        ):
            held += tokens[stop]
            kept += supervised[stop]
            stop += 1
        if stop - start > len(row):
            row = np.empty(2 * (stop - start), np.int64)
        # One always fits; of more, the last are given up until all find room.
        while stop - start > 1:
            left = _place(
                tokens, supervised, start, stop, rows, row_tokens, row_supervised, row, used, slots
            )
            if left == 0:
                break
            stop -= 1
        start = stop
        steps += 1
        bounds[steps] = start
    return bounds[: steps + 1].copy()
