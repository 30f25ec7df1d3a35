"""The paper's eight findings, each held against this study by intervals alone.

A finding names one number, its 95 % interval, and in words the rule that decides. What the rule
does not settle is "cannot tell"; what lacks an experiment that could settle it is "not run".
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pinch_jax.evaluate.intervals import EVEN, NOTHING, Estimate, mean_of
from pinch_jax.study import claims
from pinch_jax.study.claims import (
    IN_LANGUAGE_PERCENT,
    SMALL_DIFFERENCE_POINTS,
    WEAK_CORRELATION,
    Claim,
)
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments import PRETRAINED
from pinch_jax.study.measures import (
    NotRun,
    against_untuned,
    answered_by,
    cells_of,
    dose,
    dose_name,
    entries_of,
    first_dose,
    in_language,
    lift,
    mean_of_orders,
    show,
    where_own_models,
)
from pinch_jax.study.predictors import RELATIONS, related_and_not, share_correlation
from pinch_jax.study.records import Finding

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "cannot tell", "not run"


class Decision(NamedTuple):
    """The number of a finding, its verdict, and what else belongs to it.

    `of` stands behind the claim's unit: of how much of this study the number is.
    """

    number: Estimate
    verdict: str
    detail: str
    of: str = ""


def eight_findings(results: Results) -> list[Finding]:
    """Return the paper's findings in its order."""
    findings = []
    for number, (claim, rule) in enumerate(_RULES, 1):
        try:
            decision = rule(results)
        except NotRun as missing:
            decision = Decision(NOTHING, NOT_RUN, f"not run: {missing}")
        else:
            if claim in _AGAINST_OWN:
                detail = decision.detail + where_own_models(results)
                decision = decision._replace(detail=detail)
        held = decision.number
        numbers = {"value": held.value, "low": held.low, "high": held.high}
        ends = {name: None if math.isnan(end) else end for name, end in numbers.items()}
        decided = {"number": number, "verdict": decision.verdict, "detail": decision.detail}
        named = claim._asdict() | {"unit": claim.unit + decision.of}
        findings.append(Finding(**named, **ends, **decided))
    return findings


def decide(*conditions: tuple[Estimate, float]) -> str:
    """Return whether the numbers are above their bounds.

    It holds if every interval lies above its bound, and does not if any lies below.
    """
    if any(number.high < bound for number, bound in conditions):
        return FAILS
    return HOLDS if all(number.low > bound for number, bound in conditions) else UNDECIDED


def _transfer(results: Results) -> Decision:
    models = [entry.score.estimate() for entry in entries_of(results, "pretrained", "mean_other")]
    lowest = Estimate(*np.min([(m.value, m.low, m.high) for m in models], axis=0).tolist())
    of = f" ({len(models)} of them)"
    order = sorted(results.find("monolingual", "mean_other"), key=lambda e: -e.score.value)
    if not order:
        return Decision(lowest, decide((lowest, EVEN)), "", of)
    best = ", ".join(f"{entry.arm['x']} {show(entry.score)}" for entry in order[:3])
    last = order[-1]
    cells = [e for e in cells_of(results, "monolingual") if e.arm["x"] == last.arm["x"]]
    above = sum(cell.score.value > 30 for cell in cells)
    detail = (
        "Another measure, the score against the monolingual model of each language, mean over the "
        f"others: best {best}; lowest {last.arm['x']} {show(last.score)}, above 30 in {above} of "
        f"{len(cells)} languages. The paper has en, it and es best, and its lowest above 30 in 9 "
        "of 11."
    )
    return Decision(lowest, decide((lowest, EVEN)), detail, of)


def _pinch(results: Results) -> Decision:
    base = results.study["base"]
    rise = lift(results, "pinch", "mean_non_english")
    fall = dose(results, "pinch", base, 0) - dose(results, "pinch", base, 1)
    net = (rise - fall).estimate()
    detail = (
        f"P = 0: {show(dose(results, 'pinch', 'mean_non_english', 0))}, "
        f"P = 1: {show(dose(results, 'pinch', 'mean_non_english', 1))}"
    )
    for entry in results.find("pinch", "mean_non_english"):
        if entry.arm["spec"].startswith("pinch:n"):
            detail += f", {dose_name(entry.arm)}: {show(entry.score)}"
    english = "; ".join(
        f"{dose_name(entry.arm)}: {show(entry.score)}" for entry in results.find("pinch", base)
    )
    detail += f". Rise less the loss of {base}: {show(net)}. {base}: {english}."
    detail += against_untuned(results, "pinch")
    verdict = decide((rise.estimate(), 0), (net, 0))
    of = first_dose(results, "pinch", "mean_non_english")
    return Decision(rise.estimate(), verdict, detail, of)


def _replacement(results: Results) -> Decision:
    cells = [entry for entry in cells_of(results, "pinch") if entry.arm["x"] == 100]
    if not cells:
        raise NotRun("pinch at P = 100")
    scores = [cell.score.estimate() for cell in cells]
    reach = Estimate(
        sum(score.value >= EVEN for score in scores),
        sum(score.low >= EVEN for score in scores),
        sum(score.high >= EVEN for score in scores),
    )
    needed = math.ceil(len(cells) * 2 / 3)
    each = ", ".join(f"{cell.language} {show(cell.score)}" for cell in cells)
    of = f", of {len(cells)}; the paper's 8 of 12 would be {needed}"
    return Decision(reach, decide((reach, needed - 0.5)), f"{each}.", of)


