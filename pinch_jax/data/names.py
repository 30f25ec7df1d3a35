"""What a mixture's name means: the exact share of each member.

A member is a language, or a recipe that makes examples of its own out of the parallel ones.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from fractions import Fraction

from pinch_jax.corpus.recipes import RECIPES
from pinch_jax.data.schedule import SHAPES, Schedule, parse_schedule
from pinch_jax.data.selection import select_languages
from pinch_jax.errors import UserError

Spec = str | Mapping[str, float]

FORMS = (
    "'monolingual:sw', 'pinch:10', 'pinch:10:en,fi,sw', 'pinch:n40', 'uniform:es,en', "
    "'weights:en=0.9,sw=0.1' or 'linear:monolingual:en..pinch:100'"
)
SELECTION = re.compile(r"(\d+)-by-(typology|family|script|random)(\d*)")


@dataclasses.dataclass(frozen=True)
class Names:
    """What the names of mixtures refer to.

    `pinch:P` spreads over the `languages`; `recipes` are members only where they are named, and
    `base` is replaced by the others. `examples` is N, 0 where tokens are counted.
    """

    languages: tuple[str, ...]
    recipes: tuple[str, ...]
    examples: int
    base: str

    @property
    def members(self) -> tuple[str, ...]:
        """All that a mixture may hold."""
        return self.languages + self.recipes

    def shares(self, spec: Spec) -> dict[str, Fraction]:
        """Returns the share of each member, adding up to 1; 0 where it has none.

        `monolingual:L` is L alone and `uniform:L,M` splits evenly. `pinch:P` spreads P % evenly
        over all languages, the base too, and gives the base the rest; `pinch:nK` spreads exactly K
        examples over all but the base. A third part `:L,M` spreads over these members only.
        `weights:L=0.9,M=0.1` has weights of any scale, and so has a table {"L": 0.9, "M": 0.1}.
        Where `L,M` stands, `K-by-typology`, `K-by-family`, `K-by-script` or `K-by-random7` picks K
        languages (`pinch_jax.data.selection`), 7 being a seed.

        Raises:
          UserError: the spec cannot be read or asks for what is not there.
        """
        if not isinstance(spec, str | Mapping):
            raise _error(spec, f"is neither a name nor a table; write e.g. {FORMS}")
        weights = self._named(spec) if isinstance(spec, str) else self._table(spec, spec)
        total = sum(weights.values())
        return {member: weights.get(member, Fraction(0)) / total for member in self.members}

    def schedule(self, spec: Spec) -> Schedule | None:
        """Returns the schedule that a spec names, `linear:monolingual:en..pinch:100`, or None."""
        if not isinstance(spec, str) or spec.partition(":")[0] not in SHAPES:
            return None
        return parse_schedule(
            spec,
            lambda part: tuple(self.shares(part).values()),
            lambda problem: _error(spec, problem),
        )

    def _named(self, spec: str) -> dict[str, Fraction]:
        match spec.split(":"):
            case ["monolingual", member]:
                members = self._list(spec, member)
                if len(members) != 1:
                    raise _error(spec, "is one language; for several write e.g. 'uniform:es,en'")
                return {members[0]: Fraction(1)}
            case ["uniform", members]:
                return dict.fromkeys(self._list(spec, members), Fraction(1))
            case ["weights", weights]:
                return self._weights(spec, weights)
            case ["pinch", amount]:
                return self._pinch(spec, amount, list(self.languages))
            case ["pinch", amount, members]:
                return self._pinch(spec, amount, self._list(spec, members))
        raise _error(spec, f"is not the name of a mixture; write e.g. {FORMS}")

    def _pinch(self, spec: str, amount: str, members: list[str]) -> dict[str, Fraction]:
        if self.base not in self.languages:
            known = list(self.languages)
            raise _error(spec, f"base={self.base!r} is not in config.languages={known}; add it")
        if amount.startswith("n"):
            return self._pinch_of_examples(spec, amount[1:], members)
        return self._pinch_of_percent(spec, amount, members)

    def _pinch_of_percent(self, spec: str, percent: str, members: list[str]) -> dict[str, Fraction]:
        if not re.fullmatch(r"-?\d+(\.\d+)?", percent):
            raise _error(spec, f"P={percent!r} is not a number; write e.g. 'pinch:10'")
        pinch = Fraction(percent)
        if not 0 <= pinch <= 100:
            raise _error(spec, "P must be between 0 and 100; write e.g. 'pinch:10'")
        if pinch:
            self._others(spec, members)
        weights = dict.fromkeys(members, pinch / len(members))
        weights[self.base] = weights.get(self.base, Fraction(0)) + 100 - pinch
        return weights

    def _pinch_of_examples(self, spec: str, count: str, members: list[str]) -> dict[str, Fraction]:
        if not re.fullmatch(r"\d+", count):
            raise _error(spec, f"n{count} is not a whole number; write e.g. 'pinch:n40'")
        if not self.examples:
            raise _error(spec, "counts examples; write 'pinch:1', or set config.mixture.examples")
        if int(count) > self.examples:
            raise _error(
                spec,
                f"{count} examples are more than config.mixture.examples={self.examples}; raise "
                f"that, or write at most 'pinch:n{self.examples}'",
            )
        others = self._others(spec, members)
        weights = dict.fromkeys(others, Fraction(int(count), len(others)))
        weights[self.base] = Fraction(self.examples - int(count))
        return weights

    def _others(self, spec: str, members: list[str]) -> list[str]:
        """Returns the members that are not the base; an error if there is none to spread over."""
        if others := [member for member in members if member != self.base]:
            return others
        raise _error(spec, f"names no language but the base {self.base!r}; add one to spread over")

    def _list(self, spec: str, part: str) -> list[str]:
        if chosen := SELECTION.fullmatch(part):
            k, strategy, seed = chosen.groups()
            draw = int(seed or 0)
            return list(select_languages(strategy, int(k), self.languages, self.base, draw))
        members = [member.strip() for member in part.split(",")]
        for member in members:
            self._check_known(spec, member)
            if members.count(member) > 1:
                raise _error(spec, f"names {member!r} twice; name each language once")
        return members

    def _weights(self, spec: str, part: str) -> dict[str, Fraction]:
        table: dict[str, float] = {}
        for item in part.split(","):
            member, _, weight = (piece.strip() for piece in item.partition("="))
            if member in table:
                raise _error(spec, f"names {member!r} twice; name each language once")
            if not re.fullmatch(r"-?\d+(\.\d+)?", weight):
                raise _error(spec, f"{item!r} is no weight; write e.g. 'weights:en=0.9,sw=0.1'")
            table[member] = float(weight)
        return self._table(spec, table)

    def _table(self, spec: Spec, table: Mapping[str, float]) -> dict[str, Fraction]:
        if not table:
            raise _error(spec, "holds no language; write e.g. {'en': 0.9, 'sw': 0.1}")
        weights = {}
        for member, weight in table.items():
            self._check_known(spec, member)
            number = isinstance(weight, int | float | Fraction) and not isinstance(weight, bool)
            if not number or not math.isfinite(weight) or weight < 0:
                raise _error(spec, f"{member}={weight!r}: a weight must be a number of at least 0")
            # The decimal that was written, not its nearest binary fraction.
            weights[member] = Fraction(str(weight))
        if not any(weights.values()):
            raise _error(spec, "all weights are 0; give at least one language a positive weight")
        return weights

    def _check_known(self, spec: Spec, member: str) -> None:
        if member in self.members:
            return
        if member.partition("-")[0] in RECIPES:
            raise _error(spec, f"{member!r} is not in config.mixture.recipes; add it there")
        known = list(self.languages)
        raise _error(spec, f"{member!r} is not in config.languages={known}; add it, or use these")


def _error(spec: object, problem: str) -> UserError:
    shown = dict(spec) if isinstance(spec, Mapping) else spec
    return UserError(f"config.mixture.spec={shown!r}: {problem}")
