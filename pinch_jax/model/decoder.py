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

from pinch_jax.mesh import Shard
from pinch_jax.model.attention import PROJECTED, Seen, softcap
from pinch_jax.model.config import SAVE_EVERYTHING, SAVE_NOTHING, SAVE_PROJECTIONS
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.layers import Block, Embedder, Rope, dense, lookup, rotation

# On one device there is nothing to constrain.
no_sharding = Shard()

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
    """Keys and values of the positions seen so far: each [L, B, S, K, H], or one a layer."""

    keys: jax.Array | tuple[jax.Array, ...]
    values: jax.Array | tuple[jax.Array, ...]

    def listed(self) -> "Cache":
        """Returns the same with the layers one by one."""
        return Cache(*(tuple(stack) for stack in self))


class View(NamedTuple):
    """What the queries of one call see: keys first [B, T] .. last [T], rotations, keys' place."""

    first: jax.Array
    last: jax.Array
    rope: Rope
    local_rope: Rope
    start: jax.Array | int


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


def _view(config, positions, first, last, start) -> View:
    return View(
        first=first,
        last=last,
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

    tokens, positions, segments: [B, T] int32. A segment is a run of equal numbers, as packing
    makes them. A position sees the earlier positions of its own segment and itself, nothing else.
    `remat_policy`: one of REMAT_POLICIES.
    """
    index = jnp.arange(tokens.shape[1], dtype=jnp.int32)
    begins = segments != jnp.roll(segments, 1, axis=1)
    first = jax.lax.cummax(jnp.where(begins, index, 0), axis=1)
    view = _view(config, positions, first, index, 0)
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

    `params["layers"]` may be a tuple of those of each layer, as the cache then is.

    Rows are padded on the left: the first `padding[b]` slots of row b hold nothing. All rows
    therefore write to the same slots, which is one slice instead of a scatter.
    """
    slot = start + jnp.arange(tokens.shape[1], dtype=jnp.int32)
    positions = jnp.maximum(slot - padding[:, None], 0)
    # A slot of padding sees itself, so that no query sees nothing.
    first = jnp.minimum(padding[:, None], slot)
    view = _view(config, positions, first, slot, start)
    return _layers(config, params, tokens, view, cache, shard)


def _layers(config, params, tokens, view: View, cache: Cache | None, shard, remat_policy=None):
    """Returns (hidden, cache) after embedding, all layers and the final norm."""
    outside = {name: array for name, array in params.items() if name != "layers"}
    embedder = nnx.merge(_graph(Embedder, config), outside)
    # Each device looks up its columns for the tokens of a whole group: what is moved then are
    # rows of activations, and neither the table nor its gradient.
    with jax.named_scope("embedding"):
        x = shard(lookup(shard(embedder.embedding[...], "VC"), shard(tokens, "GS")), "GSC")
    # From columns to tokens, then to rows: XLA knows no way to do both at once.
    x = shard(x, "GTE")
    x = shard(x * math.sqrt(config.embed_dim) if config.scale_embeddings else x, "BTD")
    block_graph = _graph(Block, config)

    def run(x, block_params, is_global, remember):
        seen, rope = Seen(view.first, view.last, is_global), view.rope
        if config.window:
            rope = jax.tree.map(lambda a, b: jnp.where(is_global, a, b), rope, view.local_rope)
        return nnx.merge(block_graph, block_params)(x, seen, rope, remember, shard)

    def layer(carry, scanned):
        x, cache = carry
        block_params, index, is_global = scanned

        def remember(*news):
            nonlocal cache
            if cache is None:
                return news
            cache = Cache(*(put(c, n[None], index) for c, n in zip(cache, news, strict=True)))
            return tuple(c[index] for c in cache)

        return (run(x, block_params, is_global, remember), cache), None

    def put(old, new, *index):
        place = (*index, 0, view.start, 0, 0)
        return jax.lax.dynamic_update_slice(old, new.astype(old.dtype), place)

    if isinstance(params["layers"], tuple):
        # As many programs as layers, each of which reads its weights where they are.
        seen_so_far = []
        for *pair, block_params, is_global in zip(
            *cache, params["layers"], config.global_layers, strict=True
        ):

            def remember(*news, pair=pair):
                seen_so_far.append([put(c, n) for c, n in zip(pair, news, strict=True)])
                return seen_so_far[-1]

            x = run(x, block_params, is_global, remember)
        return embedder.final_norm(x), Cache(*zip(*seen_so_far, strict=True))

    if remat_policy:
        layer = jax.checkpoint(layer, policy=remat_policy)
    scanned = (params["layers"], jnp.arange(config.layers), jnp.array(config.global_layers))
    (x, cache), _ = jax.lax.scan(layer, (x, cache), scanned)
    return embedder.final_norm(x), cache


def unembed(config: DecoderConfig, params: Params, hidden: jax.Array) -> jax.Array:
    """Returns float32 logits [..., V] for hidden states [..., D]."""
    with jax.named_scope("head"):
        logits = dense(hidden, head(config, params).T, dtype=jnp.float32)
        return softcap(logits, config.logit_softcap)


def head(config: DecoderConfig, params: Params) -> jax.Array:
    """Returns the output head [V, D]."""
    return params["embedding"] if config.tied_embeddings else params["head"]
