"""What a judge costs is told before it is asked, and nothing is begun that nobody agreed to pay."""

from collections.abc import Callable, Iterable

from pinch_jax.errors import UserError
from pinch_jax.judge.protocol import Judge, Pair


def agree_to_pay(
    judge: Judge, pairs: Iterable[Pair], yes: bool, say: Callable[[str], None] = print
) -> None:
    """Says what it costs to judge pairs, where a judge is a service.

    Raises:
        UserError: it costs something, and nobody said `yes`.
    """
    cost = judge.cost(pairs) if hasattr(judge, "cost") else None
    if cost is None:
        return
    for line in cost.lines:
        say(line)
    if cost.price and not yes:
        raise UserError(
            f"judging by {judge.name} costs about {cost.price:,.2f}; to begin, add --yes"
        )
