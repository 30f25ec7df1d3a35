"""From verdicts to scores: discounted ties, and Holm's correction."""

from collections.abc import Iterable

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import Verdict


def outcomes(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Returns prompt id -> 1.0 (win), 0.5 (tie) or 0.0 (loss) of the candidate in one language.

    It wins what it wins in both orders, loses what it loses in both, and ties where the two
    verdicts differ.

    Raises UserError where there are several languages, or a prompt lacks one of its two orders.

    Source: Shaham et al. (2024), arXiv 2401.01854, section 2.
    """
    wins: dict[str, dict[str, bool]] = {}
    languages = set()
    for verdict in verdicts:
        orders = wins.setdefault(verdict.id, {})
        if verdict.order in orders:
            raise UserError(f"verdict {verdict.id!r}: {verdict.order} comes twice; keep one")
        orders[verdict.order] = verdict.winner == "candidate"
        languages.add(verdict.language)
        if len(languages) > 1:
            raise UserError(f"verdicts in languages {sorted(languages)}; score one at a time")
    for identity, orders in wins.items():
        if len(orders) != 2:
            raise UserError(
                f"verdict {identity!r}: only in order {sorted(orders)}; judge it in both orders"
            )
    return {identity: sum(orders.values()) / 2 for identity, orders in wins.items()}


def score_verdicts(verdicts: Iterable[Verdict]) -> float:
    """Returns the discounted-tie score in percent, the mean over the prompts of all languages."""
    by_language: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_language.setdefault(verdict.language, []).append(verdict)
    values = [value for held in by_language.values() for value in outcomes(held).values()]
    if not values:
        raise UserError("verdicts=[]: nothing to score; judge some responses first")
    return 100.0 * float(np.mean(values))


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
