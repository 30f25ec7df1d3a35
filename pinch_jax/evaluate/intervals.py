"""Means over prompts and draws with 95 % intervals that hold near 0 and 100 %, and differences.

Nothing is resampled. How much each prompt moves a mean (its influence) gives the variance of the
mean over prompts, and the covariance of two means over the same prompts; whatever shares prompts
stays paired. Where a tuning set was drawn several times, how far the draws lie apart gives what the
choice of examples adds to that. Draws are few, so their part of the interval is Student's.
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pinch_jax.evaluate.draws import NORMAL, doubt, draw_variance, possible, rarity, reach, tell
from pinch_jax.evaluate.jeffreys import NOTHING, Estimate, jeffreys

Z2 = NORMAL**2
ALIKE = 1e-8
"""Where prompts give a mean less variance, in points², they all say the same."""
EVEN = 50.0
"""The score of two models that cannot be told apart, in percent."""


@dataclasses.dataclass(frozen=True, eq=False)
class Mean:
    """A mean over draws and prompts of values from 0 to 100, or a mean of such means.

    Attributes:
      value: the mean, NaN over no prompt.
      influence: float64 [draw, prompt], how far each prompt moves the mean of each draw.
      draws: float64 [draw], the mean of each draw, NaN over no prompt.
      prompts: how many there are; infinite where the value is known without any.
      inflation: how much larger the variance over prompts may well be than the influences say.

    Source: Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, section 6.
    """

    value: float
    influence: np.ndarray
    draws: np.ndarray
    prompts: float
    inflation: float = 1.0

    @property
    def over_draws(self) -> np.ndarray:
        """How far each prompt moves the mean of the draws: float64 [prompt]."""
        return self.influence.mean(axis=0)

    @property
    def prompt_variance(self) -> float:
        """What the choice of prompts gives to the variance of the mean."""
        return self.inflation * float(np.sum(self.over_draws**2))

    @property
    def draw_variance(self) -> float:
        """What the choice of examples gives to the variance of the mean; 0 with one draw."""
        return draw_variance(self.draws, self.influence)

    def unseen_variance(self, prompts: float) -> float:
        """Returns the variance over so many prompts as if one was won and one lost beside them."""
        part = self.value / 100.0
        return 100.0**2 * (part**2 + (1 - part) ** 2) / (prompts * (prompts + 2))

    def over_prompts(self) -> "Mean":
        """Returns the same mean as if its draws were the only ones there could be."""
        fixed = {"influence": self.over_draws[None], "draws": np.array([self.value])}
        return dataclasses.replace(self, **fixed)

    def effective_prompts(self) -> float:
        """Returns how many prompts, each won or lost and drawn once, tell as much as these values.

        Ties, and languages that win and lose different prompts, tell more than one win or loss a
        prompt. Where all prompts are alike, nobody knows how much more: they count as they are at
        0 and 100, and between as if one was won and one lost beside them; where nearly all are, see
        `rarity`. Few draws count for less, as Student's t reaches further than the normal
        distribution.

        Source: Korn and Graubard (1998), Confidence Intervals for Proportions with Small Expected
        Number of Positive Counts Estimated from Survey Data.
        """
        if self.value in (0.0, 100.0):
            return self.prompts
        by_prompts, by_draws = self._variances
        far = (reach(by_prompts, by_draws, self.draws) / NORMAL) ** 2
        return self._worth((by_prompts + by_draws) * far)

    def _worth(self, variance: float | np.ndarray) -> float | np.ndarray:
        """How many prompts, each won or lost, give a mean so much variance."""
        part = self.value / 100.0
        return 100.0**2 * part * (1 - part) / variance

    @functools.cached_property
    def _variances(self) -> tuple[float, float]:
        """What prompts and what draws give to the variance of the mean."""
        by_prompts = self.prompt_variance
        if by_prompts < ALIKE:
            by_prompts = self.unseen_variance(self.prompts)
        most = self.prompts * self.value / 100.0 * (1 - self.value / 100.0)
        return by_prompts * rarity(self.over_draws**2, most), self.draw_variance

    def estimate(self, null: float = EVEN) -> Estimate:
        """Returns the mean with its interval and p against `null`, as `jeffreys` has them.

        There is nothing where draws do not `tell`, and no p against NaN: with several draws it is
        looked for.
        """
        if math.isnan(self.value) or not tell(self.draws):
            return NOTHING
        if math.isinf(self.prompts):
            p = math.nan if math.isnan(null) else float(self.value == null)
            return Estimate(self.value, self.value, self.value, p)
        counts = None
        if len(self.draws) > 1 and not math.isnan(null):
            counts = self._worth(self._variances[0] + possible(self.draws, self.influence))
        return jeffreys(self.value, null, self.effective_prompts(), counts)

    def __sub__(self, other: "Mean | Contrast") -> "Contrast":
        """Returns the paired difference of two means over the same prompts."""
        return Contrast({self: 1.0}) - other


@dataclasses.dataclass(frozen=True, eq=False)
class Contrast:
    """A weighted sum of means over the same prompts, such as a difference or one of differences."""

    weights: Mapping[Mean, float]

    @property
    def value(self) -> float:
        """The weighted sum."""
        return sum(weight * mean.value for mean, weight in self.weights.items())

    @property
    def draws(self) -> np.ndarray:
        """The sum in each draw: float64 [draw]."""
        return sum(weight * mean.draws for mean, weight in self.weights.items())

    @property
    def influence(self) -> np.ndarray:
        """How far each prompt moves the sum of each draw: float64 [draw, prompt]."""
        return sum(weight * mean.influence for mean, weight in self.weights.items())

    def over_prompts(self) -> "Contrast":
        """Returns the same sum as if its draws were the only ones there could be."""
        return Contrast({mean.over_prompts(): weight for mean, weight in self.weights.items()})

    def estimate(self) -> Estimate:
        """Returns the sum with an interval made of those of its means and their correlation.

        Over few prompts two means seem more alike than they are: two that agree in all of them
        may differ in the next. So their correlation counts as if z² more prompts had none. What
        draws add is taken from the contrast of each draw, since all means have the same draws.

        Source: Newcombe (1998), Improved Confidence Intervals for the Difference between Binomial
        Proportions Based on Paired Data, method 10; Zou and Donner (2008), Construction of
        Confidence Limits about Effect Measures, for sums of any number.
        """
        means, value = list(self.weights), self.value
        if math.isnan(value) or not tell(self.draws):
            return NOTHING
        weights = np.array([*self.weights.values()])
        ends = [mean.over_prompts().estimate() for mean in means]
        below = [mean.value - end.low for mean, end in zip(means, ends, strict=True)]
        above = [end.high - mean.value for mean, end in zip(means, ends, strict=True)]
        correlation = _correlation(means)
        by_draw, added = self.draws, draw_variance(self.draws, self.influence)

        def distance(down: bool) -> float:
            far = weights * np.where((weights > 0) == down, below, above)
            variance = max(0.0, far @ correlation @ far) / Z2
            return reach(variance, added, by_draw) * math.sqrt(variance + added)

        return Estimate(value, value - distance(down=True), value + distance(down=False))

    def __sub__(self, other: "Mean | Contrast") -> "Contrast":
        """Returns the paired difference."""
        weights = dict(self.weights)
        taken = other.weights if isinstance(other, Contrast) else {other: 1.0}
        for mean, weight in taken.items():
            weights[mean] = weights.get(mean, 0.0) - weight
        return Contrast(weights)

    def __truediv__(self, divisor: float) -> "Contrast":
        """Returns the sum divided by a number."""
        return Contrast({mean: weight / divisor for mean, weight in self.weights.items()})


def _correlation(means: list[Mean]) -> np.ndarray:
    """Returns the correlations [mean, mean], those between two means shrunk; see `Contrast`."""
    influence = np.stack([mean.over_draws for mean in means])
    norms = np.sqrt(np.sum(influence**2, axis=1))
    scaled = np.divide(influence, norms[:, None], out=0 * influence, where=norms[:, None] > 1e-9)
    prompts = min(mean.prompts for mean in means)
    shrunk = scaled @ scaled.T / (1 + Z2 / prompts)
    np.fill_diagonal(shrunk, 1.0)
    return shrunk


def means_over_prompts(values: np.ndarray) -> list[Mean]:
    """Returns the mean over the prompts of each column, each draw that has some of one weight.

    `values` is [prompt, column], or [draw, prompt, column], from 0 to 100, NaN where a column has
    no such prompt.
    """
    drawn = values if values.ndim == 3 else values[None]
    rows = np.ascontiguousarray(np.moveaxis(drawn, 2, 0))  # [column, draw, prompt]
    present = np.isfinite(rows)
    sizes = present.sum(axis=2)
    draws = _means_of_present(rows, present)
    told = np.maximum((sizes > 0).sum(axis=1), 1)[:, None, None]
    centred = np.where(present, rows - draws[:, :, None], 0.0) / np.maximum(sizes, 1)[:, :, None]
    influence = centred * draws.shape[1] / told
    prompts = np.where(sizes > 0, sizes, sizes.max(axis=1, initial=0)[:, None]).min(axis=1)
    wholes = _means_of_present(draws, sizes > 0)
    parts = zip(wholes.tolist(), influence, draws, prompts.tolist(), strict=True)
    return [Mean(_rounded(whole), *each, float(size)) for whole, *each, size in parts]


def _means_of_present(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns the mean over the last axis of what is present, NaN where nothing is."""
    if not rows.shape[-1]:
        return np.full(rows.shape[:-1], math.nan)
    means = rows.mean(axis=-1)
    for place in zip(*np.nonzero(~present.all(axis=-1)), strict=True):
        held = rows[place][present[place]]
        means[place] = held.mean() if held.size else math.nan
    return means


