"""Arrays whose numbers are numbers: what is read, kept or exported is neither NaN nor infinite."""

from typing import Any

import jax
import jax.numpy as jnp

from pinch_jax.errors import UserError
from pinch_jax.mesh import path_name


def check_finite(tree: Any, what: str) -> None:
    """Raises UserError when an array of a tree has a NaN or an infinity; names the first such.

    It waits for the arrays, and reads each of them once where it lies. `what` begins the message.
    """
    for path, finite in jax.tree_util.tree_leaves_with_path(jax.device_get(_all_finite(tree))):
        if not finite:
            raise UserError(f"{what}: {path_name(path)} has numbers that are not finite")


@jax.jit
def _all_finite(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.all(jnp.isfinite(x)), tree)
