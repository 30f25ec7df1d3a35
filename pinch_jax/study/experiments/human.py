"""What people say of the models' answers, and how far the judge agrees with them.

Their files lie in `annotations/` of the work directory, as pages of `pinch annotate` gave them that
were made of `runs/RUN/responses/LANGUAGE.jsonl`.

Source: Shaham et al. (2024), arXiv 2401.01854, appendix D and figure 2.
"""

import collections
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinch_jax.evaluate.intervals import mean_of
from pinch_jax.judge import scores
from pinch_jax.judge.people import RATINGS, Annotation, agreement_lines, read_annotations
from pinch_jax.storage.files import file_checksum
from pinch_jax.study.comparisons import Comparison, Judged, Results, answers_of
from pinch_jax.study.experiments.figure import Shares
from pinch_jax.study.experiments.interface import Claim, Decision, Experiment, Words, decide
from pinch_jax.study.measures import NotRun, show
from pinch_jax.study.records import Records, annotation_files
from pinch_jax.study.workdir import responses_path

# The lowest of the paper's four: our choice, named in the rule.
LEAST_PERCENT = 75.0
AGREES = Claim(
    claim="The judge agrees with people: 79.5 % in English, 77 % in Spanish, 76.5 % in Russian, "
    "75 % in Hebrew.",
    unit="% agreement of judge and people, mean of the languages",
    rule="A pair counts 1 where the judge and an annotator say the same, ½ where one of them alone "
    "calls it a tie, else 0; mean over the annotators of a prompt, then over the prompts. Holds if "
    f"the interval lies above {LEAST_PERCENT:g} %, the lowest of the paper's; does not hold if it "
    "lies below.",
    paper="77.0 (en, es, ru, he)",
)


class Said(NamedTuple):
    """An annotation, and the runs whose answers it is about."""

    annotation: Annotation
    baseline: str
    candidate: str


def annotations_of(workdir: Path, study: Mapping[str, Any]) -> tuple[list[Said], int]:
    """Returns what people say of the runs of a study, and how much is said of other answers."""
    paths = annotation_files(workdir)
    annotations = read_annotations(paths) if paths else []
    asked = {one.language for one in annotations}
    runs = {
        file_checksum(responses_path(workdir, run, code)): run
        for run, code in answers_of(study)
        if code in asked
    }
    said = [
        Said(one, runs[one.baseline_file], runs[one.candidate_file])
        for one in annotations
        if one.baseline_file in runs and one.candidate_file in runs
    ]
    return said, len(annotations) - len(said)


def agreement(said: list[Said], judged: Judged) -> dict[str, dict[str, float]]:
    """Returns language -> prompt id -> how far a judge agrees with people, from 0 to 1."""
    held: dict[str, dict[str, list[float]]] = {}
    for one, baseline, candidate in said:
        for pair, outcome in (
            (Comparison(candidate, baseline, one.language), one.outcome),
            (Comparison(baseline, candidate, one.language), 1 - one.outcome),
        ):
            if (verdict := judged.outcomes.get(pair, {}).get(one.id)) is not None:
                values = held.setdefault(one.language, {}).setdefault(one.id, [])
                values.append(scores.agreement(outcome, verdict))
    means = {code: {id: np.mean(values) for id, values in of.items()} for code, of in held.items()}
    return dict(sorted(means.items()))


def judge_agrees(results: Results) -> Decision:
    """Decides by the agreement of the study's first judge; the detail has that of each."""
    (said, foreign), decided, told = annotations_of(results.workdir, results.study), [], []
    for name, judged in results.judged.items():
        held = agreement(said, judged)
        means = {code: results.mean([values]) for code, values in held.items()}
        shown = (f"{code} {show(of)} % of {len(held[code])} prompts" for code, of in means.items())
        words = "; ".join(shown) or "no verdict on what they compared"
        told.append(f"Agreement of the judge {name!r} with people: {words}.")
        decided.append(means)
    if not decided[0]:
        raise NotRun("annotations of answers that were judged (docs/judging.md)")
    pairs: dict[tuple[str, ...], list[Annotation]] = {}
    for one, *runs in said:
        pairs.setdefault((one.language, one.id, *runs), []).append(one)
    mean = mean_of(decided[0].values()).estimate()
    told += [f"{foreign} annotations are of answers that this study has not."] if foreign else []
    detail = " ".join((*told, *agreement_lines(pairs)))
    return Decision(mean, decide((mean, LEAST_PERCENT)), detail, f" ({', '.join(decided[0])})")


def ratings(records: Records) -> dict[tuple[str, str], tuple[int, ...]]:
    """Returns (language, run) -> how often people call an answer excellent, pass or fail.

    The first draw of a tuning set stands for all.
    """
    first = {spec: run for run, spec in records.runs.items()}
    counts: dict[tuple[str, str], collections.Counter[str]] = {}
    for one, *runs in annotations_of(records.workdir, records.study)[0]:
        for run, rating in zip(runs, (one.baseline_rating, one.candidate_rating), strict=True):
            if named := first.get(records.study["runs"][run]["spec"]):
                counts.setdefault((one.language, named), collections.Counter())[rating] += 1
    return {key: tuple(of[rating] for rating in RATINGS) for key, of in sorted(counts.items())}


def judge_and_people(records: Records, experiment: str) -> str:
    """Says how far each judge agrees with people in each language, and people with each other."""
    return " ".join(found.detail for found in records.findings if found.claim == AGREES.claim)


EXPERIMENT = Experiment(
    words=Words(
        short="People",
        title="What people say",
        paper="Figure 2",
        lead="How do people rate the answers, and does the judge prefer what they prefer?",
        caption="A bar is a language of instructions and what a model was tuned on: how often "
        "annotators call its answers excellent, pass or fail. They see two answers at a time, and "
        "not whose they are.",
        found=AGREES.claim,
    ),
    findings=[(AGREES, judge_agrees)],
    figure=Shares("percent of the ratings", RATINGS, ratings),
    result=judge_and_people,
)
