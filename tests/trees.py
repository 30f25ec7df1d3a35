"""Trees of arrays, held against each other leaf by leaf."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from pinch_jax.devices.mesh import path_name


def pairs(ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yields each leaf of two trees of as many: its path as text, ours and theirs."""
    leaves = jax.tree_util.tree_leaves_with_path(ours)
    for (path, x), y in zip(leaves, jax.tree.leaves(theirs), strict=True):
        yield path_name(path), x, y


def assert_same(ours: Any, theirs: Any) -> None:
    """Asserts that all leaves are of the same kind and shape, and the same to the bit."""
    for name, x, y in pairs(ours, theirs):
        assert (x.dtype, x.shape) == (y.dtype, y.shape), name
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes(), name


def assert_close(ours: Any, theirs: Any, **tolerance: float) -> None:
    """Asserts that all leaves are close, as `assert_allclose` of numpy means it."""
    for name, x, y in pairs(ours, theirs):
        np.testing.assert_allclose(x, y, err_msg=name, **tolerance)
