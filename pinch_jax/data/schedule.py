"""Shares that change over a run: read from a name, integrated exactly, turned into an order."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from pinch_jax.data.order import check_members, indices_of, key, shuffled
from pinch_jax.data.rounding import random_turns, until_whole
from pinch_jax.errors import UserError

SHAPES = ("linear", "cosine", "piecewise")
FORMS = (
    "'linear:monolingual:en..pinch:100', 'cosine:pinch:0@0.2..pinch:100@0.8' "
    "or 'piecewise:monolingual:en..uniform:en,sw@0.5'"
)
# A position in the whole numbers that shares are rounded to.
UNIT = 2**32


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Shares at points of a run, and how they go from one to the next.

    Attributes:
      shape: "linear"; "cosine", half a wave from knot to knot; "piecewise", constant up to the
        next knot.
      knots: fractions of the run, rising, in [0, 1]; before the first and after the last the
        shares stay.
      shares: at each knot, the share of each member; they add up to 1.
    """

    shape: Literal["linear", "cosine", "piecewise"]
    knots: tuple[Fraction, ...]
    shares: tuple[tuple[Fraction, ...], ...]

    def legs(self) -> list[tuple[Fraction, Fraction, tuple[Fraction, ...], tuple[Fraction, ...]]]:
        """Returns (start, end, shares at its start, shares at its end) of the parts of the run."""
        starts, stops = (Fraction(0), *self.knots), (*self.knots, Fraction(1))
        at_start = (self.shares[0], *self.shares)
        at_stop = at_start if self.shape == "piecewise" else (*self.shares, self.shares[-1])
        legs = zip(starts, stops, at_start, at_stop, strict=True)
        return [leg for leg in legs if leg[0] < leg[1]]

    def mean(self) -> tuple[Fraction, ...]:
        """Returns the share of each member over the whole run: the integral, exactly."""
        # A straight line and half a cosine wave have the same mean: that of their two ends.
        return tuple(
            sum((stop - start) * (a[i] + b[i]) / 2 for start, stop, a, b in self.legs())
            for i in range(len(self.shares[0]))
        )

    def due(self, positions: np.ndarray, length: int) -> np.ndarray:
        """Returns what each member is due after each number of positions: [positions, members].

        The integrals that `order` follows.
        """
        due = np.zeros((len(positions), len(self.shares[0])))
        for start, stop, first, last in self.legs():
            a, b = (np.array([float(share) for share in shares]) for shares in (first, last))
            u = np.clip((positions / length - float(start)) / float(stop - start), 0, 1)[:, None]
            rise = u / 2 - _sine(u) / (2 * math.pi) if self.shape == "cosine" else u**2 / 2
            due += float(stop - start) * length * (a * u + (b - a) * rise)
        return due

    def order(self, names: Sequence[str], length: int, seed: int) -> np.ndarray:
        """Returns the order of a run: indices of `names`, one for each member, uint8 [length].

        After any n positions each member was chosen as often as the integral of its share over them
        says, rounded down or up (to a millionth of an example), and that often in expectation. It
        does not depend on the order of the names.
        """
        check_members(len(names))
        members = shuffled(names, seed, "schedule")
        columns = indices_of(members, names)
        due = self.due(np.arange(length + 1), length)[:, columns]
        shares = np.diff(np.rint(due * UNIT).astype(np.int64), axis=0)
        # What rounding has taken from a position, or given it, is the largest share's.
        shares[np.arange(length), shares.argmax(axis=1)] += UNIT - shares.sum(axis=1)
        rest = until_whole(shares.sum(axis=0), UNIT)
        return columns[random_turns(shares, rest, length, key(seed, "turns", "schedule"))]


def _sine(u: np.ndarray) -> np.ndarray:
    """sin(pi u) of u in [0, 1] by its series.

    Every machine adds it up alike, as the sines of their libraries need not be.
    """
    x = math.pi * np.minimum(u, 1 - u)
    term, sine = x, x
    for k in range(1, 12):
        term = -term * x * x / ((2 * k) * (2 * k + 1))
        sine = sine + term
    return sine


def parse_schedule(
    spec: str, shares_of: Callable[[str], Sequence[Fraction]], error: Callable[[str], UserError]
) -> Schedule:
    """Returns the schedule of a name, `SHAPE:SPEC[@F]..SPEC[@F]...`; F is a fraction of the run.

    Without F the points are evenly spaced: linear and cosine from 0 to 1; piecewise from 0, each
    piece as long as the others. `shares_of` reads the specs, `error` makes the error of `spec`.
    """
    shape, _, rest = spec.partition(":")
    specs, knots = [], []
    for part in rest.split(".."):
        name, at, knot = part.partition("@")
        if at and not re.fullmatch(r"\d+(\.\d+)?", knot):
            raise error(f"@{knot} is no fraction of the run; write e.g. {FORMS}")
        specs.append(name)
        knots.append(Fraction(knot) if at else None)
    if len(specs) < 2:
        raise error(f"a schedule goes from one mixture to another; write e.g. {FORMS}")
    pieces = len(specs) if shape == "piecewise" else len(specs) - 1
    if all(knot is None for knot in knots):
        knots = [Fraction(i, pieces) for i in range(len(specs))]
    elif shape == "piecewise" and knots[0] is None:
        knots[0] = Fraction(0)
    if None in knots:
        raise error("some points have an @ and some have none; give all of them one, or none")
    if sorted(set(knots)) != knots or knots[-1] > 1 or (shape == "piecewise" and knots[0] != 0):
        raise error(
            "the points after @ must rise from 0 to 1 as fractions of the run"
            + (", and the first piece begins at 0" if shape == "piecewise" else "")
        )
    return Schedule(shape, tuple(knots), tuple(tuple(shares_of(name)) for name in specs))
