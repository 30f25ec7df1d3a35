"""The mixture as arithmetic: how many examples each language gives, and which ids are whose."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from pinch_jax.data.names import Spec, shares_of
from pinch_jax.data.order import interleave, permutation

COMPOSITIONS = ("disjoint", "parallel")
GRANULARITIES = ("example", "step")


@dataclasses.dataclass(frozen=True)
class Mixture:
    """How many examples each language gives, and how they are put together.

    Attributes:
      languages: all languages of the config, in its order, also those that give nothing.
      shares: the exact share of each of `languages`; they add up to 1.
      examples: N, the same in every arm of a study.
      base: the language that the others replace.
      composition: "disjoint": an id appears once, in one language; "parallel": each language takes
        the first ids of one list, so ids repeat across languages.
      granularity: "example": each step carries the whole mixture; "step": each step carries one
        language, and the steps interleave.
    """

    languages: tuple[str, ...]
    shares: tuple[Fraction, ...]
    examples: int
    base: str = "en"
    composition: Literal["disjoint", "parallel"] = "disjoint"
    granularity: Literal["example", "step"] = "example"

    def __post_init__(self) -> None:
        if isinstance(self.examples, bool) or not isinstance(self.examples, int | np.integer):
            raise ValueError(f"config.mixture.examples={self.examples!r}: must be a whole number")
        if self.examples < 1:
            raise ValueError(f"config.mixture.examples={self.examples}: must be at least 1")
        for name, known in (("composition", COMPOSITIONS), ("granularity", GRANULARITIES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"config.mixture.{name}={getattr(self, name)!r}: must be one of {known}"
                )

    @functools.cached_property
    def budgets(self) -> dict[str, int]:
        """Examples of each of `languages`; they add up to `examples` exactly."""
        return dict(zip(self.languages, apportion(self.shares, self.examples), strict=True))


def parse_mixture(
    spec: Spec,
    languages: Sequence[str],
    examples: int,
    base: str = "en",
    composition: Literal["disjoint", "parallel"] = "disjoint",
    granularity: Literal["example", "step"] = "example",
) -> Mixture:
    """The mixture of `examples` examples that a name such as "pinch:10" or a table stands for.

    Raises:
      ValueError: names the field, the value and the fix; `names.shares_of` has the grammar.
    """
    languages = tuple(languages)
    for language in languages:
        if languages.count(language) > 1:
            raise ValueError(
                f"config.languages={list(languages)}: {language!r} stands twice; name it once"
            )
    shares = shares_of(spec, languages, examples, base)
    return Mixture(languages, tuple(shares.values()), examples, base, composition, granularity)


def apportion(shares: Sequence[Fraction], total: int) -> list[int]:
    """Whole numbers that add up to `total`, each within one of its share of it.

    Largest remainder, ties to the earlier. `shares` add up to 1.
    """
    quotas = [share * total for share in shares]
    counts = [math.floor(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (counts[i] - quotas[i], i))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def positions(mixture: Mixture) -> dict[str, np.ndarray]:
    """Which places of the study's list of N ids each language takes: int64 arrays [budget].

    Parallel: the first ones, for every language.

    Disjoint: places 0 to N-1 belong to the languages other than the base by their shares relative
    to each other, interleaved; a language takes the first of its own, and the base all that nobody
    took. So the owner of a place does not change with P, and arms are nested: from P to a larger
    P', the other languages keep their places and gain some, and what the base keeps is unchanged.
    It holds as long as no other budget falls, so for every pinch; in a table of uneven weights
    rounding may take one example from a language whose share grows. Arms that differ in the
    others' relative shares cannot all be nested where there are three languages or more: no one
    assignment of places has every choice of budgets among its parts.
    """
    budgets = mixture.budgets
    if mixture.composition == "parallel":
        return {language: np.arange(budget) for language, budget in budgets.items()}

    others = [
        (language, share)
        for language, share in zip(mixture.languages, mixture.shares, strict=True)
        if language != mixture.base and share > 0
    ]
    taken = {language: np.arange(0) for language in mixture.languages}
    free = np.ones(mixture.examples, bool)
    if others:
        scale = math.lcm(*(share.denominator for _, share in others))
        owner = interleave([int(share * scale) for _, share in others], mixture.examples)
        for index, (language, _) in enumerate(others):
            taken[language] = np.flatnonzero(owner == index)[: budgets[language]]
            free[taken[language]] = False
    for language, _ in others:
        # Two roundings, of budgets and of owners, can differ by one: the tail makes it up.
        missing = budgets[language] - len(taken[language])
        if missing:
            tail = np.flatnonzero(free)[-missing:]
            taken[language] = np.concatenate([taken[language], tail])
            free[tail] = False
    if mixture.base in taken:
        taken[mixture.base] = np.flatnonzero(free)
    return taken


def assign(mixture: Mixture, ids: Mapping[str, Sequence[str]], seed: int) -> dict[str, np.ndarray]:
    """Which rows of its corpus each language gives: int64 arrays [budget] of indices into its ids.

    `ids` are each language's own, in any order. The study's list is a permutation by `seed` of the
    ids that all languages of the mixture have in common; its first N are the same in every arm.

    Raises:
      ValueError: a language or the common list has too few ids.
    """
    for language in mixture.languages:
        if language not in ids:
            raise ValueError(f"config.languages: the corpus has no {language!r}, only {list(ids)}")
    common = sorted(set.intersection(*(set(ids[language]) for language in mixture.languages)))
    _check_enough(mixture, ids, len(common))
    study = permutation(len(common), seed, "study")
    rows = {}
    for language, places in positions(mixture).items():
        row_of = {id: row for row, id in enumerate(ids[language])} if len(places) else {}
        rows[language] = np.array([row_of[common[i]] for i in study[places]], np.int64)
    return rows


def _check_enough(mixture: Mixture, ids: Mapping[str, Sequence[str]], common: int) -> None:
    for language, budget in mixture.budgets.items():
        available = len(ids[language])
        if budget > available:
            raise ValueError(
                f"config.mixture.examples={mixture.examples}: {language!r} has a budget of {budget}"
                f" examples, and its corpus has {available} available; lower"
                f" config.mixture.examples or the share of {language!r}"
            )
    if mixture.composition == "disjoint":
        needed, who = mixture.examples, "the mixture"
    else:
        largest = max(mixture.budgets, key=mixture.budgets.__getitem__)
        needed, who = mixture.budgets[largest], repr(largest)
    if needed > common:
        fewest = min(mixture.languages, key=lambda language: len(ids[language]))
        raise ValueError(
            f"config.mixture.examples={mixture.examples}: {who} has a budget of {needed} ids that"
            f" all of config.languages have, and only {common} are available ({fewest!r} has"
            f" {len(ids[fewest])}); lower config.mixture.examples to at most {common}, or take"
            f" {fewest!r} out of config.languages"
        )
