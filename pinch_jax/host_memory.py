"""Arrays in the memory of hosts: those that wait there, and parts of them that are no copies."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh


class HostCopy:
    """A tree of arrays on a mesh that waits, so that devices have room for what works.

    Each process has the parts that its own devices held.
    """

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


def listed_layers(mesh: Mesh, layers: Any) -> tuple[Any, ...] | None:
    """Returns the parameters of each layer of a stack [L, ...], or None where that takes a copy.

    A program on a CPU copies each layer out of a stack before it reads it. On one CPU device these
    are views: while one is held, a program that is given the stack for good works on a copy of it.
    """
    if mesh.size > 1 or mesh.devices.flat[0].platform != "cpu":
        return None
    leaves, structure = jax.tree.flatten(layers)
    stacks = [np.from_dlpack(leaf) for leaf in leaves]
    each = zip(*stacks, strict=True)
    views = [[jax.device_put(part, may_alias=True) for part in parts] for parts in each]
    return tuple(jax.tree.unflatten(structure, parts) for parts in views)