def _unseen(results: Results) -> Decision:
    rise = lift(results, "unseen", "mean_unseen").estimate()
    detail = "No seen language has a monolingual model to be held against."
    if results.find("unseen", "mean_seen"):
        detail = f"The seen languages rise by {show(lift(results, 'unseen', 'mean_seen'))}."
    detail += against_untuned(results, "unseen")
    of = first_dose(results, "unseen", "mean_unseen")
    return Decision(rise, decide((rise, 0)), detail, of)


def _breadth(results: Results) -> Decision:
    found = entries_of(results, "breadth", "mean_unseen")
    points, of = mean_of_orders(found), f" ({len(found[0].languages)} of them)"
    most = max(points)
    if not {1, 4} <= points.keys() or most == 4:
        raise NotRun("breadth with 1, 4 and more languages")
    early, late = points[4] - points[1], points[most] - points[4]
    bend = (early / 3 - late / (most - 4)).estimate()
    curve = ", ".join(f"{x}: {show(point)}" for x, point in points.items())
    detail = f"By number of languages: {curve}. Rise per language, to 4 less beyond: {show(bend)}."
    return Decision(early.estimate(), decide((early.estimate(), 0), (bend, 0)), detail, of)


def _pairs(results: Results) -> Decision:
    found = entries_of(results, "pairs", "mean_other")
    lower, both, names = [], 0, sorted({entry.arm["x"] for entry in found})
    for name in names:
        halves = [entry.score for entry in found if entry.arm["x"] == name]
        both += all(half.estimate().low > EVEN for half in halves)
        lower.append(min(halves, key=lambda half: half.value))
    mean = mean_of(lower).estimate()
    detail = f"{both} of {len(names)} pairs beat both halves, both intervals above 50."
    of = f" ({len(names)} of them) in {len(found[0].languages)} other languages"
    return Decision(mean, decide((mean, EVEN)), detail, of)


def unpredicted(r: Estimate, gains: Sequence[Estimate]) -> str:
    """Return whether neither r nor any of the points gained by being related predicts transfer."""
    if max(r.low, -r.high) > WEAK_CORRELATION:
        return FAILS
    if any(gain.low > 0 for gain in gains):
        return FAILS
    weak = max(-r.low, r.high) < WEAK_CORRELATION
    small = [gain.high < SMALL_DIFFERENCE_POINTS for gain in gains]
    return HOLDS if weak and sum(small) == len(RELATIONS) else UNDECIDED


def _predictors(results: Results) -> Decision:
    cells = cells_of(results, "slavic")
    correlation = share_correlation(results)
    if not cells and correlation is None:
        raise NotRun("slavic; monolingual with shares in pretraining that differ")
    r = NOTHING if correlation is None else correlation
    gains = {
        name: (mean_of(near) - mean_of(far)).estimate()
        for name, (near, far) in related_and_not(cells).items()
    }
    verdict = unpredicted(r, list(gains.values()))
    if verdict == UNDECIDED and not (cells and results.find("monolingual", "mean_other")):
        verdict = NOT_RUN
    told = "; ".join(f"{name}: {show(gain)} points more" for name, gain in gains.items())
    return Decision(r, verdict, f"Slavic: {told or 'not run'}. r is over languages.")


def _same_language(results: Results) -> Decision:
    arms, runs = results.study["arms"], results.study["runs"]
    tuned = [run for run, entry in runs.items() if entry["spec"] != PRETRAINED]
    if not (table := answered_by(results, tuned)):
        raise NotRun("any tuned model")
    share = in_language(results, table)
    models = {arm["x"]: arm["run"] for arm in arms if arm["experiment"] == "monolingual"}
    doses = [arm["run"] for arm in arms if arm["experiment"] == "pinch" and arm["x"] != 0]
    parts = {
        "monolingual models": answered_by(results, models.values()),
        "these in their own language": [
            (run, code) for code, run in models.items() if (run, code) in results.answers
        ],
        "models with any P above 0": answered_by(results, doses),
    }
    told = [f"{name} {show(in_language(results, part))} %" for name, part in parts.items() if part]
    detail = f"Of the {len({run for run, _ in table})} models: {'; '.join(told)}."
    return Decision(share, decide((share, IN_LANGUAGE_PERCENT)), detail)


_AGAINST_OWN = (claims.TRANSFER, claims.PINCH, claims.REPLACEMENT, claims.UNSEEN, claims.BREADTH)
_RULES: tuple[tuple[Claim, Callable[[Results], Decision]], ...] = (
    (claims.TRANSFER, _transfer),
    (claims.PINCH, _pinch),
    (claims.REPLACEMENT, _replacement),
    (claims.UNSEEN, _unseen),
    (claims.BREADTH, _breadth),
    (claims.PAIRS, _pairs),
    (claims.PREDICTORS, _predictors),
    (claims.SAME_LANGUAGE, _same_language),
)
