"""Which step and row each example goes to, planned from lengths alone."""

import dataclasses

import numba
import numpy as np


@dataclasses.dataclass(frozen=True)
class Room:
    """What a step has room for: tokens and supervised tokens of each of its rows.

    A step also closes when it holds `examples`; 0 means as many as fit.
    """

    rows: int
    row_tokens: int
    row_supervised_tokens: int
    examples: int

    def fits(self, tokens: np.ndarray, supervised: np.ndarray) -> np.ndarray:
        """Returns which examples fit into an empty row: bool [examples]."""
        return (tokens <= self.row_tokens) & (supervised <= self.row_supervised_tokens)

    def steps(self, tokens: np.ndarray, supervised: np.ndarray) -> np.ndarray:
        """Returns the bounds of the steps, int32 [steps + 1]; step i is bounds[i] to bounds[i + 1].

        Each example must fit into a row. A step takes as many of the next examples as `place` can
        place at once, so examples keep their order from step to step.
        """
        return _steps(tokens, supervised, *dataclasses.astuple(self))

    def place(
        self, tokens: np.ndarray, supervised: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns (row, tokens before it, supervised tokens before it) of each example of one step.

        The longest first, each into the fullest row with room for it; within a row the examples
        stand in their order.
        """
        row = np.empty(len(tokens), np.int64)
        scratch = np.empty((2, self.rows), np.int64)
        left = _place(
            tokens, supervised, 0, len(tokens), *dataclasses.astuple(self)[:3], row, *scratch
        )
        if left:
            raise ValueError(f"{left} tokens of these examples have no room in one step")
        return row, _before(row, tokens, self.rows), _before(row, supervised, self.rows)


@numba.njit(cache=True)
def _before(row, lengths, rows):
    """Returns the sum of the lengths of the earlier examples in the same row."""
    used = np.zeros(rows, np.int64)
    before = np.empty(len(row), np.int64)
    for i in range(len(row)):
        before[i] = used[row[i]]
        used[row[i]] += lengths[i]
    return before


@numba.njit(cache=True)
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


@numba.njit(cache=True)
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
