"""The paper's eight findings, each held against this study by intervals alone.

A finding names one number, its 95 % interval, and in words the rule that decides. What the rule
does not settle, and what was not run, is "cannot tell".
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from pinch_jax.evaluate.scores import EVEN, Bootstrap, Estimate, mean_of
from pinch_jax.study import claims
from pinch_jax.study.claims import (
    IN_LANGUAGE_PERCENT,
    SMALL_DIFFERENCE_POINTS,
    WEAK_CORRELATION,
    Claim,
)
from pinch_jax.study.comparisons import Results, Scored
from pinch_jax.study.config import GAIN
from pinch_jax.study.predictors import RELATIONS, related_and_not, share_correlation
from pinch_jax.study.records import Finding

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "cannot tell"
NOTHING = Estimate(math.nan, math.nan, math.nan, math.nan)


class NotRun(Exception):
    """What a finding needs was no part of the study."""


class Decision(NamedTuple):
    """The number of a finding, its verdict, and what else belongs to it."""

    number: Estimate
    verdict: str
    detail: str


def eight_findings(results: Results) -> list[Finding]:
    """Return the paper's findings in its order."""
    findings = []
    for number, (claim, rule) in enumerate(_RULES, 1):
        try:
            value, verdict, detail = rule(results)
        except NotRun as missing:
            value, verdict, detail = NOTHING, UNDECIDED, f"not run: {missing}"
        else:
            detail += _scope(results) if claim in _AGAINST_OWN else ""
        numbers = {"value": value.value, "low": value.low, "high": value.high}
        ends = {name: None if math.isnan(end) else end for name, end in numbers.items()}
        decided = {"number": number, "verdict": verdict, "detail": detail}
        findings.append(Finding(**claim._asdict(), **ends, **decided))
    return findings


def decide(*conditions: tuple[Estimate, float]) -> str:
    """Return whether the numbers are above their bounds.

    It holds if every interval lies above its bound, and does not if any lies below.
    """
    if any(number.high < bound for number, bound in conditions):
        return FAILS
    return HOLDS if all(number.low > bound for number, bound in conditions) else UNDECIDED


def show(number: Bootstrap | Estimate, digits: int = 1) -> str:
    """Return a number with its interval as text."""
    held = number.estimate() if isinstance(number, Bootstrap) else number
    return f"{held.value:.{digits}f} [{held.low:.{digits}f}, {held.high:.{digits}f}]"


def _transfer(results: Results) -> Decision:
    models = [entry.score.estimate() for entry in _found(results, "pretrained", "mean_other")]
    lowest = Estimate(*np.min([(m.value, m.low, m.high, m.p) for m in models], axis=0).tolist())
    order = sorted(results.find("monolingual", "mean_other"), key=lambda e: -e.score.value)
    if not order:
        return Decision(lowest, decide((lowest, EVEN)), "")
    best = ", ".join(f"{entry.arm['x']} {show(entry.score)}" for entry in order[:3])
    last = order[-1]
    cells = [e for e in _cells(results, "monolingual") if e.arm["x"] == last.arm["x"]]
    above = sum(float(cell.score.value) > 30 for cell in cells)
    detail = (
        f"Against the monolingual model of each language, mean over the others: best {best}; "
        f"lowest {last.arm['x']} {show(last.score)}, above 30 in {above} of {len(cells)}."
    )
    return Decision(lowest, decide((lowest, EVEN)), detail)


def _pinch(results: Results) -> Decision:
    base = results.study["base"]
    rise = _lift(results, "pinch", "mean_non_english")
    fall = _dose(results, "pinch", base, 0) - _dose(results, "pinch", base, 1)
    net = (rise - fall).estimate()
    detail = (
        f"P = 0: {show(_dose(results, 'pinch', 'mean_non_english', 0))}, "
        f"P = 1: {show(_dose(results, 'pinch', 'mean_non_english', 1))}"
    )
    for entry in results.find("pinch", "mean_non_english"):
        if entry.arm["spec"].startswith("pinch:n"):
            detail += f", {entry.arm['spec']}: {show(entry.score)}"
    english = "; ".join(f"P = {e.arm['x']:g}: {show(e.score)}" for e in results.find("pinch", base))
    detail += f". Rise less the loss of {base}: {show(net)}. {base}: {english}."
    detail += _against_untuned(results, "pinch")
    return Decision(rise.estimate(), decide((rise.estimate(), 0), (net, 0)), detail)


