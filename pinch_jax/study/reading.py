"""The scores of a finished study, read from its responses and its verdicts."""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import EVEN, NOTHING, Mean, known, mean_of
from pinch_jax.evaluate.records import (
    ASKED,
    other_answers,
    outcome_of,
    read_responses,
    words_of_records,
)
from pinch_jax.judge.records import Verdict, read_verdicts, seen_by_judge
from pinch_jax.judge.scores import gives_odds, outcomes, win_probabilities
from pinch_jax.study.comparisons import (
    Answers,
    Arm,
    Comparison,
    Judged,
    MeansOf,
    Results,
    Scored,
    answers_of,
    compared,
    draws_of,
    judges_of,
    mean_of_draws,
    slow,
)
from pinch_jax.study.workdir import responses_path, verdict_path


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
    answers = _read_answers(workdir, answers_of(study))
    prompts = tuple(sorted({identity for held in answers.values() for identity in held.records}))
    judged = {}
    for judge in judges_of(study):
        values, odds, decided, told = {}, {}, {}, False
        for pair in slow(comparisons, f"reading verdicts of {judge['as']}", "file"):
            if pair.is_itself:
                continue
            # Those of one file at a time: there may be millions.
            verdicts, values[pair] = _read_verdicts(workdir, judge, pair, answers)
            told = told or gives_odds(verdicts)
            odds[pair] = win_probabilities(verdicts)
            decided[pair] = frozenset(of.id for of in verdicts if of.by == "language")
        scored = _scored(study, answers, prompts, means_of, values, odds if told else {})
        judged[judge["as"]] = Judged(scored, values, decided)
    return Results(study, answers, prompts, _drawn(study), judged, workdir)


def _scored(
    study: Mapping[str, Any],
    answers: Mapping[tuple[str, str], Answers],
    prompts: tuple[str, ...],
    means_of: MeansOf,
    values: Mapping[Comparison, Mapping[str, float]],
    odds: Mapping[Comparison, Mapping[str, float]],
) -> list[Scored]:
    """Returns a judge's scores of all arms, in each language and in the means.

    Of the means that findings do not compare, estimates alone are kept: each holds a number for
    each prompt of each draw.
    """
    # A judge that gives no log-odds has no such mean, not even of a run against itself.
    told = any(odds.values())

    def mean(pairs: tuple[Comparison, ...], of: Callable[[Comparison], Mapping]) -> Mean:
        """Returns the mean over the draws of a comparison; of a run against itself it is even."""
        if not any(pair in values for pair in pairs):
            return known(EVEN, len(prompts), len(pairs))
        even = dict.fromkeys(answers[pairs[0].run, pairs[0].language].records, EVEN / 100)
        return mean_of_draws([of(p) if p in values else even for p in pairs], prompts)

    @functools.cache
    def score(pairs: tuple[Comparison, ...]) -> Mean:
        return mean(pairs, values.__getitem__)

    def means(pairs: tuple[Comparison, ...]) -> tuple[Mean, ...]:
        """Returns the score, that of one language, and by odds if there are any."""
        same = mean(pairs, lambda pair: _same_language(values[pair], pair, answers))
        return score(pairs), same, *([mean(pairs, odds.__getitem__)] if told else ())

    def scored(arm: Arm, name: str, languages: Sequence[str], of: Sequence[Mean]) -> Scored:
        pairs = [pair for language in languages for pair in compared(arm, language)]
        held = tuple(value for pair in pairs for value in values.get(pair, {}).values())
        size = sum(len(answers[arm["run"], language].records) for language in languages)
        others = [one.estimate(null=math.nan) for one in of[1:]]
        probability = others[1] if told else NOTHING
        return Scored(arm, name, of[0], others[0], probability, size, held, tuple(languages))

    entries = []
    for arm in study["arms"]:
        cells = {code: means(compared(arm, code)) for code in arm["baseline_runs"]}
        entries += [scored(arm, code, [code], of) for code, of in cells.items()]
        for name, languages in means_of(study, arm).items():
            columns = zip(*(cells[code] for code in languages), strict=True)
            entries.append(scored(arm, name, languages, [mean_of(column) for column in columns]))
    return entries


def _read_answers(
    workdir: Path, answered: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Answers]:
    """Returns (run, language) -> what the run answered in it, for those that are asked for."""
    held = {
        (run, language): read_responses(responses_path(workdir, run, language), kept=True)
        for run, language in answered
    }
    # Each prompt once.
    asked: dict[tuple[str, str], Mapping[str, Any]] = {}
    for (run, language), records in held.items():
        for key, record in records.items():
            one = asked.setdefault(key, record)
            if [*map(record.get, ASKED)] != [*map(one.get, ASKED)]:
                raise UserError(
                    f"{responses_path(workdir, run, language)}: {key[1]!r} is another prompt "
                    "than in other runs, or has another reference, task or answer; run `pinch "
                    "study` again to its end"
                )
            # Of many runs, each text is held once.
            record.update({field: one[field] for field in ASKED})
    words = words_of_records(asked.values())
    answers = {}
    for key, records in slow(held.items(), "reading answers", "file"):
        own = {identity: record for (_, identity), record in records.items()}
        others = other_answers(own)
        outcomes = {
            identity: outcome_of(record, record["response"], words, others[identity])
            for identity, record in own.items()
        }
        answers[key] = Answers(own, outcomes)
    return answers


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
) -> tuple[list[Verdict], dict[str, float]]:
    """Returns a judge's verdicts on a comparison, all on these very responses, and the outcomes."""
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
    return verdicts, held


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
