"""Keys and values of what a decoder has seen, and where each of them lies."""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinch_jax.devices.sharding import Shard, no_sharding
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.stacks import kinds


class Cache(NamedTuple):
    """Keys and values that were seen before, those of each layer that has its own [B, S, K, H].

    The S slots of a layer are a ring: what belongs to time t is in slot t % S, over what was there
    S before. A layer that sees a window has no more slots than that.
    """

    keys: tuple[jax.Array, ...]
    values: tuple[jax.Array, ...]

    def times(self, layer: int, newest: jax.Array) -> jax.Array:
        """Returns the time [S] that each slot of a layer holds, `newest` being the last."""
        slots = self.keys[layer].shape[1]
        return newest - (newest - jnp.arange(slots)) % slots

    def put(
        self, layer: int, start: jax.Array, keys: jax.Array, values: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns a layer's keys and values with new ones [B, T, K, H] from time `start` on."""

        def put(old, new):
            place = 0, start % old.shape[1], 0, 0
            return jax.lax.dynamic_update_slice(old, new.astype(old.dtype), place)

        return put(self.keys[layer], keys), put(self.values[layer], values)

    def insert(self, fresh: "Cache", source: jax.Array, end: jax.Array) -> "Cache":
        """Returns a cache in which some rows have what another has, its last at time end - 1.

        The rows of `fresh`, whose slots are in order, and our own are in G groups. source [G, rows]
        says which of the n rows of a group of `fresh` each of ours takes: none from n on.
        """
        groups = len(source)

        def put(old, fresh):
            slots, width = old.shape[1], min(old.shape[1], fresh.shape[1])
            new = jnp.pad(fresh[:, -width:], ((0, 0), (0, slots - width), (0, 0), (0, 0)))
            new = jnp.roll(new, (end - width) % slots, axis=1)
            new = taken(new.reshape(groups, -1, *new.shape[1:]), source)
            # Not by groups, as of the rows: that takes a copy of the cache.
            takes = (source < fresh.shape[0] // groups).reshape(-1, 1, 1, 1)
            return jnp.where(takes, new.reshape(old.shape), old)

        return jax.tree.map(put, self, fresh)


@jax.vmap
def taken(x: jax.Array, place: jax.Array) -> jax.Array:
    """Returns, in each group, what x has at these places; the last for those behind it."""
    return x.at[place].get(mode="clip")


def init_cache(
    config: DecoderConfig, rows: int, length: int, dtype: Any, shard: Shard = no_sharding
) -> Cache:
    """Returns an empty cache for texts of `length` tokens."""

    def empty(kind, is_global):
        slots = length if is_global else min(length, config.window)
        return shard(jnp.zeros((rows, slots, kind.kv_heads, kind.head_dim), dtype), "BSKH")

    layers = zip(kinds(config), config.global_layers, strict=True)
    own = [layer for layer in layers if not layer[0].shares]
    return Cache(*(tuple(itertools.starmap(empty, own)) for _ in Cache._fields))