def _replacement(results: Results) -> Decision:
    cells = [entry for entry in _cells(results, "pinch") if entry.arm["x"] == 100]
    if not cells:
        raise NotRun("pinch at P = 100")
    count = Bootstrap(
        np.sum([cell.score.value >= EVEN for cell in cells], axis=0).astype(np.float64),
        np.sum([cell.score.replicates >= EVEN for cell in cells], axis=0).astype(np.float64),
    ).estimate()
    needed = math.ceil(len(cells) * 2 / 3)
    each = ", ".join(f"{cell.language} {show(cell.score)}" for cell in cells)
    detail = f"Of {len(cells)} languages; {needed} needed. {each}."
    return Decision(count, decide((count, needed - 0.5)), detail)


def _unseen(results: Results) -> Decision:
    rise = _lift(results, "unseen", "mean_unseen").estimate()
    detail = "No seen language has a monolingual model to be held against."
    if results.find("unseen", "mean_seen"):
        detail = f"The seen languages rise by {show(_lift(results, 'unseen', 'mean_seen'))}."
    detail += _against_untuned(results, "unseen")
    return Decision(rise, decide((rise, 0)), detail)


def _breadth(results: Results) -> Decision:
    found = _found(results, "breadth", "mean_unseen")
    points = {
        x: mean_of(entry.score for entry in found if entry.arm["x"] == x)
        for x in sorted({entry.arm["x"] for entry in found})
    }
    most = max(points)
    if not {1, 4} <= points.keys() or most == 4:
        raise NotRun("breadth with 1, 4 and more languages")
    early, late = points[4] - points[1], points[most] - points[4]
    bend = (_divided(early, 3) - _divided(late, most - 4)).estimate()
    curve = ", ".join(f"{x}: {show(point)}" for x, point in points.items())
    detail = f"By number of languages: {curve}. Rise per language, to 4 less beyond: {show(bend)}."
    return Decision(early.estimate(), decide((early.estimate(), 0), (bend, 0)), detail)


def _pairs(results: Results) -> Decision:
    found = _found(results, "pairs", "mean_other")
    lower, both, names = [], 0, sorted({entry.arm["x"] for entry in found})
    for name in names:
        halves = [entry.score for entry in found if entry.arm["x"] == name]
        both += all(half.estimate().low > EVEN for half in halves)
        lower.append(
            Bootstrap(
                np.min([half.value for half in halves], axis=0),
                np.min([half.replicates for half in halves], axis=0),
            )
        )
    mean = mean_of(lower).estimate()
    detail = f"{both} of {len(names)} pairs beat both halves, both intervals above 50."
    return Decision(mean, decide((mean, EVEN)), detail)


def _predictors(results: Results) -> Decision:
    cells = _cells(results, "slavic")
    correlation = share_correlation(results)
    if not cells and correlation is None:
        raise NotRun("slavic; monolingual with shares in pretraining that differ")
    r = NOTHING if correlation is None else correlation.estimate(null=0.0)
    gains = {
        name: (mean_of(near) - mean_of(far)).estimate()
        for name, (near, far) in related_and_not(cells).items()
    }
    strong = r.low > WEAK_CORRELATION or r.high < -WEAK_CORRELATION
    weak = r.low > -WEAK_CORRELATION and r.high < WEAK_CORRELATION
    small = [gain.high < SMALL_DIFFERENCE_POINTS for gain in gains.values()]
    if strong or any(gain.low > 0 for gain in gains.values()):
        verdict = FAILS
    else:
        verdict = HOLDS if weak and sum(small) == len(RELATIONS) else UNDECIDED
    told = "; ".join(f"{name}: {show(gain)} points more" for name, gain in gains.items())
    return Decision(r, verdict, f"Slavic: {told or 'not run'}. r is over languages and prompts.")


