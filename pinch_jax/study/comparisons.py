"""Every comparison of a study as a score, all over the same draws and prompts and so paired."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Estimate, Mean, means_over_prompts
from pinch_jax.evaluate.outcome import Outcome

Arm = Mapping[str, Any]
# (study.json, an arm of it) -> the means of the arm: name -> its languages.
MeansOf = Callable[[Mapping[str, Any], Arm], Mapping[str, Sequence[str]]]


class Comparison(NamedTuple):
    """Two runs held against each other in one language."""

    run: str
    baseline_run: str
    language: str

    @property
    def is_itself(self) -> bool:
        """Whether a run is held against itself, which no judge is asked about."""
        return self.run == self.baseline_run


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a run answered in one language: the records and what each is, by prompt id."""

    records: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Outcome]


@dataclasses.dataclass(frozen=True)
class Scored:
    """One score of an arm, in a language or as a mean over several, which are `languages`.

    `values` holds 1, 0.5 or 0 for each of the `prompts` of each draw that there is a verdict on; it
    is empty for a run against itself, which scores 50 by construction. `same_language` is the score
    over the prompts that neither run answered in a wrong language, and `probability` the mean
    probability that the arm is better, as the judge has it; NaN without any, and so is a mean where
    a language has none: else those of different arms would be over different languages.
    """

    arm: Arm
    language: str
    score: Mean
    same_language: Estimate
    probability: Estimate
    prompts: int
    values: tuple[float, ...]
    languages: tuple[str, ...]

    @property
    def named(self) -> dict[str, str]:
        """What names it in the tables."""
        arm = self.arm
        return {
            "experiment": arm["experiment"],
            "spec": arm["spec"],
            "series": arm["series"],
            "x": arm["x"] if isinstance(arm["x"], str) else f"{arm['x']:g}",
            "language": self.language,
        }

    @property
    def is_itself(self) -> bool:
        """Whether a run is held against itself."""
        return not self.values

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean over languages."""
        return self.language not in self.arm["baseline_runs"]


@dataclasses.dataclass(frozen=True)
class Results:
    """All scores of a study, and what its runs answered.

    `prompts` are those of all languages, in the order of every mean's influence. `draws` holds the
    runs that were drawn of each tuning set, by the run of its first draw. `scored` are the first
    judge's; `judged` has what each judge says, by its name in config.judges.
    """

    study: Mapping[str, Any]
    answers: Mapping[tuple[str, str], Answers]
    prompts: tuple[str, ...]
    draws: Mapping[str, Sequence[str]]
    judged: Mapping[str, "Judged"]
    workdir: Path = Path()

    @property
    def scored(self) -> Sequence[Scored]:
        """The scores by the first judge, whose the figures are."""
        return next(iter(self.judged.values())).scored

    @functools.cached_property
    def asked(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        """Language -> prompt id -> a record of it: all runs were asked the same."""
        asked: dict[str, dict[str, Mapping[str, Any]]] = {}
        for (_, code), answers in self.answers.items():
            asked.setdefault(code, {}).update(answers.records)
        return asked

    def find(self, experiment: str, language: str, **arm: Any) -> list[Scored]:
        """Returns the scores of an experiment in a language or mean, of arms with these fields."""
        return [
            entry
            for entry in self.scored
            if entry.arm["experiment"] == experiment
            and entry.language == language
            and all(entry.arm[name] == value for name, value in arm.items())
        ]

    def mean(self, draws: Sequence[Mapping[str, float]]) -> Mean:
        """Returns the mean in percent over draws and prompts; a draw is {prompt id: 0 to 1}."""
        return mean_of_draws(draws, self.prompts)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What one judge says of a study: its scores, and prompt id -> outcome of each comparison.

    `by_language` are the prompts of each that language decided before the judge was asked.
    """

    scored: Sequence[Scored]
    outcomes: Mapping[Comparison, Mapping[str, float]]
    by_language: Mapping[Comparison, frozenset[str]]


def judges_of(study: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns the judges of a study.

    Raises:
        UserError: the study is from before its verdicts were kept by judge.
    """
    if "judges" not in study:
        raise UserError("study.json: verdicts are kept by judge now; run `pinch study` again")
    return study["judges"]


def slow(items: Iterable[Any], what: str, unit: str) -> Iterable[Any]:
    """Returns the items, with a bar on the screen where they take more than two seconds."""
    return tqdm(items, what, unit=unit, delay=2, leave=False)


def examples_of(study: Mapping[str, Any], run: str) -> dict[str, int]:
    """Returns how many examples of each language a run's set holds; none are left out."""
    held = study["runs"][run].get("budgets", {})
    return {code: count for code, count in held.items() if count}


def in_others(study: Mapping[str, Any], run: str) -> str:
    """Returns how many of a set's examples are not in the base language: "40 of 4,640"."""
    held = examples_of(study, run)
    whole = sum(held.values())
    return f"{whole - held.get(study['base'], 0):,} of {whole:,}"


def draws_of(arm: Arm) -> Sequence[Arm]:
    """Returns the runs of each draw of an arm; a study from before there were draws has one."""
    return arm.get("draws", (arm,))


def compared(arm: Arm, language: str) -> tuple[Comparison, ...]:
    """Returns what is held against what in a language, for each draw of an arm."""
    return tuple(
        Comparison(draw["run"], draw["baseline_runs"][language], language) for draw in draws_of(arm)
    )


def answers_of(study: Mapping[str, Any]) -> dict[tuple[str, str], None]:
    """Returns the (run, language) of all answers that a study compares, in their order.

    What else lies in a work directory may be of another call, and to other prompts.
    """
    arms = ((arm, language) for arm in study["arms"] for language in arm["baseline_runs"])
    pairs = (pair for arm, language in arms for pair in compared(arm, language))
    return dict.fromkeys((run, p.language) for p in pairs for run in (p.run, p.baseline_run))


def mean_of_draws(draws: Sequence[Mapping[str, float]], prompts: Sequence[str]) -> Mean:
    """Returns the mean in percent over draws {prompt id: value} and the prompts that they have."""
    values = [[held.get(identity, math.nan) for identity in prompts] for held in draws]
    return means_over_prompts(100.0 * np.array(values)[:, :, None])[0]
