"""The numbers of each figure, read from the records once for the drawing, its text and its CSV."""

import dataclasses
import math
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pinch_jax.evaluate.intervals import proportion
from pinch_jax.study.records import AGGREGATES, Records, ResponseShares, Score

NAN = math.nan
# A longer training curve is thinned to this many points.
CURVE_POINTS = 250


class Point(NamedTuple):
    """A number and its 95 % interval; an interval nobody computed is NaN."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f" [{self.low:.1f}, {self.high:.1f}]" if not math.isnan(self.low) else ""
        return f"{self.value:.1f}{interval}"


@dataclasses.dataclass(frozen=True)
class Matrix:
    """Scores of monolingual models: `cells[tuned, judged]`, the diagonal left out."""

    languages: tuple[str, ...]
    cells: dict[tuple[str, str], Score]
    means: dict[str, Point]


@dataclasses.dataclass(frozen=True)
class ScoreMap:
    """Scores of an experiment's models: `cells[run, judged]`, `means[name][run]`."""

    runs: tuple[str, ...]
    languages: tuple[str, ...]
    cells: dict[tuple[str, str], Score]
    means: dict[str, dict[str, Point]]


@dataclasses.dataclass(frozen=True)
class Dose:
    """One position on the P axis."""

    label: str
    spec: str
    run: str

    @property
    def name(self) -> str:
        """The dose in a sentence."""
        return self.label if self.label.endswith("ex.") else f"P = {self.label}"


@dataclasses.dataclass(frozen=True)
class ShareTransfer:
    """A language's share of pretraining beside what its monolingual model transfers.

    `pearson` is their correlation as analysed, NaN where one of the two does not vary.
    """

    languages: tuple[str, ...]
    share_percent: tuple[float, ...]
    transfer: tuple[Point, ...]
    pearson: Point


def point(score: Score) -> Point:
    """Return a score with its interval."""
    return Point(score.score, score.low, score.high)


def matrix(records: Records, experiment: str) -> Matrix:
    """Return the table of an experiment whose arms are monolingual models."""
    rows = records.experiment(experiment)
    order = records.study["slavic" if experiment == "slavic" else "languages"]
    tuned = {row.x for row in rows}
    languages = tuple(code for code in order if code in tuned)
    cells = {
        (row.x, row.language): row
        for row in rows
        if row.language in languages and row.language != row.x
    }
    means = {}
    for code in languages:
        given = [row for row in rows if row.x == code and row.language == "mean_other"]
        own = [cells[code, other].score for other in languages if (code, other) in cells]
        means[code] = point(given[0]) if given else Point(float(np.mean(own)), NAN, NAN)
    return Matrix(languages, cells, means)


def score_map(records: Records, experiment: str) -> ScoreMap:
    """Return the scores of an experiment's models, in the order of its arms."""
    rows = records.experiment(experiment)
    return ScoreMap(
        tuple(dict.fromkeys(row.run for row in rows)),
        judged_languages(records, experiment),
        {(row.run, row.language): row for row in rows if not is_aggregate(row.language)},
        {
            name: {row.run: point(row) for row in rows if row.language == name}
            for name in ("mean", "mean_non_english", "mean_other")
        },
    )


def sweep_curve(records: Records, experiment: str, language: str) -> dict[float, Point] | None:
    """Return x -> score in a language or mean; None where the x of a sweep are names."""
    rows = [row for row in records.experiment(experiment) if row.language == language]
    try:
        return {float(row.x): point(row) for row in rows}
    except ValueError:
        return None


def doses(records: Records, experiment: str) -> tuple[Dose, ...]:
    """Return the tuning sets of a P axis, from the fewest non-English examples to the most."""
    base = records.study["base"]
    found: dict[str, tuple[tuple[float, float], Dose]] = {}
    for arm in records.study["arms"]:
        if arm["experiment"] == experiment:
            examples = records.study["runs"][arm["run"]]["budgets"]
            others = sum(count for code, count in examples.items() if code != base)
            count = re.search(r":n(\d+)", arm["spec"])
            label = f"{count[1]} ex." if count else f"{float(arm['x']):g}"
            key = (others, float(arm["x"]))
            found[arm["spec"]] = (key, Dose(label, arm["spec"], arm["run"]))
    return tuple(dose for _, dose in sorted(found.values(), key=lambda entry: entry[0]))


