"""Every comparison of a study as a score, all over the same prompts and so paired."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import EVEN, Mean, known, mean_of, means_over_prompts
from pinch_jax.evaluate.records import read_verdicts, seen_by_judge
from pinch_jax.evaluate.scores import outcomes
from pinch_jax.study.answers import Answers, read_answers

Arm = Mapping[str, Any]
# (study.json, an arm of it) -> the means of the arm: name -> its languages.
MeansOf = Callable[[Mapping[str, Any], Arm], Mapping[str, Sequence[str]]]


class Comparison(NamedTuple):
    """Two runs held against each other in one language."""

    run: str
    baseline_run: str
    language: str


@dataclasses.dataclass(frozen=True)
class Scored:
    """One score of an arm, in a language or as a mean over several, which are `languages`.

    `values` holds 1, 0.5 or 0 for each of the `prompts`; it is empty for a run against itself,
    which scores 50 by construction. `same_language` is the score over the prompts that neither
    run answered in a wrong language, NaN if there is none.
    """

    arm: Arm
    language: str
    score: Mean
    same_language: Mean
    prompts: int
    values: tuple[float, ...]
    languages: tuple[str, ...]

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

    `prompts` are those of all languages, in the order of every mean's influence.
    """

    study: Mapping[str, Any]
    answers: Mapping[tuple[str, str], Answers]
    scored: Sequence[Scored]
    prompts: tuple[str, ...]

    def find(self, experiment: str, language: str, **arm: Any) -> list[Scored]:
        """Return the scores of an experiment in a language or mean, of arms with these fields."""
        return [
            entry
            for entry in self.scored
            if entry.arm["experiment"] == experiment
            and entry.language == language
            and all(entry.arm[name] == value for name, value in arm.items())
        ]

    def means(self, columns: Sequence[Mapping[str, float]]) -> list[Mean]:
        """Return the mean over prompts of each column {prompt id: value from 0 to 100}."""
        return means_over_prompts(_matrix(columns, self.prompts))


def read_results(workdir: Path, study: Mapping[str, Any], means_of: MeansOf) -> Results:
    """Return all scores of a finished study, read from its responses and verdicts.

    Raises:
      UserError: responses or verdicts that the study names are missing.
      UserError: a file is not what it should be, or its prompts are not all judged.
    """
    comparisons = {
        Comparison(arm["run"], baseline_run, language): None
        for arm in study["arms"]
        for language, baseline_run in arm["baseline_runs"].items()
    }
    answered = dict.fromkeys(
        (run, pair.language) for pair in comparisons for run in (pair.run, pair.baseline_run)
    )
    answers = read_answers(workdir, answered)
    prompts = tuple(sorted({identity for held in answers.values() for identity in held.records}))
    judged = [pair for pair in comparisons if pair.run != pair.baseline_run]
    knowledge = study["judge"]["knowledge"]
    values = {pair: _read_outcomes(workdir, pair, answers, knowledge) for pair in judged}
    same = {pair: _same_language(values[pair], pair, answers) for pair in judged}
    scores, same_scores = (
        means_over_prompts(100.0 * _matrix([part[pair] for pair in judged], prompts))
        for part in (values, same)
    )
    columns = {pair: column for column, pair in enumerate(judged)}

    def scored(arm: Arm, language: str) -> Scored:
        pair = Comparison(arm["run"], arm["baseline_runs"][language], language)
        size = len(answers[pair.run, language].records)
        if pair not in columns:
            itself = known(EVEN, len(prompts))
            return Scored(arm, language, itself, itself, size, (), (language,))
        column, held = columns[pair], tuple(values[pair].values())
        same_score = same_scores[column]
        return Scored(arm, language, scores[column], same_score, size, held, (language,))

    entries = []
    for arm in study["arms"]:
        cells = {language: scored(arm, language) for language in arm["baseline_runs"]}
        entries += cells.values()
        for name, languages in means_of(study, arm).items():
            entries.append(_mean(arm, name, [cells[language] for language in languages]))
    return Results(study, answers, entries, prompts)


def _read_outcomes(
    workdir: Path,
    pair: Comparison,
    answers: Mapping[tuple[str, str], Answers],
    knowledge: str,
) -> dict[str, float]:
    path = workdir / "verdicts" / f"{pair.run}--{pair.baseline_run}--{pair.language}.jsonl"
    if not path.exists():
        raise UserError(f"{path}: no verdicts; run `pinch study` to its end first")
    verdicts = read_verdicts(path)
    held = outcomes(verdicts)
    baseline, candidate = (answers[r, pair.language].records for r in (pair.baseline_run, pair.run))
    differing = (baseline.keys() ^ held.keys()) | (candidate.keys() ^ held.keys())
    if not differing:
        seen = seen_by_judge(baseline, candidate, knowledge)
        differing = {verdict.id for verdict in verdicts if verdict.seen != seen[verdict.id]}
    if differing:
        raise UserError(
            f"{path}: verdicts and responses differ in {len(differing)} prompts, such as "
            f"{min(differing)!r}; run `pinch study` again, which judges these responses anew"
        )
    return held


def _same_language(
    values: Mapping[str, float], pair: Comparison, answers: Mapping[tuple[str, str], Answers]
) -> dict[str, float]:
    """Return the values of the prompts that neither run answered in a wrong language."""
    runs = [answers[run, pair.language].outcomes for run in (pair.run, pair.baseline_run)]
    return {
        identity: value
        for identity, value in values.items()
        if not any(run[identity].wrong_language for run in runs)
    }


def _matrix(columns: Sequence[Mapping[str, float]], prompts: Sequence[str]) -> np.ndarray:
    """Return [prompt, column], NaN where a column lacks the prompt."""
    rows = {identity: row for row, identity in enumerate(prompts)}
    matrix = np.full((len(prompts), len(columns)), np.nan)
    for column, values in enumerate(columns):
        matrix[[rows[identity] for identity in values], column] = list(values.values())
    return matrix


def _mean(arm: Arm, name: str, cells: Sequence[Scored]) -> Scored:
    same = [cell.same_language for cell in cells if np.isfinite(cell.same_language.value)]
    return Scored(
        arm,
        name,
        mean_of(cell.score for cell in cells),
        mean_of(same or [cell.same_language for cell in cells]),
        sum(cell.prompts for cell in cells),
        tuple(value for cell in cells for value in cell.values),
        tuple(cell.language for cell in cells),
    )
