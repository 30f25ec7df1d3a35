"""Which row of which step each example goes to, planned from lengths alone."""

import dataclasses

import numpy as np

from pinch_jax.data.order import interleave


@dataclasses.dataclass(frozen=True)
class Packing:
    """Where each packed example stands: arrays [packed], by step, then in the mixture's order.

    Attributes:
      index: which of the examples that were handed in.
      step, row: the row of the step's batch that it is in.
      offset: tokens before it in that row.
      slot: supervised tokens before it in that row.
      dropped: indices of the examples longer than a row, int64 [dropped].
    """

    index: np.ndarray
    step: np.ndarray
    row: np.ndarray
    offset: np.ndarray
    slot: np.ndarray
    dropped: np.ndarray

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.step[-1]) + 1 if len(self.step) else 0


def pack(
    tokens: np.ndarray,
    supervised_tokens: np.ndarray,
    rows: int,
    row_tokens: int,
    row_supervised_tokens: int,
    examples: int,
) -> Packing:
    """The packing of examples, whose lengths are given in the mixture's order, into whole rows.

    An example goes to the first row of the open step with room for its tokens and its supervised
    tokens. Where none has, the step closes and the next one opens, so that an example never
    comes in an earlier step than one before it. A step also closes when it holds `examples`;
    0 means as many as fit. One longer than a row is dropped, never cut.
    """
    fits = (tokens <= row_tokens) & (supervised_tokens <= row_supervised_tokens)
    index = np.flatnonzero(fits)
    places = []
    step, held, used, slots = 0, 0, [0] * rows, [0] * rows
    lengths = zip(tokens[index].tolist(), supervised_tokens[index].tolist(), strict=True)
    for length, supervised in lengths:
        row = 0
        while row < rows and (
            used[row] + length > row_tokens or slots[row] + supervised > row_supervised_tokens
        ):
            row += 1
        if row == rows or (examples and held == examples):
            step, row, held, used, slots = step + 1, 0, 0, [0] * rows, [0] * rows
        places.append((step, row, used[row], slots[row]))
        used[row] += length
        slots[row] += supervised
        held += 1
    fields = np.array(places, np.int32).reshape(-1, 4).T
    return Packing(index, *fields, dropped=np.flatnonzero(~fits))


def pack_apart(
    group: np.ndarray,
    tokens: np.ndarray,
    supervised_tokens: np.ndarray,
    rows: int,
    row_tokens: int,
    row_supervised_tokens: int,
    examples: int,
) -> Packing:
    """The packing with one group (language) a step, the groups' steps evenly interleaved.

    `group` [examples] numbers the groups from 0. Each is packed in its own order; over any prefix
    of the run each has its share of the steps to within one step.
    """
    packings = []
    for number in range(int(group.max(initial=0)) + 1):
        members = np.flatnonzero(group == number)
        packing = pack(
            tokens[members],
            supervised_tokens[members],
            rows,
            row_tokens,
            row_supervised_tokens,
            examples,
        )
        packings.append(
            dataclasses.replace(
                packing, index=members[packing.index], dropped=members[packing.dropped]
            )
        )
    counts = [packing.steps for packing in packings]
    if sum(counts):
        turns = interleave(counts, sum(counts))
        for number, packing in enumerate(packings):
            packing.step[:] = np.flatnonzero(turns == number)[packing.step]
    fields = {
        name: np.concatenate([getattr(packing, name) for packing in packings])
        for name in ("index", "step", "row", "offset", "slot")
    }
    by_step = np.argsort(fields["step"], kind="stable")
    dropped = np.sort(np.concatenate([packing.dropped for packing in packings]))
    return Packing(**{name: field[by_step] for name, field in fields.items()}, dropped=dropped)
