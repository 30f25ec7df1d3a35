"""The mixture as arithmetic: how many examples each member gives, and which ids are whose."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np

from pinch_jax.config_fields import CountOrZero, check_fields
from pinch_jax.data.names import Names, Spec
from pinch_jax.data.order import apportion, interleave, permutation, shuffled
from pinch_jax.data.schedule import Schedule
from pinch_jax.errors import UserError

Composition = Literal["disjoint", "parallel"]


class TooFewExamples(UserError):
    """The corpus has fewer examples than a mixture asks for."""


@dataclasses.dataclass(frozen=True)
class Mixture:
    """How much each member (language or recipe) gives, and how they are put together.

    Attributes:
      languages: all members, in the config's order, also those that give nothing.
      shares: the exact share of each of `languages`, or its mean over a `schedule`; adds up to 1.
      examples: N, the same in every arm of a study; 0 where `supervised_tokens` counts.
      base: the language that the others replace.
      seed: what every draw depends on, together with the names of the members.
      composition: "disjoint": an id appears once, in one language; "parallel": each language takes
        the first ids of one list, so ids repeat across languages.
      granularity: "step": each step carries one language; "example": each carries all of them.
    """

    languages: tuple[str, ...]
    shares: tuple[Fraction, ...]
    examples: CountOrZero
    base: str = "en"
    seed: int = 0
    composition: Composition = "disjoint"
    granularity: Literal["example", "step"] = "example"
    supervised_tokens: CountOrZero = 0
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        check_fields(self, "config.mixture")
        if not self.examples and not self.supervised_tokens:
            raise UserError(f"config.mixture.examples={self.examples}: must be at least 1")
        if self.examples and self.supervised_tokens:
            raise UserError(
                f"config.mixture.examples={self.examples} and config.mixture.supervised_tokens="
                f"{self.supervised_tokens} are two sizes of one mixture; set one of them to 0"
            )
        if self.schedule and self.supervised_tokens:
            raise UserError(
                f"config.mixture.supervised_tokens={self.supervised_tokens}: a schedule counts "
                "examples; set config.mixture.examples instead, or a spec without a schedule"
            )

    @functools.cached_property
    def budgets(self) -> dict[str, int]:
        """Examples, or supervised tokens, of each of `languages`, within one of its share.

        They add up to the size exactly.
        """
        if self.schedule:
            counts = np.bincount(self._epoch, minlength=len(self.languages))
            return dict(zip(self.languages, counts.tolist(), strict=True))
        shares = dict(zip(self.languages, self.shares, strict=True))
        return apportion(shares, self.examples or self.supervised_tokens, self.seed)

    @functools.cached_property
    def _epoch(self) -> np.ndarray:
        """The order of a schedule over one epoch; it decides the counts."""
        order = self.schedule.order(self.languages, self.examples, self.seed)
        order.flags.writeable = False
        return order

    def turns(self, counts: Mapping[str, int], epochs: int) -> np.ndarray:
        """Returns whose turn it is at each position: uint8 [positions], indices of `languages`.

        `counts` are the examples of each of `languages` in one epoch; each epoch is drawn anew.
        """
        if self.schedule and epochs == 1:
            return self._epoch
        if self.schedule:
            return self.schedule.order(self.languages, self.examples * epochs, self.seed)
        size = sum(counts.values())
        return np.concatenate(
            [interleave(counts, size, self.seed, "epoch", epoch) for epoch in range(epochs)]
        )


def parse_mixture(
    spec: Spec,
    languages: Sequence[str],
    examples: int,
    base: str = "en",
    seed: int = 0,
    recipes: Sequence[str] = (),
    **how: Any,
) -> Mixture:
    """Returns the mixture that a name such as "pinch:10" or a table stands for.

    `recipes` are in it only where the spec names them; `how` are the other fields of a `Mixture`.
    A composition may stand before a name, "parallel:pinch:10", in the place of that in `how`.

    Raises:
      UserError: names the field, the value and the fix; `names.Names` has the grammar.
    """
    members = (*languages, *recipes)
    for member in members:
        if members.count(member) > 1:
            field, values = ("mixture.recipes", recipes) if recipes else ("languages", languages)
            raise UserError(f"config.{field}={list(values)}: {member!r} stands twice; name it once")
    kind, colon, name = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if colon and kind in get_args(Composition):
        spec, how["composition"] = name, kind
    names = Names(tuple(languages), tuple(recipes), examples, base)
    schedule = names.schedule(spec)
    shares = schedule.mean() if schedule else tuple(names.shares(spec).values())
    return Mixture(members, shares, examples, base, seed, schedule=schedule, **how)


def assign(
    mixture: Mixture, available: int, supervised_lengths: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns which of the corpus's `available` parallel examples each member gives: int32 arrays.

    The study's list is a permutation of all of them by the seed. Parallel: each member takes the
    first of the list, as many as its budget asks for.

    Disjoint: the list's places belong to the members other than the base by their shares relative
    to each other, interleaved; a member takes the first of its own, and the base the first of what
    nobody took. So the owner of a place does not change with P, and arms are nested: from P to a
    larger P', the others keep their places and gain some, and what the base keeps is unchanged. It
    holds for every pinch; in a table of uneven weights rounding may take one example from a member
    whose share grows, and arms that differ in the others' relative shares cannot all be nested.

    A budget in tokens is met to the nearest example, by `supervised_lengths` [available] of each
    member; what the base then takes may reach further down the list. Raises TooFewExamples.
    """
    study = permutation(available, mixture.seed, "study")

    def needed(member: str, places: np.ndarray) -> int:
        """Returns how many places meet the member's budget; more than there are if none do."""
        budget = mixture.budgets[member]
        if not (budget and mixture.supervised_tokens):
            return budget
        sums = np.cumsum(supervised_lengths[member][study[places]], dtype=np.int64)
        below = int(np.searchsorted(sums, budget))
        if below == len(sums):
            return below + (budget > (sums[-1] if below else 0))
        before = sums[below - 1] if below else 0
        return below + int(sums[below] - budget < budget - before)

    if mixture.composition == "parallel":
        places = np.arange(available)
        counts = {member: needed(member, places) for member in mixture.languages}
        for member, count in counts.items():
            _check_enough(mixture, member, count, available)
        return {member: study[:count] for member, count in counts.items()}

    if mixture.examples > available:
        raise TooFewExamples(
            f"config.mixture.examples={mixture.examples}: the corpus has only {available} examples "
            f"to tune on; lower config.mixture.examples to at most {available}"
        )
    horizon = mixture.examples or available
    owner = _owners(mixture, horizon)
    free = np.ones(horizon, bool)
    rows, short = {}, []
    for index, member in enumerate(mixture.languages):
        own = np.flatnonzero(owner == index)
        count = needed(member, own) if member != mixture.base else 0
        if count > len(own):
            short.append(member)
        free[own[:count]] = False
        rows[member] = own[:count]
    # Two roundings, of budgets and of owners, can differ by one, and tokens by more; the places at
    # the end of the list make it up. The base comes last.
    bases = (member for member in mixture.languages if member == mixture.base)
    for member in [*shuffled(short, mixture.seed, "short"), *bases]:
        rest = np.flatnonzero(free)
        places = rest if member == mixture.base else np.concatenate([rows[member], rest[::-1]])
        count = needed(member, places)
        _check_enough(mixture, member, count, len(places))
        rows[member] = places[:count]
        free[rows[member]] = False
    return {member: study[places] for member, places in rows.items()}


