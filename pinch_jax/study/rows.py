"""What a row of each table of a study says, and what is found of the paper's claims."""

import dataclasses
import math
from typing import Any

from pinch_jax.evaluate.intervals import Estimate

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

    run: str = ""
    baseline_run: str = ""
    draws: float = math.nan
    prompts: float = math.nan
    wins: float = math.nan
    ties: float = math.nan
    losses: float = math.nan
    flip_rate: float = math.nan
    score: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    score_same_language: float = math.nan
    low_same_language: float = math.nan
    high_same_language: float = math.nan
    score_by_probability: float = math.nan
    low_by_probability: float = math.nan
    high_by_probability: float = math.nan
    no_verdict: float = math.nan

    @property
    def estimate(self) -> Estimate:
        """The score with its interval and its p."""
        return Estimate(self.score, self.low, self.high, self.p)


def score_row(held: Estimate, experiment: str, **named: Any) -> Score:
    """Returns a row of scores.csv that is no score of one arm; `named` are fields of it."""
    fields = {"spec": "", "series": "", "x": "", "language": ""} | named
    return Score(experiment, **fields, **score_numbers(held), p=held.p)


def score_numbers(held: Estimate, kind: str = "") -> dict[str, float]:
    """Returns the fields of a score of a kind, such as "_corrected", and of its interval."""
    return {f"score{kind}": held.value, f"low{kind}": held.low, f"high{kind}": held.high}


@dataclasses.dataclass(frozen=True)
class JudgeScore(Row):
    """One row of judges.csv: a score of one judge, in percent, of so many outcomes.

    As it is; by the judge's own probabilities; without the errors that its certificate knows of;
    and where both responses are equally long. NaN is what cannot be told.
    """

    judge: str = ""
    verdicts: float = math.nan
    score: float = math.nan
    low: float = math.nan
    high: float = math.nan
    score_by_probability: float = math.nan
    low_by_probability: float = math.nan
    high_by_probability: float = math.nan
    score_corrected: float = math.nan
    low_corrected: float = math.nan
    high_corrected: float = math.nan
    score_of_equal_length: float = math.nan
    low_of_equal_length: float = math.nan
    high_of_equal_length: float = math.nan

    def estimate(self, kind: str = "") -> Estimate:
        """Returns the score of a kind, such as "_corrected", with its interval."""
        return Estimate(*(getattr(self, f"{end}{kind}") for end in ("score", "low", "high")))


@dataclasses.dataclass(frozen=True)
class Agreement:
    """One row of agreement.csv: two judges in a language, or in `all`.

    `same` is the percent of the `outcomes` (win, tie or loss) that are the same, of those that
    language did not decide for either; kappa is Cohen's.
    """

    judge: str
    other: str
    language: str
    outcomes: float
    same: float
    low: float
    high: float
    kappa: float
    kappa_low: float
    kappa_high: float


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

    above: str
    draws: float
    prompts: float
    value: float
    low: float
    high: float
    draw_sd: float
    draw_sd_low: float
    draw_sd_high: float
    draw_share: float
    draw_share_low: float
    draw_share_high: float
    prompts_3: float
    prompts_5: float
    prompts_10: float


@dataclasses.dataclass(frozen=True)
class ResponseShares:
    """One row of responses.csv: fractions of the prompts, chrF from 0 to 100, mean of all draws.

    `run` is that of the first draw. NaN is what cannot be told.
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
    def digits(self) -> int:
        """How many digits behind the point its numbers are shown with: none where they count."""
        numbers = [number for number in (self.value, self.low, self.high) if number is not None]
        if all(float(number).is_integer() for number in numbers):
            return 0
        return 2 if all(abs(number) <= 1 for number in numbers) else 1

    def __str__(self) -> str:
        """The finding in two lines for a terminal."""
        number = f"no number: {self.detail}"
        if self.value is not None:
            value, low, high = (f"{n:.{self.digits}f}" for n in (self.value, self.low, self.high))
            number = f"{value} [{low}, {high}] {self.unit}"
        return f"{self.number}. {self.verdict:13} {self.claim}\n{'':17}{number}"
