"""What a set lacks: examples that fit no row, and parts that are others than were asked for."""

from collections.abc import Mapping

import numpy as np

from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError

# Parts of steps and of examples that lie this far apart are told.
NOTABLE = 0.01


def left_out_lines(plan: BatchPlan) -> list[str]:
    """Returns what is not in the set that was asked for, for people; [] if nothing is amiss."""
    shares = zip(plan.mixture.languages, plan.mixture.shares, strict=True)
    lines = [_unfit_line(plan)] if any(plan.dropped.values()) else []
    if empty := [member for member, share in shares if share and not plan.budgets[member]]:
        lines.append(
            f"no example of {', '.join(empty)}: the part of each is below one of "
            f"{sum(plan.budgets.values()):,} examples; raise config.mixture.examples or the part"
        )
    return lines + _uneven_steps(plan)


def _uneven_steps(plan: BatchPlan) -> list[str]:
    """Returns what part of the steps each language has, where each carries one; [] if its own.

    An update is as large whether its step is full or has one example.
    """
    if plan.mixture.granularity != "step":
        return []
    examples = plan.totals()["examples"]
    counts = np.bincount(plan.language[plan.bounds[:, 0]], minlength=len(plan.mixture.languages))
    steps = {m: int(n) for m, n in zip(plan.mixture.languages, counts, strict=True) if n}
    total = sum(examples.values())
    if max(abs(steps[m] / plan.steps - n / total) for m, n in examples.items()) < NOTABLE:
        return []
    return [
        f"each step carries one language, and not all are full: what is {_shares(examples)} of the "
        f"examples is {_shares(steps)} of the steps; set config.mixture.granularity='example', or "
        "fewer config.batch.examples"
    ]


def _unfit_line(plan: BatchPlan) -> str:
    """Returns what does not fit a row, and what is left of the mixture."""
    planned, left = plan.planned(), plan.totals()["examples"]
    lost = ", ".join(
        f"{count:,} of {planned[member]:,} in {member!r}"
        for member, count in plan.dropped.items()
        if count
    )
    return (
        f"examples that do not fit a row of {plan.shape.row_tokens} tokens, "
        f"{plan.shape.row_supervised_tokens} of them supervised: {lost}, over all epochs; what was "
        f"to be {_shares(planned)} is {_shares(left)}"
    )


def check_dropped(plans: Mapping[str, BatchPlan], limit: float) -> None:
    """Checks that no member of any of these sets loses more than this fraction of its examples.

    A pinch may be lost whole in a set that hardly shrinks. `plans` are by what sets are called.

    Raises:
      UserError: one loses more; names the worst, and the row that has room for all.
    """
    fractions = {name: _worst(plan) for name, plan in plans.items()}
    beyond = [name for name, fraction in fractions.items() if fraction > limit]
    if not beyond:
        return
    worst = max(beyond, key=fractions.__getitem__)
    tokens, supervised = (max(plans[name].longest[i] for name in plans) for i in (0, 1))
    many = f"; {len(beyond)} of {len(plans)} sets lose more, this one most" * (len(plans) > 1)
    shape = plans[worst].shape
    raise UserError(
        f"config.batch.max_dropped_fraction={limit}: {worst} loses more: "
        f"{_unfit_line(plans[worst])}{many}; set config.batch.row_tokens="
        f"{max(tokens, shape.row_tokens)} and config.batch.row_supervised_tokens="
        f"{max(supervised, shape.row_supervised_tokens)}, which fit all, or allow a larger fraction"
    )


def _worst(plan: BatchPlan) -> float:
    return max(plan.dropped[m] / count for m, count in plan.planned().items() if count)


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{member} {100 * n / total:.3g} %" for member, n in counts.items() if n)