def _owners(mixture: Mixture, horizon: int) -> np.ndarray:
    """Returns which member but the base each place of the list belongs to: indices [horizon]."""
    shares = [
        Fraction(0) if member == mixture.base else share
        for member, share in zip(mixture.languages, mixture.shares, strict=True)
    ]
    if not any(shares):
        return np.full(horizon, len(shares))
    scale = math.lcm(*(share.denominator for share in shares))
    weights = {m: int(s * scale) for m, s in zip(mixture.languages, shares, strict=True)}
    owner = interleave(weights, horizon, mixture.seed, "owners")
    # As many for each as its budget is where the base gives nothing, so that no budget below is
    # short and takes a place that another arm needs.
    total = sum(weights.values())
    parts = {member: Fraction(weight, total) for member, weight in weights.items()}
    ours = np.bincount(owner, minlength=len(shares))
    most = np.array([*apportion(parts, horizon, mixture.seed).values()]) - ours
    lacking = {member for member, more in zip(mixture.languages, most, strict=True) if more > 0}
    spare = sorted(np.flatnonzero(owner == index)[-1] for index in np.flatnonzero(most < 0))
    takers = [mixture.languages.index(m) for m in shuffled(lacking, mixture.seed, "spare")]
    owner[spare] = takers
    return owner


def _check_enough(mixture: Mixture, member: str, count: int, available: int) -> None:
    if count <= available:
        return
    field = "supervised_tokens" if mixture.supervised_tokens else "examples"
    unit = field.replace("_", " ")
    raise TooFewExamples(
        f"config.mixture.{field}={getattr(mixture, field)}: {member!r} has a budget of "
        f"{mixture.budgets[member]} {unit}, and only {available} examples of the corpus are left "
        f"for it; lower config.mixture.{field} or the share of {member!r}"
    )
