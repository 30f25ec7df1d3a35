"""From the responses and verdicts of a study to its tables and findings."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.corpus.example import CROSSLINGUAL
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import NOTHING, Estimate
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.judge.scores import flip_rate, holm
from pinch_jax.storage.files import write_text
from pinch_jax.storage.folders import seal
from pinch_jax.study.comparisons import (
    Answers,
    Results,
    Scored,
    compared,
    draws_of,
    judges_of,
    mean_of_draws,
)
from pinch_jax.study.config import BUILT_IN, EXPERIMENTS
from pinch_jax.study.confusion import confusion_rows
from pinch_jax.study.experiments.interface import NOT_RUN, Claim, Decision
from pinch_jax.study.experiments.registry import experiment, experiments_of, means_of
from pinch_jax.study.judges import agreement_rows, judge_rows
from pinch_jax.study.measures import NotRun, show, where_own_models
from pinch_jax.study.outcomes import outcome_rows
from pinch_jax.study.reading import read_results
from pinch_jax.study.records import ROWS, TABLES, Tables, read_study
from pinch_jax.study.rows import DrawScore, Finding, ResponseShares, Score
from pinch_jax.study.tables import write_table
from pinch_jax.study.variance import variance_rows

NAN = math.nan
# What responses.csv has the mean of.
OF_OUTCOMES = ("exact_match", "answer_match", "right_language", "wrong_language", "too_short")
OF_OUTCOMES += ("echo", "chrf")


def analyse(workdir: Path) -> Tables:
    """Returns the tables and findings of a study, and writes them into it.

    Raises:
      UserError: study.json, or responses or verdicts that it names, are missing.
      UserError: a file is not what it should be, or the verdicts are by a rule of before.
    """
    study = read_study(workdir)
    for judge in judges_of(study):
        if judge["kind"] == "reference" and judge["name"] != ReferenceJudge.name:
            raise UserError(
                f"{workdir / 'verdicts'}: verdicts of judge={judge['name']!r}, and outcomes would "
                f"be told by {ReferenceJudge.name!r}; run `pinch study` again"
            )
    results = read_results(workdir, study, means_of)
    analysis = Tables(
        scores=score_rows(results),
        draws=draw_rows(results),
        variance=tuple(variance_rows(results)),
        judges=judge_rows(results, workdir),
        agreement=agreement_rows(results),
        responses=tuple(
            response_shares([results.answers[run, code] for run in runs], runs[0], code, study)
            for runs in results.draws.values()
            for code in dict.fromkeys(code for run, code in results.answers if run == runs[0])
        ),
        outcomes=outcome_rows(results),
        confusion=confusion_rows(results),
        findings=findings_of(results),
    )
    for name, row_type in ROWS.items():
        write_table(workdir / f"{name}.csv", row_type, getattr(analysis, name))
    findings = [dataclasses.asdict(finding) for finding in analysis.findings]
    text = json.dumps(findings, ensure_ascii=False, indent=1)
    write_text(workdir / "findings.json", f"{text}\n")
    seal(workdir, TABLES)
    return analysis


def summary(analysis: Tables) -> list[str]:
    """Returns what came out in lines for a terminal: the findings, and the means of sweeps."""
    lines = []
    if analysis.findings:
        lines += ["The findings, held against this study:", *map(str, analysis.findings)]
    for row in analysis.scores:
        if row.experiment not in BUILT_IN and row.language == "mean":
            arm = f"{row.spec} {row.series}".rstrip()
            lines.append(f"{row.experiment}: {arm:32} {show(row.score)}, mean of the languages")
    return lines


def score_rows(results: Results) -> tuple[Score, ...]:
    """Returns the rows of scores.csv, p corrected by Holm over the cells of each experiment.

    A run against itself is 50 by construction: it has no wins, ties, losses or p, and is no cell.
    Behind them stand the rows that experiments add.
    """
    scored = results.scored
    estimates = [entry.score.estimate() for entry in scored]
    cells = [not (entry.is_mean or entry.is_itself) for entry in scored]
    p = np.where(cells, [estimate.p for estimate in estimates], NAN)
    experiments = np.array([entry.arm["experiment"] for entry in scored])
    for name in set(experiments):
        p[experiments == name] = holm(p[experiments == name])
    rows = [
        _score_row(*row, _asked(results, row[0]))
        for row in zip(scored, estimates, p.tolist(), strict=True)
    ]
    rows += [row for held in experiments_of(results.study).values() for row in held.rows(results)]
    return tuple(rows)


def _asked(results: Results, entry: Scored) -> int:
    """Returns on how many answers of all draws there should be an outcome of a score."""
    pairs = [pair for code in entry.languages for pair in compared(entry.arm, code)]
    asked = [pair for pair in pairs if not pair.is_itself]
    return sum(len(results.answers[pair.run, pair.language].records) for pair in asked)


def _score_row(entry: Scored, estimate: Estimate, p_holm: float, asked: int) -> Score:
    arm, held = entry.arm, entry.values
    row = Score(
        **entry.named,
        run=arm["run"],
        # A mean may be over several baselines.
        baseline_run=arm["baseline_runs"].get(entry.language, ""),
        draws=len(draws_of(arm)),
        prompts=entry.prompts,
        score=estimate,
        p=estimate.p,
        score_same_language=entry.same_language,
        score_by_probability=entry.probability,
        no_verdict=asked - len(held),
    )
    if entry.is_itself:
        return dataclasses.replace(row, p=NAN)
    wins, ties, losses = (held.count(value) for value in (1.0, 0.5, 0.0))
    return dataclasses.replace(
        row, wins=wins, ties=ties, losses=losses, flip_rate=flip_rate(held), p_holm=p_holm
    )


def draw_rows(results: Results) -> tuple[DrawScore, ...]:
    """Returns the rows of draws.csv: each score in each draw, if there are several."""
    return tuple(
        DrawScore(**entry.named, draw=str(draw), run=drawn["run"], score=float(score))
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
    records = draws[0].records
    held = [outcome for draw in draws for outcome in draw.outcomes.values()]
    majority = study["majority_answers"][language]
    answered = [record for record in records.values() if record["answer"]]
    exact = [
        {id: of.exact_match for id, of in draw.outcomes.items() if of.exact_match is not None}
        for draw in draws
    ]

    def share(values: Iterable[float | None]) -> float:
        told = [value for value in values if value is not None]
        return float(np.mean(told)) if told else NAN

    return ResponseShares(
        run=run,
        spec=study["runs"][run]["spec"],
        language=language,
        prompts=len(records),
        **{name: share(getattr(outcome, name) for outcome in held) for name in OF_OUTCOMES},
        chance=share(
            majority.get(record["task"].removeprefix(f"{CROSSLINGUAL}/")) == record["answer"]
            for record in answered
        ),
        exact=mean_of_draws(exact, tuple(records)).estimate(),
    )


def findings_of(results: Results) -> tuple[Finding, ...]:
    """Returns the paper's findings in its order, then those of experiments of one's own.

    Each is held against this study by its interval alone. What the rule does not settle is "cannot
    tell"; what lacks an experiment that could settle it is "not run". There are none of the
    paper's where none of its experiments was run.
    """
    chosen = experiments_of(results.study)
    own = {name: held for name, held in chosen.items() if name not in EXPERIMENTS}
    paper = EXPERIMENTS if set(EXPERIMENTS) & set(chosen) else ()
    every = {name: experiment(name) for name in paper} | own
    claims = [(name, *of) for name, held in every.items() for of in held.findings]
    return tuple(_finding(results, *claim, number) for number, claim in enumerate(claims, 1))


def _finding(
    results: Results, name: str, claim: Claim, rule: Callable[[Results], Decision], number: int
) -> Finding:
    try:
        decision = rule(results)
        detail = decision.detail + (where_own_models(results) if claim.against_own else "")
    except NotRun as missing:
        decision, detail = Decision(NOTHING, NOT_RUN, ""), f"not run: {missing}"
    value, low, high = (None if math.isnan(n) else n for n in decision.number.numbers)
    return Finding(
        number=number,
        claim=claim.claim,
        experiment=name,
        value=value,
        unit=claim.unit + decision.of,
        low=low,
        high=high,
        verdict=decision.verdict,
        rule=claim.rule,
        detail=detail,
    )
