"""What a row of each table of a study says, and what is found of the paper's claims.

A row is `about` the estimate whose ends are its columns low and high (study/tables.py).
"""

import dataclasses
import math
from typing import Any

from pinch_jax.evaluate.intervals import NOTHING, Estimate

AGGREGATES = ("mean", "mean_non_english", "mean_seen", "mean_unseen", "mean_other")
# The series of a mean over the orders of adding languages.
ALL_ORDERS = "all orders"


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row of a table of scores is about: an arm, in a language or a mean of several."""

    experiment: str
    spec: str
    series: str
    x: str
    language: str

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean over languages."""
        return self.language in AGGREGATES


@dataclasses.dataclass(frozen=True)
class Score(Row):
    """One row of scores.csv; scores and their 95 % intervals are in percent.

    `run` is that of the first of the `draws`. Wins, ties and losses are those of all draws, and so
    are the prompts with `no_verdict`, which the scores leave out. NaN is what a row has none of.
    """

    about = "score"

    run: str = ""
    baseline_run: str = ""
    draws: float = math.nan
    prompts: float = math.nan
    wins: float = math.nan
    ties: float = math.nan
    losses: float = math.nan
    flip_rate: float = math.nan
    score: Estimate = NOTHING
    p: float = math.nan
    p_holm: float = math.nan
    score_same_language: Estimate = NOTHING
    score_by_probability: Estimate = NOTHING
    no_verdict: float = math.nan


def score_row(held: Estimate, experiment: str, **named: Any) -> Score:
    """Returns a row of scores.csv that is no score of one arm; `named` are fields of it."""
    fields = {"spec": "", "series": "", "x": "", "language": ""} | named
    return Score(experiment, **fields, score=held, p=held.p)


@dataclasses.dataclass(frozen=True)
class JudgeScore(Row):
    """One row of judges.csv: a score of one judge, in percent, of so many outcomes.

    As it is; by the judge's own probabilities; without the errors that its certificate knows of;
    and where both responses are equally long. NaN is what cannot be told.
    """

    about = "score"

    judge: str
    verdicts: float
    score: Estimate
    score_by_probability: Estimate
    score_corrected: Estimate
    score_of_equal_length: Estimate


@dataclasses.dataclass(frozen=True)
class Agreement:
    """One row of agreement.csv: two judges in a language, or in `all`.

    `same` is the percent of the `outcomes` (win, tie or loss) that are the same, of those that
    language did not decide for either; kappa is Cohen's.
    """

    about = "same"

    judge: str
    other: str
    language: str
    outcomes: float
    same: Estimate
    kappa: Estimate


@dataclasses.dataclass(frozen=True)
class DrawScore(Row):
    """One row of draws.csv: the score of one draw, in percent; `run` is its own."""

    draw: str
    run: str
    score: float


@dataclasses.dataclass(frozen=True)
class Variance(Row):
    """One row of variance.csv.

    `above` is the tuning set whose score is taken off, "" for a score itself. `draw_sd` is how far
    draws lie apart in points, what prompts add to that taken off. `draw_share` is the percent of
    the variance of this study's number that the choice of examples gives. `prompts_3`, `prompts_5`
    and `prompts_10` are the prompts a language with which so many draws would tell a difference of
    `POINTS` in `POWER` of the studies: infinite where no number of prompts would, NaN of a score.
    """

    about = "value"

    above: str
    draws: float
    prompts: float
    value: Estimate
    draw_sd: Estimate
    draw_share: Estimate
    prompts_3: float
    prompts_5: float
    prompts_10: float


@dataclasses.dataclass(frozen=True)
class ResponseShares:
    """One row of responses.csv: fractions of the prompts, chrF from 0 to 100, mean of all draws.

    `run` is that of the first draw. NaN is what cannot be told. `exact` is `exact_match` in percent
    with an interval, over prompts and draws.
    """

    run: str
    spec: str
    language: str
    prompts: float
    exact_match: float
    answer_match: float
    right_language: float
    wrong_language: float
    too_short: float
    echo: float
    chrf: float
    chance: float
    exact: Estimate


@dataclasses.dataclass(frozen=True)
class Finding:
    """One of the paper's findings, held against this study; numbers are None if it did not run."""

    number: int
    claim: str
    experiment: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    verdict: str
    rule: str
    detail: str

    @property
    def estimate(self) -> Estimate:
        """Its number with the interval; NaN if it did not run."""
        ends = (self.value, self.low, self.high)
        return Estimate(*(math.nan if end is None else end for end in ends))

    @property
    def digits(self) -> int:
        """How many digits behind the point its numbers are shown with: none where they count."""
        numbers = [number for number in self.estimate.numbers if not math.isnan(number)]
        if all(float(number).is_integer() for number in numbers):
            return 0
        return 2 if all(abs(number) <= 1 for number in numbers) else 1

    def __str__(self) -> str:
        """The finding in two lines for a terminal."""
        number = f"no number: {self.detail}"
        if self.value is not None:
            value, low, high = (f"{n:.{self.digits}f}" for n in self.estimate.numbers)
            number = f"{value} [{low}, {high}] {self.unit}"
        return f"{self.number}. {self.verdict:13} {self.claim}\n{'':17}{number}"
