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
from pinch_jax.evaluate.intervals import EVEN, Mean, known, mean_of, means_over_prompts
from pinch_jax.evaluate.outcome import Outcome, classify
from pinch_jax.evaluate.records import other_answers, read_responses, words_of_records
from pinch_jax.judge.records import Verdict, read_verdicts, seen_by_judge
from pinch_jax.judge.scores import outcomes, win_probabilities
from pinch_jax.study.workdir import verdict_path

Arm = Mapping[str, Any]
# (study.json, an arm of it) -> the means of the arm: name -> its languages.
MeansOf = Callable[[Mapping[str, Any], Arm], Mapping[str, Sequence[str]]]


class Comparison(NamedTuple):
    """Two runs held against each other in one language."""

    run: str
    baseline_run: str
    language: str


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
    probability that the arm is better, as the judge has it; NaN without any.
    """

    arm: Arm
    language: str
    score: Mean
    same_language: Mean
    probability: Mean
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
        return _mean_of_draws(draws, self.prompts)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What one judge says of a study: its scores, and prompt id -> outcome of each comparison."""

    scored: Sequence[Scored]
    outcomes: Mapping[Comparison, Mapping[str, float]]


def read_results(workdir: Path, study: Mapping[str, Any], means_of: MeansOf) -> Results:
    """Returns all scores of a finished study, read from its responses and verdicts.

    Raises:
      UserError: responses or verdicts that the study names are missing.
      UserError: a file is not what it should be, or its prompts are not all judged.
    """
    comparisons = dict.fromkeys(
        pair
        for arm in study["arms"]
        for language in arm["baseline_runs"]
        for pair in compared(arm, language)
    )
    answered = dict.fromkeys(
        (run, pair.language) for pair in comparisons for run in (pair.run, pair.baseline_run)
    )
    answers = _read_answers(workdir, answered)
    prompts = tuple(sorted({identity for held in answers.values() for identity in held.records}))
    judged = {}
    for judge in judges_of(study):
        verdicts = {
            pair: _read_verdicts(workdir, judge, pair, answers)
            for pair in slow(comparisons, f"reading verdicts of {judge['as']}", "file")
            if pair.run != pair.baseline_run
        }
        values = {pair: outcomes(held) for pair, held in verdicts.items()}
        odds = {pair: win_probabilities(held) for pair, held in verdicts.items()}
        scored = _scored(study, answers, prompts, means_of, values, odds)
        judged[judge["as"]] = Judged(scored, values)
    return Results(study, answers, prompts, _drawn(study), judged, workdir)


