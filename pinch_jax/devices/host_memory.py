"""Arrays in the memory of hosts: those that wait there, and parts of them that are no copies."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


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


def fetched_rows(array: Any, first: int, count: int, wanted: bool = True) -> np.ndarray | None:
    """Returns rows `first` .. of an array as numpy; None where they are not wanted.

    An array of several processes is asked for by all of them at once, and only these rows are
    gathered; of any other, such as a `StoredParameter`, they are read where they are wanted.
    """
    if isinstance(array, jax.Array):
        mesh = None if array.is_fully_addressable else array.sharding.mesh
        # Waited for: else a device holds what was asked for last as well.
        array = _rows_on(mesh)(array, first, count).block_until_ready()
        return np.asarray(array) if wanted else None
    return np.asarray(array[first : first + count]) if wanted else None


@functools.cache
def _rows_on(mesh: Mesh | None) -> Any:
    """Returns what takes rows of an array that lies on a mesh, whole to each of its devices."""

    def rows(array, first, count):
        # As bits: rows that are split over devices are summed with zeros, and -0.0 + 0.0 is 0.0.
        bits = jax.lax.bitcast_convert_type(array, f"uint{8 * array.dtype.itemsize}")
        taken = jnp.take(bits, first + jnp.arange(count), axis=0, mode="clip")
        return jax.lax.bitcast_convert_type(taken, array.dtype)

    sharding = mesh and NamedSharding(mesh, PartitionSpec())
    return jax.jit(rows, static_argnums=2, out_shardings=sharding)


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
