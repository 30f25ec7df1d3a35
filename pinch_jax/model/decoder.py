"""One decoder for all families, as two pure functions over a plain dict of arrays.

Axes, one letter each, in every einsum and shape comment:
B batch, T query position, S key position, D embed_dim, N query heads, K key-value heads,
G = N / K, H head_dim, F mlp_dim, V vocabulary, L layers.

`init`, `forward` and `unembed` are the public interface. Layers are stacked on a
leading L axis and run by `jax.lax.scan`, so that a deep model compiles as fast as a shallow one.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from pinch_jax.model.config import SAVE_EVERYTHING, SAVE_NOTHING, SAVE_PROJECTIONS
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.layers import (
    PROJECTED,
    Block,
    Embedder,
    Rope,
    Shard,
    dense,
    lookup,
    rotation,
    softcap,
)

# What a layer saves for its backward pass, which computes the rest again: memory against time.
_POLICIES: dict[str, Callable[..., Any]] = {
    # All that a derivative needs, also what each query sees of each key: the most memory.
    SAVE_EVERYTHING: jax.checkpoint_policies.everything_saveable,
    # What the projections return, from which the rest is cheap. Measured a third faster on a CPU
    # than reading everything back, and smaller.
    SAVE_PROJECTIONS: jax.checkpoint_policies.save_only_these_names(PROJECTED),
    # The stream between the layers alone: the whole forward pass runs once more.
    SAVE_NOTHING: jax.checkpoint_policies.nothing_saveable,
}


class Cache(NamedTuple):
    """Keys and values of the positions seen so far, each [L, B, S, K, H]."""

    keys: jax.Array
    values: jax.Array


class View(NamedTuple):
    """What the queries of one call see: masks [B, T, S], rotations, and where the keys go."""

    mask: jax.Array
    local_mask: jax.Array
    rope: Rope
    local_rope: Rope
    start: jax.Array | int


def no_sharding(x: jax.Array, axes: str) -> jax.Array:
    """Returns x: on one device there is nothing to constrain."""
    del axes
    return x


def init(config: DecoderConfig, key: jax.Array) -> Params:
    """Returns freshly drawn float32 parameters: {"layers": leaves [L, ...], "embedding": ...}."""

    def draw(module, key):
        return nnx.to_pure_dict(nnx.state(module(config, nnx.Rngs(params=key)), nnx.Param))

    ends_key, layers_key = jax.random.split(key)
    layer_keys = jax.random.split(layers_key, config.layers)
    layers = jax.vmap(functools.partial(draw, Block))(layer_keys)
    return draw(Embedder, ends_key) | {"layers": layers}


def abstract_params(config: DecoderConfig) -> Params:
    """Returns the shapes and dtypes of `init`'s result, computing nothing."""
    return jax.eval_shape(functools.partial(init, config), jax.random.key(0))


def is_vector(path: tuple[Any, ...]) -> bool:
    """Returns whether a path is that of a norm or a bias."""
    return jax.tree_util.keystr(path, simple=True, separator="/").endswith(("scale", "bias"))


