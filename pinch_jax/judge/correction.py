"""Scores without the judge's errors, as far as a certificate knows them.

Of a pair of which one response is better, each verdict names it with the chance A, over both orders
together; it names either of two equally good responses in half of the verdicts. So a model whose
true score is t has the expected score A t + (1 - A)(1 - t), whether it ties much or little: its
distance from even is shortened by 2 A - 1, which is kappa. Both orders are judged, so a place that
the judge prefers takes no part in that. What is said of the candidate and of the baseline is taken
to be wrong equally often: the specificity and the sensitivity of Lee et al. are one number then.

It holds as far as the pairs of the certificate are as hard to judge as those of the study, and as
neither side has more of what the judge likes beside the answer: that stays in, and is magnified.

Source: Lee et al. (2025), How to Correctly Report LLM-as-a-Judge Evaluations, arXiv 2511.21140;
Rogan and Gladen (1978), Estimating Prevalence from the Results of a Screening Test.
"""

import math

import numpy as np

from pinch_jax.evaluate.draws import NORMAL
from pinch_jax.evaluate.intervals import EVEN, NOTHING, Estimate


def tells(kappa: Estimate) -> bool:
    """Returns whether a judge can be told from chance, and is on the right side of it."""
    return kappa.low > 0


def corrected(score: Estimate, kappa: Estimate) -> Estimate:
    """Returns a score (0 to 100) without the errors of a judge; NaN where it says nothing.

    It is undefined where `kappa` (-1 to 1) cannot be told from chance, and where no true score
    would give this one: the certificate's pairs are other ones then, and harder. The interval holds
    the uncertainty of both, and is that of a ratio of two numbers with intervals of their own; p is
    that of the score, as a judge that errs equally in both directions leaves even where it is.

    Source: Donner and Zou (2012), Closed-form Confidence Intervals for Functions of the Normal Mean
    and Standard Deviation (MOVER-R).
    """
    if math.isnan(score.value) or not tells(kappa):
        return NOTHING
    far, low, high = (end - EVEN for end in (score.value, score.low, score.high))
    ends = [
        EVEN - _upper(-far, -low, kappa),
        EVEN + far / kappa.value,
        EVEN + _upper(far, high, kappa),
    ]
    if ends[0] > 2 * EVEN or ends[2] < 0:
        return NOTHING
    low, value, high = np.clip(ends, 0.0, 100.0)
    return Estimate(float(value), float(low), float(high), score.p)


def with_decided(judged: Estimate, decided: Estimate, part: float, prompts: int) -> Estimate:
    """Returns the score of all prompts: of those `judged`, corrected, and those `decided`.

    Language decides the latter, before a judge is asked, and no judge's errors are in them. They
    are the `part` (0 to 1) of so many prompts, and might have been more or fewer of others.
    """
    if part in (0.0, 1.0):
        return decided if part else judged
    between = NORMAL**2 * part * (1 - part) / prompts * (judged.value - decided.value) ** 2

    def reach(end: str) -> float:
        sides = (1 - part, judged), (part, decided)
        squares = ((share * (getattr(one, end) - one.value)) ** 2 for share, one in sides)
        return math.sqrt(sum(squares) + between)

    value = (1 - part) * judged.value + part * decided.value
    low, high = max(value - reach("low"), 0.0), min(value + reach("high"), 100.0)
    return Estimate(value, low, high)


def _upper(far: float, end: float, kappa: Estimate) -> float:
    """Returns the upper end of the ratio far / kappa, `end` being that of far.

    It is the ratio r at which far - r kappa, with the distances of both ends added as squares, has
    its own end at 0. A positive ratio is large where kappa is small, a negative one where it is
    large.
    """
    reach, slack = end - far, (kappa.low if end > 0 else kappa.high) - kappa.value
    # a r² - 2 b r + c = 0. Where r is positive, so is a, as kappa's interval leaves out 0.
    a, b, c = kappa.value**2 - slack**2, far * kappa.value, far**2 - reach**2
    root = math.sqrt(max(b**2 - a * c, 0.0))
    if end > 0:
        return (b + root) / a
    return c / (b - root) if c else 0.0
