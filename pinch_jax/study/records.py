"""A finished work directory, read into plain records: what the figures and the page are made of."""

import dataclasses
import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.files import check_sealed, read_kept_lines, read_record
from pinch_jax.study.comparisons import examples_of
from pinch_jax.study.config import HUMAN, PRETRAINED
from pinch_jax.study.confusion import Confusion
from pinch_jax.study.naming import names_of
from pinch_jax.study.outcomes import ABOVE_BASE, Outcomes, read_outcomes
from pinch_jax.study.tables import read_rows
from pinch_jax.study.workdir import read_config

AGGREGATES = ("mean", "mean_non_english", "mean_seen", "mean_unseen", "mean_other")
# The folder of a work directory in which files of annotators are.
ANNOTATIONS = "annotations"
# What `analyse` writes, all of it or nothing.
TABLES = (
    "scores.csv",
    "draws.csv",
    "variance.csv",
    "judges.csv",
    "agreement.csv",
    "responses.csv",
    "outcomes.csv",
    "confusion.csv",
    "findings.json",
)
# The series of a mean over the orders of adding languages.
ALL_ORDERS = "all orders"
Table = TypeVar("Table", bound="Row | ResponseShares | Agreement | Confusion")


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

    `same` is the percent of the `outcomes` (win, tie or loss) that are the same; kappa is Cohen's.
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


@dataclasses.dataclass(frozen=True)
class Tables:
    """What `analyse` writes: a table each, and findings.json."""

    scores: tuple[Score, ...]
    draws: tuple[DrawScore, ...]
    variance: tuple[Variance, ...]
    judges: tuple[JudgeScore, ...]
    agreement: tuple[Agreement, ...]
    responses: tuple[ResponseShares, ...]
    outcomes: tuple[Outcomes, ...]
    confusion: tuple[Confusion, ...]
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class Records(Tables):
    """Everything the report says, as read from `workdir`; `outcomes` are over all draws.

    `above_base` are run -> what its outcomes are above those of the base language alone, paired.
    """

    workdir: Path
    config: dict[str, Any]
    study: dict[str, Any]
    above_base: Mapping[str, Mapping[str, tuple[float, float, float]]]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the study in its order, then those of the Slavic experiment alone."""
        return tuple(dict.fromkeys((*self.study["languages"], *self.study["slavic"])))

    def experiment(self, name: str, language: str = "") -> tuple[Score, ...]:
        """Returns the scores of an experiment, in all languages and means or in one of them."""
        rows = (row for row in self.scores if row.experiment == name)
        return tuple(row for row in rows if language in ("", row.language))

    def judged_in(self, name: str) -> tuple[str, ...]:
        """Returns the languages that an experiment has scores in, in the order of the study."""
        judged = {row.language for row in self.experiment(name)}
        return tuple(code for code in self.languages if code in judged)

    def examples_of(self, run: str) -> dict[str, int]:
        """Returns how many examples of each language a run's set holds; none are left out."""
        return examples_of(self.study, run)

    @property
    def draw_count(self) -> int:
        """How often each tuning set was drawn; a study from before there were draws has one."""
        return self.study.get("draws", 1)

    @functools.cached_property
    def runs(self) -> dict[str, str]:
        """Run directory -> the spec of its tuning set, in the order the experiments name them.

        Where a set was drawn several times, its first draw stands for all.
        """
        ordered = dict.fromkeys(
            run
            for arm in self.study["arms"]
            for run in (arm["run"], *arm["baseline_runs"].values())
        )
        return {run: self.study["runs"][run]["spec"] for run in ordered}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """Run directory -> its tuning set in words."""
        words = names_of(self.runs.values(), self.study["languages"], self.study["base"])
        return {run: words[spec] for run, spec in self.runs.items()}

    @functools.cached_property
    def tuned_runs(self) -> tuple[str, ...]:
        """The runs that trained a model: all but the untuned one; the first draw of each set."""
        return tuple(run for run, spec in self.runs.items() if spec != PRETRAINED)

    def run_lines(self, run: str, name: str) -> list[dict[str, Any]]:
        """Returns the records of a JSON lines file of a run; none if the run has no such file."""
        path = self.workdir / "runs" / run / name
        if not path.exists():
            return []
        return [record for _, record in read_kept_lines(path, "delete it: the report can without")]


def read_study(workdir: Path) -> dict[str, Any]:
    """Returns what study.json says: the runs and comparisons of a study.

    Where people have annotated its answers, that is one of its experiments.

    Raises:
      UserError: there is none yet.
      UserError: it is damaged.
    """
    path = workdir / "study.json"
    if not path.exists():
        raise UserError(f"{path}: no such file; run `pinch study` to its end first")
    study = read_record(path, "delete it, and run `pinch study` again")
    if any((workdir / ANNOTATIONS).glob("*.jsonl")):
        study["experiments"] = [*dict.fromkeys((*study["experiments"], HUMAN))]
    return study


def read_records(workdir: Path) -> Records:
    """Returns the records of an analysed work directory.

    Raises:
      UserError: a file that the report needs is missing.
      UserError: a file is damaged, or a table lacks a column of its format.
    """
    for name in ("config.json", "study.json", *TABLES):
        if not (workdir / name).exists():
            raise UserError(
                f"workdir={str(workdir)!r} has no {name}; run `pinch study --workdir={workdir}` "
                "to its end, or name the work directory of a finished study"
            )
    check_sealed(workdir, "run `pinch report` again")
    findings = json.loads((workdir / "findings.json").read_text("utf-8"))
    names = [field.name for field in dataclasses.fields(Finding)]
    outcomes = read_outcomes(workdir / "outcomes.csv")
    return Records(
        workdir=workdir,
        config=read_config(workdir),
        study=read_study(workdir),
        scores=_read_table(workdir / "scores.csv", Score),
        draws=_read_table(workdir / "draws.csv", DrawScore),
        variance=_read_table(workdir / "variance.csv", Variance),
        judges=_read_table(workdir / "judges.csv", JudgeScore),
        agreement=_read_table(workdir / "agreement.csv", Agreement),
        outcomes=tuple(row for row in outcomes if not row.draw and row.task != ABOVE_BASE),
        above_base={row.run: row.shares for row in outcomes if row.task == ABOVE_BASE},
        responses=_read_table(workdir / "responses.csv", ResponseShares),
        confusion=_read_table(workdir / "confusion.csv", Confusion),
        findings=tuple(Finding(**{name: entry[name] for name in names}) for entry in findings),
    )


def _read_table(path: Path, row_type: type[Table]) -> tuple[Table, ...]:
    """Returns the rows of a table; an empty number is NaN."""
    fields = dataclasses.fields(row_type)

    def cell(field: dataclasses.Field, text: str) -> str | float:
        return text if field.type is str else float(text or "nan")

    rows = read_rows(path, [field.name for field in fields])
    return tuple(row_type(*(cell(field, row[field.name]) for field in fields)) for row in rows)
