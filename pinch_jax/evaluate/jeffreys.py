"""A share with its interval and p, as if so many prompts had been won or lost."""

import dataclasses
import math
import sys
from collections.abc import Callable

import scipy.optimize
import scipy.special

from pinch_jax.evaluate.draws import TAIL

LEAST_P = 1e-30
"""Where draws differ, no p is told below it."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval, and its two-sided p; NaN if none was asked."""

    value: float
    low: float
    high: float
    p: float = math.nan

    @property
    def numbers(self) -> tuple[float, float, float]:
        """The number and the ends of its interval."""
        return self.value, self.low, self.high


NOTHING = Estimate(math.nan, math.nan, math.nan)


def jeffreys(value: float, null: float, size: Callable[[float], float], certain: bool) -> Estimate:
    """Returns a share in percent with Jeffreys' interval, and p against `null`, in percent too.

    `size` says how many prompts it counts for where so much is left out beyond either end; they are
    as many for any where that is `certain`. At 0 and 100 the exact interval takes the place.
    p is what the widest interval leaves out that leaves `null` out, so that it is below 0.05
    exactly where this one does, and few draws have Student's tails however small it is. There is
    none against NaN.

    Source: Brown, Cai and DasGupta (2001), Interval Estimation for a Binomial Proportion,
    section 4.1.2, with the ends of the modified Jeffreys interval.
    """
    part, at, count = value / 100.0, null / 100.0, size(TAIL)
    if part in (0.0, 1.0):
        # Whatever is further off would give nothing but losses (or wins) more rarely than TAIL.
        far = 1 - TAIL ** (1 / count)
        low, high = (0.0, far) if part == 0.0 else (1 - far, 1.0)
        p = max(2 * (1 - abs(part - at)) ** count, sys.float_info.min)
    else:
        a, b = count * part + 0.5, count * (1 - part) + 0.5
        low, high = scipy.special.betaincinv(a, b, TAIL), scipy.special.betainccinv(a, b, TAIL)
        known = certain or math.isnan(null)
        p = _beyond(part, at, count) if known else _left_out(part, at, size)
    p = math.nan if math.isnan(null) else min(1.0, p)
    return Estimate(value, 100 * float(low), 100 * float(high), p)


def _beyond(part: float, at: float, count: float) -> float:
    """Returns twice what lies beyond `at` of the distribution of so many prompts."""
    a, b = count * part + 0.5, count * (1 - part) + 0.5
    sides = scipy.special.betainc(a, b, at), scipy.special.betaincc(a, b, at)
    return max(2 * float(min(sides)), sys.float_info.min)


def _left_out(part: float, at: float, size: Callable[[float], float]) -> float:
    """Returns how much is left out by the widest interval that does not hold `at`."""

    def lacking(log_p: float) -> float:
        return math.log(_beyond(part, at, size(math.exp(log_p) / 2))) - log_p

    least, most = math.log(LEAST_P), math.log(1 - 1e-9)
    if lacking(least) <= 0:
        return LEAST_P
    return 1.0 if lacking(most) >= 0 else math.exp(scipy.optimize.brentq(lacking, least, most))
