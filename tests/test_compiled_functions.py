"""Numba's cache saves time alone: without it, or with one that cannot be used, nothing differs."""

import numba
import pytest
from full_disk import files_of_at_most

from pinch_jax.data import rounding
from pinch_jax.data.compiled import compiled
from pinch_jax.data.order import interleave


def tripled(n):
    return 3 * n


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_a_function_is_compiled_where_no_folder_can_keep_it():
    """As of a read-only installation, for a user without a home."""
    held = {}
    exec("def doubled(n):\n    return 2 * n", held)
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(held["doubled"])
    assert compiled(held["doubled"])(21) == 42


def test_a_full_or_unreadable_cache_ends_no_call(cache):
    with files_of_at_most(100):
        assert compiled(tripled)(14) == 42
    assert not [path for path in cache.rglob("*") if path.is_file()]
    assert compiled(tripled)(14) == 42
    (index,) = cache.rglob("*.nbi")  # there is room now
    index.unlink()
    index.mkdir()
    assert compiled(tripled)(14) == 42


def test_compiled_turns_read_nothing_that_is_not_theirs(monkeypatch):
    """Compiled, an index beyond an array is no error; what lies there could be anything's."""
    weights = {"en": 7, "fi": 2, "sw": 1}
    turns = [list(interleave(weights, length, 5)) for length in (20, 23)]
    monkeypatch.setattr(rounding, "_turns", rounding._turns.py_func)
    assert [list(interleave(weights, length, 5)) for length in (20, 23)] == turns
