"""A share with its interval and p, as if so many prompts had been won or lost."""

import dataclasses
import math
import sys

import numpy as np
import scipy.special

from pinch_jax.evaluate.draws import TAIL, WEIGHTS


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


def jeffreys(value: float, null: float, count: float, counts: np.ndarray | None) -> Estimate:
    """Returns a share in percent with Jeffreys' interval, and p against `null`, in percent too.

    It counts for `count` prompts. At 0 and 100 the exact interval takes the place. p is twice what
    lies beyond `null`. With several draws it is the mean over all `counts` [at each of `CHANCES`]
    that it may be; its odds are then scaled so that it is 0.05 at the interval's ends, and below
    exactly where the interval leaves `null` out. There is none against NaN.

    Source: Brown, Cai and DasGupta (2001), Interval Estimation for a Binomial Proportion,
    section 4.1.2, with the ends of the modified Jeffreys interval.
    """
    part, at = value / 100.0, null / 100.0
    if part in (0.0, 1.0):
        # Whatever is further off would give nothing but losses (or wins) more rarely than TAIL.
        far = 1 - TAIL ** (1 / count)
        low, high = (0.0, far) if part == 0.0 else (1 - far, 1.0)
        p = 2 * (1 - abs(part - at)) ** count
    else:
        a, b = count * part + 0.5, count * (1 - part) + 0.5
        low, high = scipy.special.betaincinv(a, b, TAIL), scipy.special.betainccinv(a, b, TAIL)
        if counts is None:
            p = float(_beyond(part, at, count))
        else:
            end = low if at < part else high
            p, p_end = (float(WEIGHTS @ _beyond(part, x, counts)) for x in (at, end))
            odds = 2 * TAIL / (1 - 2 * TAIL) * (1 - p_end) / p_end
            p = odds * p / (1 + (odds - 1) * p)
    p = math.nan if math.isnan(null) else min(1.0, max(p, sys.float_info.min))
    return Estimate(value, 100 * float(low), 100 * float(high), p)


def _beyond(part: float, at: float, count: float | np.ndarray) -> float | np.ndarray:
    """Returns twice what lies beyond `at` of the distribution of so many prompts, each of them."""
    a, b = count * part + 0.5, count * (1 - part) + 0.5
    return 2 * np.minimum(scipy.special.betainc(a, b, at), scipy.special.betaincc(a, b, at))
