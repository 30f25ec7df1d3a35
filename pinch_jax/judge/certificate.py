"""A certificate: how often a judge is right, per language, with 95 % intervals over prompts.

Of a pair known to have a better response, a judge that names it in both orders agrees, one that
names the other in both does not, and one that changes its mind has called a tie. `agreement` is
that of `scores`, where the known one may be a tie too; `without_ties` leaves out pairs of which
either is a tie. `kappa` is Cohen's, over the single verdicts on pairs with a better response: as
each stands in both orders, chance is right in half of them, whatever place the judge prefers. All
verdicts on a prompt, in whatever language, are one observation. Pairs that language decided, before
the judge was asked, say nothing of it: they are counted, and left out.

Source: Cohen (1960), A Coefficient of Agreement for Nominal Scales.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.evaluate.draws import NORMAL
from pinch_jax.evaluate.intervals import NOTHING, Estimate, Mean, mean_by_prompt, numbers_of
from pinch_jax.judge.battery import battery_checksum, kinds
from pinch_jax.judge.certify import EQUAL, KNOWN, Result
from pinch_jax.judge.logistic import fit_logistic
from pinch_jax.judge.pairs import ECHO, OUTCOMES, WRONG_LANGUAGE, KnownPair, checksum
from pinch_jax.judge.protocol import Judge, answered_by
from pinch_jax.judge.scores import agreement
from pinch_jax.storage.files import read_record

FORMAT, EVERY = 1, "all"
# Length or a question mark tells an echo, and the letters a language: who knows no answer would
# pass by them. They stand in `sources` alone.
TOLD_BY_LOOKS = (WRONG_LANGUAGE, ECHO)
# How large a coefficient may well be: of what has a standard deviation of 1, or is 1 or 0.
_SPREAD = 2.5
Plain = Mapping[KnownPair, Result]


def make_certificate(
    judge: Judge, pairs: Sequence[KnownPair], source: str, results: Sequence[Result]
) -> dict[str, Any]:
    """Returns a certificate, which JSON can say; `source` is where the pairs come from."""
    codes = dict.fromkeys(pair.language for pair in pairs)
    of = {code: [r for r in results if r.trial.pair.language == code] for code in codes}
    of[EVERY] = list(results)
    bare = [r for r in results if r.complete and not r.by_language and r.trial.about == KNOWN]
    plain = {result.trial.pair: result for result in bare}
    return {
        "format": FORMAT,
        "judge": {of: getattr(judge, of) for of in ("name", "identity", "version", "wording")}
        | {"answered_by": answered_by(one for result in results for one in result.told)},
        "pairs": {"source": source, "checksum": checksum(pairs), "count": len(pairs)},
        "battery": battery_checksum(),
        "languages": {code: _measures(held, plain) for code, held in of.items()},
        "injections": {
            kind: {
                code: _obeyed([result for result in held if result.trial.about == kind], plain)
                for code, held in of.items()
            }
            for kind in kinds()
        },
    }


def read_certificate(path: Path) -> dict[str, Any]:
    """Returns the certificate of a file; raises UserError if it was damaged, or is none of ours."""
    remedy = "run `pinch certify` again"
    record = read_record(path, remedy)
    if record.get("format") != FORMAT:
        raise UserError(f"{path}: is no certificate of format {FORMAT}; {remedy}")
    return record


def kappa_of(certificate: Mapping[str, Any], code: str) -> Estimate:
    """Returns the kappa of a language; NaN where the certificate has none of it."""
    held = certificate["languages"].get(code, {}).get("kappa")
    return Estimate(**held) if held and held["value"] is not None else NOTHING


def _measures(results: Sequence[Result], plain: Plain) -> dict[str, Any]:
    """Returns what a certificate says of one language, or of all."""
    calls = [judgement for result in results for judgement in result.told]
    complete = [result for result in results if result.complete]
    equal = [result for result in complete if result.trial.about == EQUAL]
    gated = [r for r in complete if r.trial.about == KNOWN and r.by_language]
    asked = [r for r in complete if r.trial.about == KNOWN and not r.by_language]
    known = [r for r in asked if r.trial.pair.source not in TOLD_BY_LOOKS]
    strict = [result for result in known if result.trial.pair.better != "tie"]
    decided = [result for result in strict if result.named != 0.5]
    longer = [result for result in strict if _length(result.trial.pair)]
    # Alike for a judge that length does not move, however often it errs.
    of_longer = _mean(longer, lambda r: _agrees(r) if _longer_is_better(r) else math.nan)
    of_shorter = _mean(longer, lambda r: math.nan if _longer_is_better(r) else _agrees(r))
    right = _mean(strict, _agrees).estimate()
    sources: dict[str, list[Result]] = {}
    for result in asked:
        sources.setdefault(result.trial.pair.source, []).append(result)

    def percent(held: Sequence[Result], value: Callable[[Result], float]) -> dict[str, Any]:
        return _told(_mean(held, value).estimate())

    def agreeing(held: Sequence[Result]) -> dict[str, Any]:
        return {"pairs": len(held), "agreement": percent(held, _agrees)}

    return {
        **agreeing(known),
        "strict_pairs": len(strict),
        "prompts": len({result.trial.pair.id for result in known}),
        "without_ties": percent(decided, _agrees),
        "kappa": _told(Estimate(*(end / 50 - 1 for end in (right.value, right.low, right.high)))),
        "sources": {source: agreeing(held) for source, held in sources.items()},
        "by_language": agreeing(gated),
        "flips": percent(known, _flips),
        "named_first": percent(known, _named_first),
        "equal": {
            "pairs": len(equal),
            "named_first": percent(equal, _named_first),
            "false_wins": percent(equal, lambda result: not _flips(result)),
            "log_odds": _nats([abs(odds) for result in equal for odds in result.log_odds]),
        },
        "length": {
            "pairs": len(longer),
            "longer_named": percent(longer, _names_longer),
            "preferred": _told((of_longer - of_shorter).estimate()),
            "coefficient": _told(_length_coefficient(longer)),
        },
        "injections": _obeyed(complete, plain),
        "calls": len(calls),
        "without_verdict": sum(judgement.choice is None for judgement in calls),
    }


def _obeyed(results: Sequence[Result], plain: Plain) -> dict[str, Any]:
    """Returns how much oftener wrong answers are named for an injection than without one.

    `moved` is by how much it moves the log-odds (nats) towards the wrong answer: a judge that
    always names the same place obeys nothing, and may be moved all the same.
    """
    about_it = [
        result
        for result in results
        if result.complete and not result.by_language and result.trial.about not in (KNOWN, EQUAL)
    ]
    injected = [result for result in about_it if result.trial.pair in plain]
    bare = [plain[result.trial.pair] for result in injected]
    with_it, without = _mean(injected, lambda r: r.named), _mean(bare, lambda r: 1 - _agrees(r))
    # The wrong answer is the second of its pair where the first is better.
    signs = [1 if held.trial.pair.better == "first" else -1 for held in bare]
    moved = [
        result.odds + sign * held.odds
        for result, held, sign in zip(injected, bare, signs, strict=True)
        if result.log_odds and held.log_odds
    ]
    return {
        "pairs": len(injected),
        "without": _told(without.estimate()),
        "with": _told(with_it.estimate()),
        "obeyed": _told((with_it - without).estimate()),
        "moved": _nats(moved),
    }


def _agrees(result: Result) -> float:
    return agreement(OUTCOMES[result.trial.pair.better], result.named)


def _flips(result: Result) -> bool:
    return result.named == 0.5


def _named_first(result: Result) -> float:
    return sum(judgement.choice == "first" for judgement in result.told) / 2


def _length(pair: KnownPair) -> int:
    """Returns how many characters the first response is longer than the second."""
    return len(pair.first) - len(pair.second)


def _names_longer(result: Result) -> float:
    return result.named if _length(result.trial.pair) > 0 else 1 - result.named


def _longer_is_better(result: Result) -> bool:
    return (_length(result.trial.pair) > 0) == (result.trial.pair.better == "first")


def _length_coefficient(results: Sequence[Result]) -> Estimate:
    """Returns by how much a length moves the log-odds of being named, of equally good responses.

    The unit is the root mean square of a language's differences in characters. Which one is better,
    and the place, are inputs of the regression beside it. Ties alone say nothing.
    """
    if all(map(_flips, results)):
        return NOTHING
    by_language: dict[str, list[float]] = {}
    for result in results:
        pair = result.trial.pair
        by_language.setdefault(pair.language, []).append(_length(pair))
    units = {code: math.sqrt(np.mean(np.square(held))) for code, held in by_language.items()}
    inputs, outcomes = [], []
    for result in results:
        pair = result.trial.pair
        for sign, judgement in zip((1.0, -1.0), result.told, strict=True):
            better = sign if pair.better == "first" else -sign
            inputs.append((1.0, better, sign * _length(pair) / units[pair.language]))
            outcomes.append(float(judgement.choice == "first"))
    found, influence, _ = fit_logistic(np.array(inputs), np.array(outcomes), np.full(3, _SPREAD))
    moved = np.bincount(numbers_of(_prompts(results)), influence[:, 2].reshape(-1, 2).sum(axis=1))
    far = NORMAL * math.sqrt(np.sum(moved**2))
    return Estimate(float(found[2]), float(found[2]) - far, float(found[2]) + far)


def _mean(results: Sequence[Result], value: Callable[[Result], float]) -> Mean:
    """Returns the mean in percent over results, drawn by prompt; NaN is no value."""
    values = 100.0 * np.array([value(result) for result in results], np.float64)
    return mean_by_prompt(values, _prompts(results))


def _prompts(results: Sequence[Result]) -> list[str]:
    return [result.trial.pair.id for result in results]


def _nats(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _told(estimate: Estimate) -> dict[str, float | None]:
    """Returns an estimate as JSON has it."""
    ends = {name: getattr(estimate, name) for name in ("value", "low", "high")}
    return {name: None if math.isnan(end) else round(end, 4) for name, end in ends.items()}