def judges_of(study: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns the judges of a study.

    Raises:
        UserError: the study is from before its verdicts were kept by judge.
    """
    if "judges" not in study:
        raise UserError(
            "study.json: verdicts are kept by judge now; run `pinch study` again, which judges the "
            "answers that are there"
        )
    return study["judges"]


def _scored(
    study: Mapping[str, Any],
    answers: Mapping[tuple[str, str], Answers],
    prompts: tuple[str, ...],
    means_of: MeansOf,
    values: Mapping[Comparison, Mapping[str, float]],
    odds: Mapping[Comparison, Mapping[str, float]],
) -> list[Scored]:
    """Returns a judge's scores of all arms, in each language and in the means."""
    same = {pair: _same_language(held, pair, answers) for pair, held in values.items()}

    @functools.cache
    def means(pairs: tuple[Comparison, ...]) -> tuple[Mean, Mean, Mean]:
        """Returns the score of the draws of a comparison, that of one language, and by odds."""
        if not any(pair in values for pair in pairs):
            itself = known(EVEN, len(prompts), len(pairs))
            return itself, itself, itself
        even = dict.fromkeys(answers[pairs[0].run, pairs[0].language].records, EVEN / 100)

        def mean(of: Mapping[Comparison, Mapping[str, float]]) -> Mean:
            held = [of.get(pair, even) for pair in pairs]
            return _mean_of_draws(held, prompts) if any(held) else _nothing(len(pairs), prompts)

        return mean(values), mean(same), mean(odds)

    def scored(arm: Arm, language: str) -> Scored:
        pairs = compared(arm, language)
        held = tuple(value for pair in pairs for value in values.get(pair, {}).values())
        size = len(answers[pairs[0].run, language].records)
        return Scored(arm, language, *means(pairs), size, held, (language,))

    entries = []
    for arm in study["arms"]:
        cells = {language: scored(arm, language) for language in arm["baseline_runs"]}
        entries += cells.values()
        for name, languages in means_of(study, arm).items():
            entries.append(_mean(arm, name, [cells[language] for language in languages]))
    return entries


@functools.cache
def _nothing(draws: int, prompts: tuple[str, ...]) -> Mean:
    """Returns the mean over no prompt."""
    return _mean_of_draws([{}] * draws, prompts)


def _read_answers(
    workdir: Path, answered: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Answers]:
    """Returns (run, language) -> what the run answered in it, for those that are asked for."""
    folder = workdir / "runs"
    held = {
        (run, language): read_responses(folder / run / "responses" / f"{language}.jsonl", kept=True)
        for run, language in answered
    }
    # Each prompt once.
    asked = {key: record for records in held.values() for key, record in records.items()}
    words = words_of_records(asked.values())
    fields = ("prompt", "response", "language", "reference", "answer")
    answers = {}
    for key, records in slow(held.items(), "reading answers", "file"):
        own = {identity: record for (_, identity), record in records.items()}
        others = other_answers(own)
        outcomes = {
            identity: classify(*map(record.get, fields), others=others[identity], words=words)
            for identity, record in own.items()
        }
        answers[key] = Answers(own, outcomes)
    return answers


def slow(items: Iterable[Any], what: str, unit: str) -> Iterable[Any]:
    """Returns the items, with a bar on the screen where they take more than two seconds."""
    return tqdm(items, what, unit=unit, delay=2, leave=False)


def examples_of(study: Mapping[str, Any], run: str) -> dict[str, int]:
    """Returns how many examples of each language a run's set holds; none are left out."""
    held = study["runs"][run].get("budgets", {})
    return {code: count for code, count in held.items() if count}


def draws_of(arm: Arm) -> Sequence[Arm]:
    """Returns the runs of each draw of an arm; a study from before there were draws has one."""
    return arm.get("draws", (arm,))


def compared(arm: Arm, language: str) -> tuple[Comparison, ...]:
    """Returns what is held against what in a language, for each draw of an arm."""
    return tuple(
        Comparison(draw["run"], draw["baseline_runs"][language], language) for draw in draws_of(arm)
    )


def _drawn(study: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Returns the runs of each tuning set, by the run of its first draw."""
    drawn: dict[str, tuple[str, ...]] = {}
    for arm in study["arms"]:
        drawn[arm["run"]] = tuple(draw["run"] for draw in draws_of(arm))
        for code, run in arm["baseline_runs"].items():
            drawn[run] = tuple(draw["baseline_runs"][code] for draw in draws_of(arm))
    return drawn


def _read_verdicts(
    workdir: Path,
    judge: Mapping[str, Any],
    pair: Comparison,
    answers: Mapping[tuple[str, str], Answers],
) -> list[Verdict]:
    """Returns a judge's verdicts on a comparison, all of them on these very responses."""
    path = verdict_path(workdir, judge, *pair)
    if not path.exists():
        raise UserError(f"{path}: no verdicts; run `pinch study` to its end first")
    verdicts = read_verdicts(path)
    try:
        held = outcomes(verdicts)
    except UserError as error:
        raise UserError(f"{path}: {error}; or delete it, and run `pinch study` again") from None
    baseline, candidate = (answers[r, pair.language].records for r in (pair.baseline_run, pair.run))
    seen = seen_by_judge(baseline, candidate, judge["version"])
    differing = baseline.keys() ^ candidate.keys()
    differing |= {verdict.id for verdict in verdicts if verdict.seen != seen.get(verdict.id)}
    missing = baseline.keys() - held.keys()
    if len(missing) != judge["no_verdict"].get(path.stem, 0):
        differing |= missing or {"all"}
    if differing:
        raise UserError(
            f"{path}: verdicts and responses differ in {len(differing)} prompts, such as "
            f"{min(differing)!r}; run `pinch study` again, which judges these responses anew"
        )
    return verdicts


def _same_language(
    values: Mapping[str, float], pair: Comparison, answers: Mapping[tuple[str, str], Answers]
) -> dict[str, float]:
    """Returns the values of the prompts that neither run answered in a wrong language."""
    runs = [answers[run, pair.language].outcomes for run in (pair.run, pair.baseline_run)]
    return {
        identity: value
        for identity, value in values.items()
        if not any(run[identity].wrong_language for run in runs)
    }


def _mean_of_draws(draws: Sequence[Mapping[str, float]], prompts: Sequence[str]) -> Mean:
    """Returns the mean in percent over draws {prompt id: value} and the prompts that they have."""
    values = [[held.get(identity, math.nan) for identity in prompts] for held in draws]
    return means_over_prompts(100.0 * np.array(values)[:, :, None])[0]


def _mean(arm: Arm, name: str, cells: Sequence[Scored]) -> Scored:
    def mean(which: str) -> Mean:
        means = [getattr(cell, which) for cell in cells]
        return mean_of([of for of in means if np.isfinite(of.value)] or means)

    return Scored(
        arm,
        name,
        mean_of(cell.score for cell in cells),
        mean("same_language"),
        mean("probability"),
        sum(cell.prompts for cell in cells),
        tuple(value for cell in cells for value in cell.values),
        tuple(cell.language for cell in cells),
    )
