"""From nested mappings to nested frozen dataclasses, by the types that these declare.

A number's bounds are part of its field's type: `epochs: Annotated[int, Gt(0), Le(10_000)]`.
"""

import dataclasses
import difflib
import functools
import math
import operator
import sys
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NewType

from absl import logging
from annotated_types import Ge, Gt, Le, Lt

from pinch_jax.errors import UserError

# Marks a field of a config whose value is made canonical when the config is read.
LanguageCode = NewType("LanguageCode", str)
# Steps, examples and tokens are counted in 32 bits.
Count = Annotated[int, Gt(0), Lt(2**31)]
CountOrZero = Annotated[int, Ge(0), Lt(2**31)]
# JAX makes a key of the 32 low bits, and evaluation adds the step.
Seed = Annotated[int, Ge(0), Lt(2**31)]
Rows = Annotated[int, Gt(0), Le(2**16)]
# Of a row, a prompt or an answer: ten times the longest context that a published model has.
Tokens = Annotated[int, Gt(0), Le(10 * 2**20)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]

_BOUNDS = {
    Gt: ("above", operator.gt),
    Ge: ("at least", operator.ge),
    Lt: ("below", operator.lt),
    Le: ("at most", operator.le),
}


def build(cls: type, values: Any, path: str) -> Any:
    """Returns a dataclass from a mapping, which is called `path` in messages: "config.train".

    Raises:
        UserError: a field is unknown, missing, of the wrong type, or a number that is not finite
            or beyond its bounds.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{path}={values!r}: must be a table of fields")
    kinds = _kinds(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if renamed := getattr(cls, "FIRST_NAMES", {}).get(name):
            raise UserError(f"{path}.{name} is called {path}.{renamed} now; rename it")
        choose(path, name, tuple(fields))
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise UserError(f"{path}.{name} is missing; see ml_collections_configs/base.py")
    return cls(**{name: _convert(kinds[name], v, f"{path}.{name}") for name, v in values.items()})


def check_fields(made: Any, path: str) -> None:
    """Raises UserError for a dataclass that could not have been built so: for its constructor."""
    for name, kind in _kinds(type(made)).items():
        _convert(kind, getattr(made, name), f"{path}.{name}")


@functools.cache
def _kinds(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _convert(kind: Any, value: Any, path: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else build(kind, value, path)
    if origin is Annotated:
        value = _convert(args[0], value, path)
        _check_bounds(args[1:], value, path)
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, path)
    if kind is LanguageCode:
        return _canonical(_convert(str, value, path), path)
    if origin is Literal:
        choose(path, value, args)
        return value
    if origin is Mapping and isinstance(value, Mapping):
        return {name: _convert(args[1], v, f"{path}.{name}") for name, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(args[0], v, path) for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= sys.float_info.max else math.inf
    plain = origin or kind
    if (isinstance(value, bool) and plain is not bool) or not isinstance(value, plain):
        raise UserError(f"{path}={value!r}: must be of type {getattr(plain, '__name__', plain)}")
    # No comparison refuses NaN.
    if plain is float and not math.isfinite(value):
        raise UserError(f"{path}={value!r}: must be a finite number")
    return value


def _canonical(code: str, path: str) -> str:
    """Returns the canonical code of a language, and says so where it is spelt otherwise."""
    # CLDR is read where a code is: the decoder and its train step have none.
    from pinch_jax.languages import language

    try:
        known = language(code)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if known.code != code:
        logging.warning("%s: %r is taken as %r, %s", path, code, known.code, known.name)
    return known.code


def _check_bounds(bounds: tuple[Any, ...], value: Any, path: str) -> None:
    told = [(*_BOUNDS[type(bound)], *dataclasses.astuple(bound)) for bound in bounds]
    if not all(holds(value, end) for _, holds, end in told):
        wanted = " and ".join(f"{words} {end:,}" for words, _, end in told)
        raise UserError(f"{path}={value!r}: must be {wanted}")


def choose(path: str, value: Any, known: tuple[Any, ...]) -> None:
    """Raises UserError, with the nearest known value, when `value` is none of them."""
    if value not in known:
        near = difflib.get_close_matches(str(value), [str(k) for k in known], 1)
        others = ", ".join(map(str, known))
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {others}"
        raise UserError(f"{path}: {value!r} is not known; {hint}")


def check_divides(made: Any, path: str, part: str, whole: str) -> None:
    """Raises UserError unless one field of a dataclass divides another one."""
    divisor, number = getattr(made, part), getattr(made, whole)
    if number % divisor:
        raise UserError(
            f"{path}.{part}={divisor} does not divide {path}.{whole}={number}; choose a divisor"
        )


def check_distinct(path: str, values: tuple[Any, ...]) -> None:
    """Raises UserError when a value stands twice."""
    for value in values:
        if values.count(value) > 1:
            raise UserError(f"{path}={values}: {value!r} stands twice; name it once")
