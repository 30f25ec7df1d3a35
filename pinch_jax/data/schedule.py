"""Shares that change over a run: read from a name, integrated exactly, turned into an order."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

import numba
import numpy as np

from pinch_jax.data.order import INDEX, check_members

Shape = Literal["linear", "cosine", "piecewise"]
SHAPES = ("linear", "cosine", "piecewise")
FORMS = (
    "'linear:monolingual:en..pinch:100', 'cosine:pinch:0@0.2..pinch:100@0.8' "
    "or 'piecewise:monolingual:en..uniform:en,sw@0.5'"
)
# Far below an example, far above what adding and multiplying in 64 bits loses.
TOLERANCE = 1e-6


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

    shape: Shape
    knots: tuple[Fraction, ...]
    shares: tuple[tuple[Fraction, ...], ...]

    def legs(self) -> list[tuple[Fraction, Fraction, tuple[Fraction, ...], tuple[Fraction, ...]]]:
        """(start, end, shares at its start, shares at its end) of the parts of the run."""
        stops = (*self.knots[1:], Fraction(1)) if self.shape == "piecewise" else self.knots
        legs = [(Fraction(0), self.knots[0], self.shares[0], self.shares[0])]
        if self.shape == "piecewise":
            legs += zip(self.knots, stops, self.shares, self.shares, strict=True)
        else:
            legs += zip(self.knots, self.knots[1:], self.shares, self.shares[1:], strict=False)
            legs.append((self.knots[-1], Fraction(1), self.shares[-1], self.shares[-1]))
        return [leg for leg in legs if leg[0] < leg[1]]

    def mean(self) -> tuple[Fraction, ...]:
        """The share of each member over the whole run: the integral, exactly."""
        # A straight line and half a cosine wave have the same mean: that of their two ends.
        return tuple(
            sum((stop - start) * (a[i] + b[i]) / 2 for start, stop, a, b in self.legs())
            for i in range(len(self.shares[0]))
        )

    def due(self, positions: np.ndarray, length: int) -> np.ndarray:
        """What each member is due after each number of positions of a run: [positions, members].

        The integrals that `order` follows.
        """
        due = np.zeros((len(positions), len(self.shares[0])))
        for start, stop, first, last in self.legs():
            a, b = (np.array([float(share) for share in shares]) for shares in (first, last))
            u = np.clip((positions / length - float(start)) / float(stop - start), 0, 1)[:, None]
            cosine = self.shape == "cosine"
            rise = u / 2 - np.sin(math.pi * u) / (2 * math.pi) if cosine else u**2 / 2
            due += float(stop - start) * length * (a * u + (b - a) * rise)
        return due

    def order(self, length: int) -> np.ndarray:
        """A uint8 array [length] of member indices that follows the shares as close as can be.

        After any n positions each member was chosen fewer than one time more or less than the
        integral of its share over them says (to a millionth of an example). The windows of
        `interleave`, with the integral in the place of n*s, and the same theorem; a member's last
        choice, where the integral ends between two whole numbers, is made if nothing else is due,
        the largest remainder first.
        """
        check_members(len(self.shares[0]))
        legs = self.legs()
        starts = np.array([float(start * length) for start, *_ in legs] + [float(length)])
        first, last = (np.array([[float(x) for x in leg[side]] for leg in legs]) for side in (2, 3))
        spans = [leg[1] - leg[0] for leg in legs]
        sums = np.zeros((len(legs) + 1, first.shape[1]))
        total = [Fraction(0)] * first.shape[1]
        for row, (span, leg) in enumerate(zip(spans, legs, strict=True), start=1):
            total = [
                t + span * length * (a + b) / 2
                for t, a, b in zip(total, leg[2], leg[3], strict=True)
            ]
            sums[row] = [float(t) for t in total]
        return _order(length, starts, first, last, sums, self.shape == "cosine")


@numba.njit(cache=True)
def _integral(n, leg, i, starts, first, last, sums, cosine):
    """What member i is due after n positions, n within the leg."""
    span = starts[leg + 1] - starts[leg]
    u = (n - starts[leg]) / span
    a, b = first[leg, i], last[leg, i]
    if cosine:
        # The integral of (1 - cos(pi t)) / 2 is u / 2 - sin(pi u) / (2 pi). The sine is its
        # series, which every machine adds up alike, as the sines of their libraries need not be.
        x = math.pi * (u if u <= 0.5 else 1.0 - u)
        term, sine = x, x
        for k in range(1, 12):
            term *= -x * x / ((2 * k) * (2 * k + 1))
            sine += term
        rise = u / 2 - sine / (2 * math.pi)
    else:
        rise = u * u / 2
    return sums[leg, i] + span * (a * u + (b - a) * rise)


@numba.njit(cache=True)
def _order(length, starts, first, last, sums, cosine):
    """Earliest deadline first; `ahead` walks each member's integral to its next whole number."""
    members = first.shape[1]
    ahead = np.zeros(members, np.int64)
    leg = np.zeros(members, np.int64)
    chosen_times = np.zeros(members, np.int64)
    release = np.zeros(members, np.int64)
    deadline = np.zeros(members)
    sequence = np.empty(length, INDEX)
    due = -1
    for position in range(-members, length):
        # The first rounds, before any position, only find each member's first window.
        i = position + members if position < 0 else due
        if position >= 0:
            due = -1
            for k in range(members):
                if release[k] <= position and (due < 0 or deadline[k] < deadline[due]):
                    due = k
            sequence[position] = due
            chosen_times[due] += 1
            i = due
        goal = chosen_times[i]
        value = 0.0
        while True:
            value = _integral(ahead[i], leg[i], i, starts, first, last, sums, cosine)
            if value > goal + TOLERANCE or ahead[i] == length:
                break
            ahead[i] += 1
            while ahead[i] > starts[leg[i] + 1]:
                leg[i] += 1
        if value <= goal + TOLERANCE:
            release[i] = length  # it has had all that it is due
            continue
        release[i] = max(ahead[i] - 1, 0)
        while value < goal + 1 - TOLERANCE and ahead[i] < length:
            ahead[i] += 1
            while ahead[i] > starts[leg[i] + 1]:
                leg[i] += 1
            value = _integral(ahead[i], leg[i], i, starts, first, last, sums, cosine)
        late = value < goal + 1 - TOLERANCE
        deadline[i] = length + 2 - (value - goal) if late else ahead[i]
    return sequence


def parse_schedule(
    spec: str, shares_of: Callable[[str], Sequence[Fraction]], error: Callable[[str], ValueError]
) -> Schedule:
    """The schedule that a name stands for: `SHAPE:SPEC[@F]..SPEC[@F]...`, F a fraction of the run.

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
    if shape == "piecewise" and knots[0] is None:
        given, knots[0] = knots[1:], Fraction(0)
    else:
        given = knots
    if all(knot is None for knot in given):
        pieces = len(specs) if shape == "piecewise" else len(specs) - 1
        knots = [Fraction(i, pieces) for i in range(len(specs))]
    if None in knots:
        raise error("some points have an @ and some have none; give all of them one, or none")
    if sorted(set(knots)) != knots or knots[-1] > 1 or (shape == "piecewise" and knots[0] != 0):
        raise error(
            "the points after @ must rise from 0 to 1 as fractions of the run"
            + (", and the first piece begins at 0" if shape == "piecewise" else "")
        )
    return Schedule(shape, tuple(knots), tuple(tuple(shares_of(name)) for name in specs))
