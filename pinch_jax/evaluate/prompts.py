"""Prompts as a program takes them: of similar length, padded on the left, dealt out to groups."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from pinch_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class PromptBatch:
    """Prompts of similar length.

    Attributes:
        ids: [B, T], padded on the left.
        padding: [B], the tokens of padding; T where there is no prompt.
        members: [n], which prompts they are.
        places: [n], the row of each.
    """

    ids: np.ndarray
    padding: np.ndarray
    members: np.ndarray
    places: np.ndarray


def batch_prompts(
    prompts: Sequence[Sequence[int]],
    rows: int,
    widths: Sequence[int],
    pad_id: int,
    per_row: int = 1,
    groups: int = 1,
) -> list[PromptBatch]:
    """Returns all prompts in batches of `rows` x `per_row`, grouped by length, filled with padding.

    A batch is as wide as the smallest of `widths` that holds its first `rows` prompts, and has no
    longer ones; UserError if a prompt is longer than all. Prompts are dealt out to `groups` of as
    many rows, the longest first: what comes last keeps rows waiting that have nothing to take.
    """
    lengths = np.array([len(p) for p in prompts], np.int64)
    if len(lengths) and lengths.max() > max(widths):
        raise UserError(
            f"config.evaluate.prompt_tokens={max(widths)}: prompt {int(lengths.argmax())} has "
            f"{int(lengths.max())} tokens; raise config.evaluate.prompt_tokens"
        )
    order = np.argsort(lengths, kind="stable")
    batches, count = [], rows * per_row
    while len(order):
        longest = lengths[order[:rows]].max()
        width = min(w for w in widths if w >= longest)
        members = order[:count][lengths[order[:count]] <= width][::-1]
        order = order[len(members) :]
        dealt = np.arange(len(members))
        places = dealt % groups * (count // groups) + dealt // groups
        ids = np.full((count, width), pad_id, np.int32)
        padding = np.full(count, width, np.int32)
        for row, member in zip(places, members, strict=True):
            padding[row] = width - lengths[member]
            ids[row, padding[row] :] = prompts[member]
        batches.append(PromptBatch(ids, padding, members, places))
    return batches