def _same_language(results: Results) -> Decision:
    arms = results.study["arms"]
    models = {arm["x"]: arm["run"] for arm in arms if arm["experiment"] == "monolingual"}
    if not models:
        raise NotRun("monolingual")
    table = _answered(results, models.values())
    own = [(run, code) for code, run in models.items()]
    doses = [arm for arm in arms if arm["experiment"] == "pinch" and arm["x"] != 0]
    mixed = _answered(results, [arm["run"] for arm in doses])
    share = _in_language(results, table)
    detail = f"In their own language {show(_in_language(results, own))} %"
    if mixed:
        detail += f"; models with any P above 0 {show(_in_language(results, mixed))} %"
    return Decision(share, decide((share, IN_LANGUAGE_PERCENT)), detail + ".")


def _found(results: Results, experiment: str, language: str, **arm: Any) -> list[Scored]:
    if found := results.find(experiment, language, **arm):
        return found
    raise NotRun(" ".join([experiment, *(f"at {name} = {value}" for name, value in arm.items())]))


def _cells(results: Results, experiment: str) -> list[Scored]:
    """Return the scores of an experiment that are of one language, and not 50 by construction."""
    return [
        entry
        for entry in results.scored
        if entry.arm["experiment"] == experiment and not (entry.is_mean or entry.is_itself)
    ]


def _dose(results: Results, experiment: str, language: str, percent: float) -> Bootstrap:
    return _found(results, experiment, language, x=percent)[0].score


def _lift(results: Results, experiment: str, language: str) -> Bootstrap:
    """Return the rise of a score from P = 0 to P = 1."""
    return _dose(results, experiment, language, 1) - _dose(results, experiment, language, 0)


def _divided(number: Bootstrap, divisor: float) -> Bootstrap:
    return Bootstrap(number.value / divisor, number.replicates / divisor)


def _scope(results: Results) -> str:
    """Return which languages have a monolingual model, if not all have one."""
    study, against_own = results.study, ("monolingual", "pinch", "unseen")
    arms = [arm for arm in study["arms"] if arm["experiment"] in against_own]
    own = {code for arm in arms for code in arm["baseline_runs"]}
    if own.issuperset(study["languages"]) or not own:
        return ""
    named = ", ".join(code for code in study["languages"] if code in own)
    return f" Scores against a language's own model, and their means, are in {named} alone."


def _against_untuned(results: Results, experiment: str) -> str:
    """Return the mean of all other languages against the untuned model at each P, if it ran."""
    runs = {e.arm["x"]: e.arm["run"] for e in results.find(experiment, results.study["base"])}
    found = {x: results.find(GAIN, "mean_non_english", run=run) for x, run in runs.items()}
    told = "; ".join(f"P = {x:g}: {show(held[0].score)}" for x, held in found.items() if held)
    return told and f" Mean of all other languages against the untuned model: {told}."


def _answered(results: Results, runs: Iterable[str]) -> list[tuple[str, str]]:
    """Return (run, language) for the languages of the study that these runs answered in."""
    keys = [(run, code) for run in runs for code in results.study["languages"]]
    return [key for key in keys if key in results.answers]


def _in_language(results: Results, answered: Iterable[tuple[str, str]]) -> Estimate:
    """Return the percentage of these responses in the language of the instruction."""
    columns = [
        {
            identity: 100.0 * (outcome.right_language)
            for identity, outcome in results.answers[key].outcomes.items()
            if not outcome.too_short
        }
        for key in dict.fromkeys(answered)
    ]
    shares = results.means([column for column in columns if column])
    return mean_of(shares[place] for place in range(len(shares.value))).estimate()


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