def in_precision(params: Params, dtype: Any) -> Params:
    """Returns parameters for arithmetic in a dtype: matrices in it, norms and biases as they are.

    The sums and statistics that those take part in are in float32 whatever the dtype.
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, x: x if is_vector(path) else x.astype(dtype, copy=False), params
    )


@functools.cache
def _graph(module, config: DecoderConfig) -> nnx.GraphDef:
    return nnx.split(nnx.eval_shape(lambda: module(config, nnx.Rngs(0))))[0]


def init_cache(config: DecoderConfig, batch: int, length: int, dtype: Any) -> Cache:
    """Returns an empty cache for `length` positions."""
    shape = (config.layers, batch, length, config.kv_heads, config.head_dim)
    return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


def _view(config, positions, visible, distance, start) -> View:
    near = visible & (distance < config.window) if config.window else visible
    return View(
        mask=visible,
        local_mask=near,
        rope=rotation(positions, config.head_dim, config.rope_theta, config.rope_scaling),
        local_rope=rotation(
            positions, config.head_dim, config.rope_local_theta, config.rope_local_scaling
        ),
        start=start,
    )


def forward(
    config: DecoderConfig,
    params: Params,
    tokens: jax.Array,
    positions: jax.Array,
    segments: jax.Array,
    shard: Shard = no_sharding,
    remat_policy: str = SAVE_PROJECTIONS,
) -> jax.Array:
    """Returns the normalised hidden states [B, T, D] of packed rows.

    tokens, positions, segments: [B, T] int32. A position sees the earlier positions of its own
    segment and itself, nothing else. `remat_policy`: one of REMAT_POLICIES.
    """
    index = jnp.arange(tokens.shape[1])
    distance = index[:, None] - index[None, :]
    visible = (distance >= 0) & (segments[:, :, None] == segments[:, None, :])
    view = _view(config, positions, visible, distance, 0)
    policy = _POLICIES[remat_policy]
    return _layers(config, params, tokens, view, None, shard, policy)[0]


def forward_cached(
    config: DecoderConfig,
    params: Params,
    tokens: jax.Array,
    padding: jax.Array,
    start: jax.Array | int,
    cache: Cache,
    shard: Shard = no_sharding,
) -> tuple[jax.Array, Cache]:
    """Returns hidden states [B, T, D] of the tokens in slots start .. start + T, and the cache.

    Rows are padded on the left: the first `padding[b]` slots of row b hold nothing. All rows
    therefore write to the same slots, which is one slice instead of a scatter.
    """
    slot = start + jnp.arange(tokens.shape[1])
    key_slot = jnp.arange(cache.keys.shape[2])
    distance = slot[:, None] - key_slot[None, :]
    visible = (distance >= 0) & (key_slot >= padding[:, None])[:, None, :]
    positions = jnp.maximum(slot - padding[:, None], 0)
    view = _view(config, positions, visible, distance, start)
    return _layers(config, params, tokens, view, cache, shard)


def _layers(config, params, tokens, view: View, cache: Cache | None, shard, remat_policy=None):
    """Returns (hidden, cache) after embedding, all layers and the final norm."""
    outside = {name: array for name, array in params.items() if name != "layers"}
    embedder = nnx.merge(_graph(Embedder, config), outside)
    # Whole rows of the table on every device: moving activations to split rows would cost more.
    with jax.named_scope("embedding"):
        x = lookup(shard(embedder.embedding[...], "VD"), tokens)
    x = shard(x * math.sqrt(config.embed_dim) if config.scale_embeddings else x, "BTD")
    block_graph = _graph(Block, config)

    def layer(carry, scanned):
        x, cache = carry
        block_params, index, is_global = scanned
        mask, rope = view.mask, view.rope
        if config.window:
            mask = jnp.where(is_global, mask, view.local_mask)
            rope = jax.tree.map(lambda a, b: jnp.where(is_global, a, b), rope, view.local_rope)

        def remember(keys, values):
            nonlocal cache
            if cache is None:
                return keys, values
            place = (index, 0, view.start, 0, 0)
            cache = Cache(
                *(
                    jax.lax.dynamic_update_slice(old, new[None].astype(old.dtype), place)
                    for old, new in zip(cache, (keys, values), strict=True)
                )
            )
            return tuple(c[index] for c in cache)

        x = nnx.merge(block_graph, block_params)(x, mask, rope, remember, shard)
        return (x, cache), None

    if remat_policy:
        layer = jax.checkpoint(layer, policy=remat_policy)
    scanned = (params["layers"], jnp.arange(config.layers), jnp.array(config.global_layers))
    (x, cache), _ = jax.lax.scan(layer, (x, cache), scanned)
    return embedder.final_norm(x), cache


def unembed(config: DecoderConfig, params: Params, hidden: jax.Array) -> jax.Array:
    """Returns float32 logits [..., V] for hidden states [..., D]."""
    head = params["embedding"] if config.tied_embeddings else params["head"]
    with jax.named_scope("head"):
        return softcap(dense(hidden, head.T, dtype=jnp.float32), config.logit_softcap)
