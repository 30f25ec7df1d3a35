"""From nested mappings to nested frozen dataclasses, by the types that these declare."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from absl import logging

from pinch_jax.languages import LanguageCode, language


def build(cls: type, values: Any, path: str) -> Any:
    """Returns a dataclass from a mapping, checked against its fields and their types.

    `path` is what the mapping is called in messages: "config.train".

    Raises:
        ValueError: a field is unknown, missing or of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{path}={values!r}: must be a table of fields")
    kinds = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        choose(path, name, tuple(fields))
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(
            f"{path}.{missing[0]} is missing; start from ml_collections_configs/base.py"
        )
    return cls(**{name: _convert(kinds[name], v, f"{path}.{name}") for name, v in values.items()})


def _convert(kind: Any, value: Any, path: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return build(kind, value, path)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, path)
    if kind is LanguageCode:
        return _canonical(_convert(str, value, path), path)
    if origin is Literal:
        choose(path, value, args)
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(args[0], v, path) for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or kind
    if (isinstance(value, bool) and plain is not bool) or not isinstance(value, plain):
        raise ValueError(f"{path}={value!r}: must be of type {getattr(plain, '__name__', plain)}")
    return value


def _canonical(code: str, path: str) -> str:
    """Returns the canonical code of a language, and says so where it is spelt otherwise."""
    try:
        known = language(code)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if known.code != code:
        logging.warning("%s: %r is taken as %r, %s", path, code, known.code, known.name)
    return known.code


def choose(path: str, value: Any, known: tuple[Any, ...]) -> None:
    """Raises ValueError, with the nearest known value, when `value` is none of them."""
    if value not in known:
        near = difflib.get_close_matches(str(value), [str(k) for k in known], 1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(map(str, known))}"
        )
        raise ValueError(f"{path}: {value!r} is not known; {hint}")


def positive(config: Any, path: str, *names: str) -> None:
    """Raises ValueError when one of these fields, by default any, is 0 or less."""
    for name in names or [f.name for f in dataclasses.fields(config)]:
        if getattr(config, name) <= 0:
            raise ValueError(f"{path}.{name}={getattr(config, name)}: must be above 0")


def check_distinct(path: str, codes: tuple[str, ...]) -> None:
    """Raises ValueError when a language stands twice."""
    for code in codes:
        if codes.count(code) > 1:
            raise ValueError(f"{path}={codes}: {code!r} stands twice; name it once")
