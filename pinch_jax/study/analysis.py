"""From the responses and verdicts of a study to its tables and findings."""

import collections
import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinch_jax.corpus.example import Example
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.evaluate.judge import ReferenceJudge
from pinch_jax.evaluate.scores import flip_rate, holm
from pinch_jax.files import seal, write_text
from pinch_jax.study.answers import Answers
from pinch_jax.study.comparisons import Results, Scored, draws_of, read_results, shown_x
from pinch_jax.study.config import BUILT_IN
from pinch_jax.study.experiments.pretraining_share import share_correlation
from pinch_jax.study.experiments.registry import means_of
from pinch_jax.study.findings import findings_of
from pinch_jax.study.measures import mean_of_orders
from pinch_jax.study.outcomes import Outcomes, outcome_rows, write_outcomes
from pinch_jax.study.records import (
    ALL_ORDERS,
    TABLES,
    DrawScore,
    Finding,
    ResponseShares,
    Score,
    read_study,
)
from pinch_jax.study.variance import Variance, variance_rows

NAN = math.nan


class Analysis(NamedTuple):
    """What `analyse` writes: a table each, and findings.json."""

    scores: tuple[Score, ...]
    draws: tuple[DrawScore, ...]
    variance: tuple[Variance, ...]
    responses: tuple[ResponseShares, ...]
    outcomes: tuple[Outcomes, ...]
    findings: tuple[Finding, ...]


def analyse(workdir: Path) -> Analysis:
    """Returns the tables and findings of a study, and writes them into it.

    Raises:
      UserError: study.json, or responses or verdicts that it names, are missing.
      UserError: a file is not what it should be, or the verdicts are by a rule of before.
    """
    study = read_study(workdir)
    if (judge := study["judge"]["name"]) != ReferenceJudge.name:
        raise UserError(
            f"{workdir / 'verdicts'}: verdicts of judge={judge!r}, and outcomes would be told by "
            f"{ReferenceJudge.name!r}; delete that folder, and run `pinch study` again"
        )
    results = read_results(workdir, study, means_of)
    analysis = Analysis(
        scores=score_rows(results),
        draws=draw_rows(results),
        variance=variance_rows(results),
        responses=tuple(
            response_shares([results.answers[run, code] for run in runs], runs[0], code, study)
            for runs in results.draws.values()
            for code in dict.fromkeys(code for run, code in results.answers if run == runs[0])
        ),
        outcomes=outcome_rows(results),
        findings=tuple(findings_of(results)),
    )
    _write_table(workdir / "scores.csv", Score, analysis.scores)
    _write_table(workdir / "draws.csv", DrawScore, analysis.draws)
    _write_table(workdir / "variance.csv", Variance, analysis.variance)
    _write_table(workdir / "responses.csv", ResponseShares, analysis.responses)
    write_outcomes(workdir / "outcomes.csv", analysis.outcomes)
    findings = [dataclasses.asdict(finding) for finding in analysis.findings]
    text = json.dumps(findings, ensure_ascii=False, indent=1)
    write_text(workdir / "findings.json", f"{text}\n")
    seal(workdir, TABLES)
    return analysis


def summary(analysis: Analysis) -> list[str]:
    """Returns what came out in lines for a terminal: the findings, and the means of sweeps."""
    lines = []
    if analysis.findings:
        lines += ["The findings, held against this study:", *map(str, analysis.findings)]
    for row in analysis.scores:
        if row.experiment not in BUILT_IN and row.language == "mean":
            held = f"{row.score:5.1f} [{row.low:.1f}, {row.high:.1f}]"
            lines.append(f"{row.experiment}: {row.spec:32} {held}, mean of the languages")
    return lines


def majority_answers(examples: Iterable[Example]) -> dict[str, str]:
    """Returns task -> the answer that most of its training examples have, the first of equals.

    Always giving it is what a model that ignores the question could do: the chance level. A task
    without short answers has none.
    """
    answers: dict[str, collections.Counter[str]] = {}
    for example in examples:
        if example.answer:
            answers.setdefault(example.task, collections.Counter())[example.answer] += 1
    return {task: counter.most_common(1)[0][0] for task, counter in answers.items()}


