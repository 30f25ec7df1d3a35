"""From verdicts to scores: discounted ties, probabilities, and Holm's correction."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import scipy.special

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Mean, mean_by_prompt
from pinch_jax.judge.protocol import answered_by
from pinch_jax.judge.records import ORDERS, Verdict


def outcomes(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Returns prompt id -> 1.0 (win), 0.5 (tie) or 0.0 (loss) of the candidate in one language.

    It wins what it wins in both orders, loses what it loses in both, and ties where the two
    verdicts differ. A prompt without a verdict in either order has none.

    Raises UserError where there are several languages, or an order comes twice.

    Source: Shaham et al. (2024), arXiv 2401.01854, section 2.
    """
    return _mean_of_orders(verdicts, lambda verdict: float(verdict.winner == "candidate"))


def win_probabilities(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Returns prompt id -> the probability that the candidate is better, mean of both orders.

    Language decides with 1 or 0, and so does a judge where it gives no log-odds: the other label
    was too improbable to be told. It is for judges that give any.
    """
    return _mean_of_orders(verdicts, _probability)


def agreement(one: float, other: float) -> float:
    """Returns how far two outcomes agree: 1 for the same, a half for one tie, 0 for the opposite.

    Source: Zhou et al. (2023), LIMA, arXiv 2305.11206, section 4.2.
    """
    return 1 - abs(one - other)


def gives_odds(verdicts: Iterable[Verdict]) -> bool:
    """Returns whether there are log-odds among the verdicts."""
    return any(verdict.log_odds is not None for verdict in verdicts)


def _probability(verdict: Verdict) -> float:
    if verdict.log_odds is None:
        return float(verdict.winner == "candidate")
    sign = 1 if verdict.order == ORDERS[1] else -1
    return float(scipy.special.expit(sign * verdict.log_odds))


def _mean_of_orders(
    verdicts: Iterable[Verdict], value: Callable[[Verdict], float]
) -> dict[str, float]:
    """Returns prompt id -> mean of a value over both orders, of one language."""
    held: dict[str, dict[str, Verdict]] = {}
    languages = set()
    for verdict in verdicts:
        orders = held.setdefault(verdict.id, {})
        if verdict.order in orders:
            raise UserError(f"verdict {verdict.id!r}: {verdict.order} comes twice; keep one")
        orders[verdict.order] = verdict
        languages.add(verdict.language)
        if len(languages) > 1:
            raise UserError(f"verdicts in languages {sorted(languages)}; score one at a time")
    return {
        identity: sum(map(value, orders.values())) / 2
        for identity, orders in held.items()
        if len(orders) == 2
    }


def _pooled(
    verdicts: Iterable[Verdict], of: Callable[[Iterable[Verdict]], dict[str, float]]
) -> tuple[Mean, int]:
    """Returns the mean over the prompts of all languages, in percent, and how many they are.

    What has one id in several languages is one prompt, whose luck they share.
    """
    by_language: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_language.setdefault(verdict.language, []).append(verdict)
    held = [item for own in by_language.values() for item in of(own).items()]
    values = 100.0 * np.array([value for _, value in held], np.float64)
    return mean_by_prompt(values, [identity for identity, _ in held]), len(held)


def score_summary(verdicts: Sequence[Verdict], prompts: int) -> str:
    """Returns the score of the candidate over so many prompts, in a line for people."""
    mean, held = _pooled(verdicts, outcomes)
    if not held:
        return f"no score: no verdict on any of {prompts} prompts; run again, which asks again"
    found = mean.estimate()
    told = f"score of the candidate: {found.value:.1f} [{found.low:.1f}, {found.high:.1f}] %"
    told += f" of {held} prompts"
    if gives_odds(verdicts):
        told += f"; {_pooled(verdicts, win_probabilities)[0].value:.1f} % by probability"
    if gated := sum(verdict.by == "language" for verdict in verdicts):
        told += f"; {gated} of {len(verdicts)} verdicts by language alone"
    if len(models := answered_by(verdicts)) > 1:
        told += f"; several models answered: {'; '.join(models)}"
    if missing := prompts - held:
        told += f"; no verdict on {missing} prompts, which another call asks again"
    return told


def flip_rate(values: Iterable[float]) -> float:
    """Returns the fraction of prompts whose verdict flips with the order: the ties."""
    return float(np.mean([value == 0.5 for value in values]))


def holm(p_values: Iterable[float]) -> np.ndarray:
    """Returns p-values corrected for their number by Holm's step-down method; NaN stays NaN.

    Source: Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    """
    p = np.array(list(p_values), np.float64)
    tested = np.flatnonzero(np.isfinite(p))
    ascending = tested[np.argsort(p[tested], kind="stable")]
    hypotheses_left = np.arange(len(ascending), 0, -1)
    corrected = np.full_like(p, np.nan)
    corrected[ascending] = np.minimum(1.0, np.maximum.accumulate(p[ascending] * hypotheses_left))
    return corrected