def known(value: float, prompts: int, draws: int = 1) -> Mean:
    """Returns a value that is known without any of the `prompts`, over which others are means."""
    return Mean(value, np.zeros((draws, prompts)), np.full(draws, value), math.inf)


def mean_of(means: Iterable[Mean]) -> Mean:
    """Returns the mean of means over the same draws and prompts, each with the same weight.

    How alike the means are decides its variance over prompts: it is theirs where all have the same
    prompts right, and theirs divided by their number where they are independent. That share is
    learned from the prompts that differ from the rest, and near 0 and 100 they may be one or two,
    which say little; with few of them it is drawn towards 1. The form and the constant are ours:
    tests/benchmarks/interval_coverage.py has what they give.

    A mean over fewer prompts than the others, all alike, seems certain and is the least so: it has
    the variance that `effective_prompts` would take, above that of as many prompts as the others.
    """
    held = list(means)
    influence = functools.reduce(np.add, [mean.influence for mean in held]) / len(held)
    squares = influence.mean(axis=0) ** 2
    over_draws = np.stack([mean.influence for mean in held]).mean(axis=1)
    parts = np.sum(over_draws**2, axis=1).tolist()
    inflation = 1.0
    if squares.sum() > 1e-12:
        inflation = doubt(squares, np.mean(parts))
        inflation *= sum(map(operator.mul, (mean.inflation for mean in held), parts)) / sum(parts)
        most = max(mean.prompts for mean in held if math.isfinite(mean.prompts))
        few = [m for m in held if 0 < m.prompts < most and m.prompt_variance < ALIKE]
        lacking = sum(m.unseen_variance(m.prompts) - m.unseen_variance(most) for m in few)
        inflation += lacking / len(held) ** 2 / squares.sum()
    return Mean(
        _rounded(float(np.mean([mean.value for mean in held]))),
        influence,
        functools.reduce(np.add, [mean.draws for mean in held]) / len(held),
        min(mean.prompts for mean in held),
        float(inflation),
    )


def mean_by_prompt(values: np.ndarray, identities: Sequence[str]) -> Mean:
    """Returns the mean of values, from 0 to 100, all of one weight; those of a prompt are one draw.

    NaN is no value. How alike those of a prompt are is learned as in `mean_of`.
    """
    prompts, present = numbers_of(identities), np.isfinite(values)
    if not present.any():
        return Mean(math.nan, np.zeros((1, 0)), np.array([math.nan]), 0)
    held = values[present]
    mean, size = _rounded(float(held.mean())), len(set(prompts[present].tolist()))
    influence = np.bincount(prompts, np.where(present, values - mean, 0.0)) / held.size
    inflation = max(1.0, doubt(influence**2, float(held.var()) / size))
    return Mean(mean, influence[None], np.array([mean]), float(size), inflation)


def numbers_of(identities: Iterable[str]) -> np.ndarray:
    """Returns the number of each identity, from 0 as they come first: int64 [identity]."""
    number: dict[str, int] = {}
    return np.array([number.setdefault(one, len(number)) for one in identities], np.int64)


def _rounded(value: float) -> float:
    """Returns the value without what a sum leaves in its last bits: 100 is 100."""
    return round(value, 10)
