"""From verdicts to scores: discounted ties, paired bootstrap over prompts, Holm's correction."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterable

import numpy as np

from pinch_jax.evaluate.records import Verdict

RESAMPLES = 10_000
"""Enough that p can fall below 0.05 after Holm's correction over 12 x 11 cells."""
LEVEL = 0.95
EVEN = 50.0
"""The score of two models that cannot be told apart, in percent."""


def outcomes(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Return prompt id -> 1.0 (win), 0.5 (tie) or 0.0 (loss) of the candidate in one language.

    It wins what it wins in both orders, loses what it loses in both, and ties where the two
    verdicts differ.

    Raises:
      ValueError: there are several languages, or a prompt lacks one of its two orders.

    Source: Shaham et al. (2024), arXiv 2401.01854, section 2.
    """
    wins: dict[str, dict[str, bool]] = {}
    languages = set()
    for verdict in verdicts:
        orders = wins.setdefault(verdict.id, {})
        if verdict.order in orders:
            raise ValueError(f"verdict {verdict.id!r}: {verdict.order} comes twice; keep one")
        orders[verdict.order] = verdict.winner == "candidate"
        languages.add(verdict.language)
        if len(languages) > 1:
            raise ValueError(f"verdicts in languages {sorted(languages)}; score one at a time")
    for identity, orders in wins.items():
        if len(orders) != 2:
            raise ValueError(
                f"verdict {identity!r}: only in order {sorted(orders)}; judge it in both orders"
            )
    return {identity: sum(orders.values()) / 2 for identity, orders in wins.items()}


def score_verdicts(verdicts: Iterable[Verdict]) -> float:
    """Return the discounted-tie score in percent, the mean over the prompts of all languages.

    Raises:
      ValueError: there is no verdict, or a prompt lacks one of its two orders.
    """
    by_language: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_language.setdefault(verdict.language, []).append(verdict)
    values = [value for held in by_language.values() for value in outcomes(held).values()]
    if not values:
        raise ValueError("verdicts=[]: nothing to score; judge some responses first")
    return 100.0 * float(np.mean(values))


def flip_rate(values: Iterable[float]) -> float:
    """Return the fraction of prompts whose verdict flips with the order: the ties."""
    return float(np.mean([value == 0.5 for value in values]))


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval, and p against `EVEN`."""

    value: float
    low: float
    high: float
    p: float


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """A statistic, or a vector of them, beside its values in every resample of the prompts.

    `value` is of shape [...], `replicates` [resample, ...]. Two statistics of the same resample
    are paired: the replicates of their difference are the differences of their replicates.
    """

    value: np.ndarray
    replicates: np.ndarray

    def estimate(self, null: float = EVEN) -> Estimate:
        """Return a single statistic with its percentile interval and two-sided p against `null`."""
        low, high = interval(self.replicates)
        return Estimate(
            float(self.value), float(low), float(high), float(p_value(self.replicates, null))
        )

    def __getitem__(self, column: int) -> "Bootstrap":
        """Return one statistic of a vector."""
        return Bootstrap(self.value[column], self.replicates[:, column])

    def __sub__(self, other: "Bootstrap") -> "Bootstrap":
        """Return the paired difference of two statistics of one resample."""
        return Bootstrap(self.value - other.value, self.replicates - other.replicates)


def mean_of(statistics: Iterable[Bootstrap]) -> Bootstrap:
    """Return the mean of statistics of one resample, each with the same weight."""
    held = list(statistics)
    return Bootstrap(
        np.mean([statistic.value for statistic in held], axis=0),
        functools.reduce(np.add, [statistic.replicates for statistic in held]) / len(held),
    )


def resample_counts(
    prompts: int, resamples: int = RESAMPLES, seed: int = 0, purpose: str = "prompts"
) -> np.ndarray:
    """Return how often each resample holds each prompt: float32 [resample, prompt].

    A resample draws as many prompts as there are, with replacement. Used for all languages,
    comparisons and orders alike, it keeps everything paired that shares a prompt. The raw words
    of Philox are the same in every release of NumPy.
    """
    key = hashlib.sha256(f"pinch bootstrap {seed} {purpose}".encode()).digest()[:16]
    philox = np.random.Philox(key=int.from_bytes(key, "little"))
    drawn = (philox.random_raw(resamples * prompts) % prompts).astype(np.int64)
    cells = np.repeat(np.arange(resamples) * prompts, prompts) + drawn
    counts = np.bincount(cells, minlength=resamples * prompts)
    return counts.reshape(resamples, prompts).astype(np.float32)


def bootstrap_means(values: np.ndarray, counts: np.ndarray) -> Bootstrap:
    """Return the mean over prompts of each column, in the whole set and in every resample.

    `values` is [prompt, column], NaN where a column has no such prompt; a mean over no prompt
    at all is NaN. Multiplying by counts is the same as indexing by the drawn prompts.
    """
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0).astype(np.float32)
    whole = np.ones((1, len(values)), np.float32)
    sums, sizes = (
        np.concatenate([whole @ part, counts @ part])
        for part in (filled, present.astype(np.float32))
    )
    means = np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)
    return Bootstrap(means[0].astype(np.float64), means[1:])


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a fraction; it has width also where none or all succeed.

    Source: Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference.
    """
    fraction, z2 = successes / trials, 1.959964**2
    centre = (fraction + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (fraction * (1 - fraction) / trials + z2 / (4 * trials**2)))
    half /= 1 + z2 / trials
    # Where the fraction is 0 or 1 it is itself an end, but for the last bit.
    return min(fraction, centre - half), max(fraction, centre + half)


def interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % percentile interval over the first axis, NaN left out.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.
    """
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    with_gaps = np.isnan(replicates).any(axis=0)
    if not with_gaps.any():
        low, high = np.quantile(replicates, tails, axis=0)
        return low, high
    columns = replicates.reshape(len(replicates), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    for column in range(columns.shape[1]):
        finite = columns[np.isfinite(columns[:, column]), column]
        if len(finite):
            ends[:, column] = np.quantile(finite, tails)
    low, high = ends.reshape(2, *replicates.shape[1:])
    return low, high


def p_value(replicates: np.ndarray, null: float = EVEN) -> np.ndarray:
    """Return the two-sided bootstrap p against `null` over the first axis, NaN left out.

    It is below 0.05 where the percentile interval leaves `null` out. A resample counts as one
    more on either side, so that p is never 0.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 4.2.
    """
    finite = np.isfinite(replicates).sum(axis=0)
    below = (np.sum(replicates <= null, axis=0) + 1) / (finite + 1)
    above = (np.sum(replicates >= null, axis=0) + 1) / (finite + 1)
    return np.where(finite > 0, np.minimum(1.0, 2 * np.minimum(below, above)), np.nan)


def holm(p_values: Iterable[float]) -> np.ndarray:
    """Return p-values corrected for their number by Holm's step-down method; NaN stays NaN.

    Source: Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    """
    p = np.array(list(p_values), np.float64)
    tested = np.flatnonzero(np.isfinite(p))
    ascending = tested[np.argsort(p[tested], kind="stable")]
    hypotheses_left = np.arange(len(ascending), 0, -1)
    corrected = np.full_like(p, np.nan)
    corrected[ascending] = np.minimum(1.0, np.maximum.accumulate(p[ascending] * hypotheses_left))
    return corrected
