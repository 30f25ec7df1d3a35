"""Functions that Numba compiles, and keeps for later calls where it can."""

import contextlib
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable) -> Callable:
    """Returns a function that is compiled when it is first called, or loaded from Numba's cache.

    Only the time of a call depends on that cache: a user may have no folder for it (a read-only
    installation without a home), one that is full, or one with files that others alone may read.
    """
    try:
        made = numba.njit(cache=True)(function)
    except RuntimeError:
        return numba.njit(function)
    if cache := getattr(made, "_cache", None):  # there is none with NUMBA_DISABLE_JIT
        cache.load_overload = _where_it_can(cache.load_overload)
        cache.save_overload = _where_it_can(cache.save_overload)
    return made


def _where_it_can(call: Callable) -> Callable:
    def attempt(*arguments: Any) -> Any:
        with contextlib.suppress(OSError):
            return call(*arguments)
        return None

    return attempt