def score_rows(results: Results) -> tuple[Score, ...]:
    """Returns the rows of scores.csv, p corrected by Holm over the cells of each experiment.

    A run against itself is 50 by construction: it has no wins, ties, losses or p, and is no cell.
    Pearson's r of `pretraining_share` is a row of its own, its language `pearson`; so is the mean
    of `breadth` over the orders of adding languages, its series `ALL_ORDERS`.
    """
    scored = results.scored
    estimates = [entry.score.estimate() for entry in scored]
    p_holm = [NAN] * len(scored)
    for experiment in dict.fromkeys(entry.arm["experiment"] for entry in scored):
        cells = [
            place
            for place, entry in enumerate(scored)
            if entry.arm["experiment"] == experiment and not (entry.is_mean or entry.is_itself)
        ]
        for place, p in zip(cells, holm(estimates[c].p for c in cells).tolist(), strict=True):
            p_holm[place] = p
    rows = [_score_row(*row) for row in zip(scored, estimates, p_holm, strict=True)]
    orders = mean_of_orders(results.find("breadth", "mean_unseen"))
    rows += [
        _summary_row(mean.estimate(), "breadth", "mean_unseen", series=ALL_ORDERS, x=str(x))
        for x, mean in orders.items()
    ]
    if (pearson := share_correlation(results)) is not None:
        rows.append(_summary_row(pearson, "pretraining_share", "pearson"))
    return tuple(rows)


def _summary_row(estimate: Estimate, experiment: str, language: str, **named: str) -> Score:
    """Returns a row for a number that is of several arms."""
    empty = {field.name: NAN if field.type is float else "" for field in _fields(Score)}
    named |= {"experiment": experiment, "language": language}
    held = {"score": estimate.value, "low": estimate.low, "high": estimate.high, "p": estimate.p}
    return Score(**(empty | named | held))


def _score_row(entry: Scored, estimate: Estimate, p_holm: float) -> Score:
    arm, same, held = entry.arm, entry.same_language.estimate(), entry.values
    return Score(
        experiment=arm["experiment"],
        spec=arm["spec"],
        series=arm["series"],
        x=shown_x(arm),
        language=entry.language,
        run=arm["run"],
        # A mean may be over several baselines.
        baseline_run=arm["baseline_runs"].get(entry.language, ""),
        draws=len(draws_of(arm)),
        prompts=entry.prompts,
        wins=held.count(1.0) if held else NAN,
        ties=held.count(0.5) if held else NAN,
        losses=held.count(0.0) if held else NAN,
        flip_rate=flip_rate(held) if held else NAN,
        score=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=NAN if entry.is_itself else estimate.p,
        p_holm=p_holm,
        score_same_language=same.value,
        low_same_language=same.low,
        high_same_language=same.high,
    )


def draw_rows(results: Results) -> tuple[DrawScore, ...]:
    """Returns the rows of draws.csv: each score in each draw, if there are several."""
    return tuple(
        DrawScore(
            experiment=entry.arm["experiment"],
            spec=entry.arm["spec"],
            series=entry.arm["series"],
            x=shown_x(entry.arm),
            language=entry.language,
            draw=str(draw),
            run=drawn["run"],
            score=float(score),
        )
        for entry in results.scored
        if len(entry.score.draws) > 1
        for draw, (drawn, score) in enumerate(
            zip(draws_of(entry.arm), entry.score.draws, strict=True)
        )
    )


def response_shares(
    draws: Sequence[Answers], run: str, language: str, study: Mapping[str, Any]
) -> ResponseShares:
    """Returns a row of responses.csv: what share of a set's answers in a language is what.

    `chance` is the exact match of always giving the most frequent training answer of the task.
    What needs a reference or an answer is over the prompts that have one, NaN if none has.
    """
    answers = draws[0]
    held = [outcome for draw in draws for outcome in draw.outcomes.values()]
    majority = study["majority_answers"][language]
    by_chance = [
        majority.get(record["task"]) == record["answer"]
        for record in answers.records.values()
        if record["answer"]
    ]

    def share(values: Sequence[float | None]) -> float:
        told = [value for value in values if value is not None]
        return float(np.mean(told)) if told else NAN

    return ResponseShares(
        run=run,
        spec=study["runs"][run]["spec"],
        language=language,
        prompts=len(answers.records),
        exact_match=share([outcome.exact_match for outcome in held]),
        answer_match=share([outcome.answer_match for outcome in held]),
        right_language=share([outcome.right_language for outcome in held]),
        wrong_language=share([outcome.wrong_language for outcome in held]),
        too_short=share([outcome.too_short for outcome in held]),
        echo=share([outcome.echo for outcome in held]),
        chrf=share([outcome.chrf for outcome in held]),
        chance=share(by_chance),
    )


def _fields(row_type: type) -> tuple[dataclasses.Field, ...]:
    return dataclasses.fields(row_type)


def _write_table(path: Path, row_type: type, rows: Iterable[Any]) -> None:
    """Writes rows as CSV; NaN is an empty cell."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(field.name for field in _fields(row_type))
    for row in rows:
        writer.writerow(_cell(value) for value in dataclasses.astuple(row))
    write_text(path, table.getvalue())


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
