"""Where names stand beside lines and points, so that none covers another."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

NAME_HEIGHT = 13.5
"""Of a name, in pixels."""


def apart(values: Sequence[float], gap: float, top: float) -> list[float]:
    """Returns values moved apart by a gap at least, as little as that takes, from 0 to the top."""
    steps = gap * np.arange(len(values))
    order = np.argsort(values, kind="stable")
    starts = isotonic_regression(np.asarray(values)[order] - steps).x
    moved = np.empty(len(values))
    moved[order] = np.maximum(np.minimum(starts, top - steps[-1]), 0.0) + steps
    return moved.tolist()


def beside_points(
    rows: Sequence[Mapping[str, Any]], logarithmic: bool
) -> list[tuple[str, int, list[Mapping[str, Any]]]]:
    """Returns (alignment, dy, rows): on which side of its point each name covers no other one."""
    across = [math.log(row["x"]) if logarithmic else row["x"] for row in rows]
    wide = (max(across) - min(across) or 1) / 640
    tall = (max(row["high"] for row in rows) - min(row["low"] for row in rows) or 1) / 240
    sides = [("left", -7), ("right", -7), ("left", 8), ("right", 8)]
    taken, held = [], {side: [] for side in sides}
    for row, place in zip(rows, across, strict=True):
        width = 6.5 * len(row["name"]) + 8
        at = place / wide, row["score"] / tall
        boxes = {
            (align, dy): (at[0] if align == "left" else at[0] - width, at[1] - dy, width)
            for align, dy in sides
        }
        free = [side for side, box in boxes.items() if not any(_cover(box, b) for b in taken)]
        side = (free or sides)[0]
        taken.append(boxes[side])
        held[side].append(row)
    return [(*side, some) for side, some in held.items() if some]


def _cover(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Returns whether two names (left end, middle, width) cover each other."""
    beside = one[0] + one[2] < other[0] or other[0] + other[2] < one[0]
    return not beside and abs(one[1] - other[1]) < NAME_HEIGHT