def dose_curve(records: Records, experiment: str, language: str) -> tuple[Point, ...]:
    """Return a language's (or an aggregate's) score at each dose; NaN where none was judged."""
    by_spec = {
        row.spec: point(row) for row in records.experiment(experiment) if row.language == language
    }
    missing = Point(NAN, NAN, NAN)
    return tuple(by_spec.get(dose.spec, missing) for dose in doses(records, experiment))


def judged_languages(records: Records, experiment: str) -> tuple[str, ...]:
    """Return the languages an experiment has scores in, in the order of the study."""
    judged = {row.language for row in records.experiment(experiment)}
    return tuple(code for code in records.study["languages"] if code in judged)


def mean_of_these(records: Records, experiment: str, without: Iterable[str]) -> str:
    """Return which languages a mean is over, in words, where an experiment does not judge in all.

    They are those that it judges in, without the languages that the mean leaves out.
    """
    judged = judged_languages(records, experiment)
    if len(judged) == len(records.study["languages"]):
        return ""
    left_out = set(without)
    return f" ({', '.join(code for code in judged if code not in left_out)})"


def unseen_languages(records: Records, experiment: str) -> tuple[str, ...]:
    """Return the judged languages that no tuning set of the experiment contains."""
    seen = seen_languages(records, experiment)
    return tuple(code for code in judged_languages(records, experiment) if code not in seen)


def seen_languages(records: Records, experiment: str) -> set[str]:
    """Return the languages that some tuning set of the experiment contains."""
    seen: set[str] = set()
    for arm in records.study["arms"]:
        if arm["experiment"] == experiment:
            examples = records.study["runs"][arm["run"]]["budgets"]
            seen.update(code for code, count in examples.items() if count > 0)
    return seen


def breadth_points(records: Records, language: str) -> dict[int, dict[str, Point]]:
    """Return number of tuning languages -> order of adding them, or all orders -> score."""
    points: dict[int, dict[str, Point]] = {}
    for row in records.experiment("breadth"):
        if row.language == language:
            points.setdefault(int(float(row.x)), {})[row.series] = point(row)
    return dict(sorted(points.items()))


def share_transfer(records: Records) -> ShareTransfer:
    """Return each language's share in pretraining beside its mean score on the others."""
    table = matrix(records, "monolingual")
    shares = records.study["pretraining_share"]
    languages = tuple(code for code in table.languages if code in shares)
    rows = [row for row in records.experiment("pretraining_share") if row.language == "pearson"]
    return ShareTransfer(
        languages,
        tuple(100.0 * shares[code] for code in languages),
        tuple(table.means[code] for code in languages),
        point(rows[0]) if rows else Point(NAN, NAN, NAN),
    )


def exact_match_point(row: ResponseShares) -> Point:
    """Return the fraction of exact matches with its interval."""
    estimate = proportion(row.exact_match * row.prompts, int(row.prompts))
    return Point(*(end / 100 for end in (estimate.value, estimate.low, estimate.high)))


def is_aggregate(language: str) -> bool:
    """Return whether the language column of a score names a mean over languages."""
    return language in AGGREGATES


def own_language_rows(records: Records) -> tuple[ResponseShares, ...]:
    """Return what each monolingual model answered in its own language, in the study's order.

    Without references there is no exact match, and no row.
    """
    rows = [row for row in records.responses if not math.isnan(row.exact_match)]
    held = {row.language: row for row in rows if row.spec == f"monolingual:{row.language}"}
    return tuple(held[code] for code in records.languages if code in held)


def loss_curve(records: Records, run: str) -> list[tuple[int, float]]:
    """Return (step, training loss) of a run, at most `CURVE_POINTS`; empty if it kept none."""
    lines = records.run_lines(run, "metrics.jsonl")
    # Lines of evaluators stand between those of the training steps.
    curve = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    if len(curve) <= CURVE_POINTS:
        return curve
    kept = np.linspace(0, len(curve) - 1, CURVE_POINTS).round().astype(int)
    return [curve[place] for place in kept]


def pair_groups(records: Records) -> dict[str, list[Score]]:
    """Return pair -> its mean scores on the other languages, one against each half."""
    groups: dict[str, list[Score]] = {}
    for row in records.experiment("pairs"):
        if row.language == "mean_other":
            groups.setdefault(row.x, []).append(row)
    return groups
