"""What a mixture's name means: the exact share of each language."""

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

Spec = str | Mapping[str, float]

FORMS = (
    "'monolingual:sw', 'pinch:10', 'pinch:10:en,fi,sw', 'pinch:n40', 'uniform:es,en' "
    "or 'weights:en=0.9,sw=0.1'"
)


def shares_of(
    spec: Spec, languages: Sequence[str], examples: int, base: str
) -> dict[str, Fraction]:
    """The share of each of `languages`, in their order, adding up to 1; 0 where it has none.

    `monolingual:L` is L alone and `uniform:L,M` splits evenly. `pinch:P` spreads P % evenly over
    all languages, the base too, and gives the base the rest; `pinch:nK` spreads exactly K examples
    over all but the base. A third part `:L,M` spreads over these languages only.
    `weights:L=0.9,M=0.1` has weights of any scale, and so has a table {"L": 0.9, "M": 0.1}.

    Raises:
      ValueError: the spec cannot be read or asks for what is not there.
    """
    if isinstance(spec, Mapping):
        weights = _table(spec, languages)
    elif isinstance(spec, str):
        weights = _named(spec, languages, examples, base)
    else:
        raise _error(spec, f"is neither a name nor a table; write e.g. {FORMS}")
    total = sum(weights.values())
    return {language: weights.get(language, Fraction(0)) / total for language in languages}


def _named(spec: str, languages: Sequence[str], examples: int, base: str) -> dict[str, Fraction]:
    kind, *parts = spec.split(":")
    if kind == "monolingual" and len(parts) == 1:
        members = _members(spec, parts[0], languages)
        if len(members) != 1:
            raise _error(spec, "is one language; for several write e.g. 'uniform:es,en'")
        return {members[0]: Fraction(1)}
    if kind == "uniform" and len(parts) == 1:
        return dict.fromkeys(_members(spec, parts[0], languages), Fraction(1))
    if kind == "weights" and len(parts) == 1:
        return _weights(spec, parts[0], languages)
    if kind == "pinch" and len(parts) in (1, 2):
        if base not in languages:
            raise _error(
                spec, f"base={base!r} is not in config.languages={list(languages)}; add it"
            )
        members = _members(spec, parts[1], languages) if len(parts) == 2 else list(languages)
        if parts[0].startswith("n"):
            return _pinch_of_examples(spec, parts[0][1:], members, examples, base)
        return _pinch_of_percent(spec, parts[0], members, base)
    raise _error(spec, f"is not the name of a mixture; write e.g. {FORMS}")


def _pinch_of_percent(
    spec: str, percent: str, members: list[str], base: str
) -> dict[str, Fraction]:
    if not re.fullmatch(r"-?\d+(\.\d+)?", percent):
        raise _error(spec, f"P={percent!r} is not a number; write e.g. 'pinch:10' or 'pinch:0.5'")
    pinch = Fraction(percent)
    if not 0 <= pinch <= 100:
        raise _error(spec, "P must be between 0 and 100; write e.g. 'pinch:10'")
    weights = dict.fromkeys(members, pinch / len(members))
    weights[base] = weights.get(base, Fraction(0)) + 100 - pinch
    return weights


def _pinch_of_examples(
    spec: str, count: str, members: list[str], examples: int, base: str
) -> dict[str, Fraction]:
    if not re.fullmatch(r"\d+", count):
        raise _error(spec, f"n{count} is not a whole number of examples; write e.g. 'pinch:n40'")
    if int(count) > examples:
        raise _error(
            spec,
            f"{count} examples are more than config.mixture.examples={examples}; "
            f"write at most 'pinch:n{examples}' or raise config.mixture.examples",
        )
    others = [member for member in members if member != base]
    if not others:
        raise _error(spec, f"names no language but the base {base!r}; add one to spread over")
    weights = dict.fromkeys(others, Fraction(int(count), len(others)))
    weights[base] = Fraction(examples - int(count))
    return weights


def _members(spec: str, part: str, languages: Sequence[str]) -> list[str]:
    members = [member.strip() for member in part.split(",")]
    for member in members:
        _check_known(spec, member, languages)
        if members.count(member) > 1:
            raise _error(spec, f"names {member!r} twice; name each language once")
    return members


def _weights(spec: str, part: str, languages: Sequence[str]) -> dict[str, Fraction]:
    table: dict[str, float] = {}
    for item in part.split(","):
        language, _, weight = (piece.strip() for piece in item.partition("="))
        if language in table:
            raise _error(spec, f"names {language!r} twice; name each language once")
        if not re.fullmatch(r"-?\d+(\.\d+)?", weight):
            raise _error(spec, f"{item!r} is no weight; write e.g. 'weights:en=0.9,sw=0.1'")
        table[language] = float(weight)
    return _table(table, languages)


def _table(table: Mapping[str, float], languages: Sequence[str]) -> dict[str, Fraction]:
    if not table:
        raise _error(table, "holds no language; write e.g. {'en': 0.9, 'sw': 0.1}")
    weights = {}
    for language, weight in table.items():
        _check_known(table, language, languages)
        number = isinstance(weight, int | float | Fraction) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight < 0:
            raise _error(table, f"{language}={weight!r}: a weight must be a number of at least 0")
        # The decimal that was written, not its nearest binary fraction.
        weights[language] = Fraction(str(weight))
    if not any(weights.values()):
        raise _error(table, "all weights are 0; give at least one language a positive weight")
    return weights


def _check_known(spec: Spec, language: str, languages: Sequence[str]) -> None:
    if language not in languages:
        raise _error(
            spec,
            f"{language!r} is not in config.languages={list(languages)}; "
            "use one of these or add it there",
        )


def _error(spec: object, problem: str) -> ValueError:
    shown = dict(spec) if isinstance(spec, Mapping) else spec
    return ValueError(f"config.mixture.spec={shown!r}: {problem}")
