"""Arrays that wait in the memory of the hosts, so that devices have room for what works."""

from typing import Any

import jax
import numpy as np


class HostCopy:
    """A tree of arrays on a mesh, each process with the parts that its own devices held."""

    def __init__(self, tree: Any):
        leaves, self._structure = jax.tree.flatten(tree)
        self._leaves = [(leaf.shape, leaf.sharding, _parts(leaf)) for leaf in leaves]

    def on_devices(self) -> Any:
        """Returns the tree where it lay before."""
        leaves = [
            jax.make_array_from_callback(shape, sharding, lambda index, p=parts: p[str(index)])
            for shape, sharding, parts in self._leaves
        ]
        return jax.tree.unflatten(self._structure, leaves)


def _parts(array: jax.Array) -> dict[str, np.ndarray]:
    """Returns the parts of an array by where they belong, those that devices share but once."""
    return {str(shard.index): np.asarray(shard.data) for shard in array.addressable_shards}
