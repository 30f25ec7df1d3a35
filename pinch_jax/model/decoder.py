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

from pinch_jax.mesh import path_name
from pinch_jax.model.attention import PROJECTED, Seen, softcap
from pinch_jax.model.cache import Cache
from pinch_jax.model.config import SAVE_EVERYTHING, SAVE_NOTHING, SAVE_PROJECTIONS
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.layers import Block, Embedder, dense, lookup
from pinch_jax.model.rotary import Rope, rotation
from pinch_jax.sharding import Shard, no_sharding

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


class View(NamedTuple):
    """What the queries of one call see: keys first [B, T] .. last [T], and rotations."""

    first: jax.Array
    last: jax.Array
    rope: Rope
    local_rope: Rope


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
    """Returns whether a path is that of a norm, a bias or what an activation has learnt."""
    name = path_name(path)
    return name.endswith(("scale", "bias")) or "/activation/" in name


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


def listed(params: Params) -> Params:
    """Returns parameters with those of each layer one by one, in a tuple."""
    layers = params["layers"]
    if isinstance(layers, tuple):
        return params
    count = len(jax.tree.leaves(layers)[0])
    each = (jax.tree.map(lambda stack, n=n: stack[n], layers) for n in range(count))
    return params | {"layers": tuple(each)}


def _view(config: DecoderConfig, positions: jax.Array, first: jax.Array, last: jax.Array) -> View:
    return View(
        first=first,
        last=last,
        rope=rotation(positions, config.head_dim, config.rope_theta, config.rope_scaling),
        local_rope=rotation(
            positions, config.head_dim, config.rope_local_theta, config.rope_local_scaling
        ),
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
    embedder, x = _embedded(config, params, tokens, shard)
    run = _layer(config, _view(config, positions, first, index), shard)

    def layer(x, scanned):
        return run(x, *scanned), None

    kinds = config.global_layers, config.rotated_layers
    scanned = params["layers"], tuple(map(jnp.array, kinds))
    x, _ = jax.lax.scan(jax.checkpoint(layer, policy=_POLICIES[remat_policy]), x, scanned)
    return embedder(x)


def forward_cached(
    config: DecoderConfig,
    params: Params,
    tokens: jax.Array,
    begins: jax.Array,
    start: jax.Array | int = 0,
    cache: Cache | None = None,
    shard: Shard = no_sharding,
) -> tuple[jax.Array, Cache]:
    """Returns hidden states [B, T, D] of the tokens at times start .. start + T, and the cache.

    The text of row b begins at time `begins[b]`; what stands before is padding. All rows write to
    the same slots, which is one slice instead of a scatter, and not around the end of the ring.
    Without a cache nothing was seen before, and that of these tokens comes back.

    The layers run one by one, also where they are stacked: in a scan, each would be copied out of
    the stacks of weights and cache before it is read, which takes as long as the reading.
    """
    times = start + jnp.arange(tokens.shape[1], dtype=jnp.int32)
    positions = jnp.maximum(times - begins[:, None], 0)
    # What is padding sees itself, so that no query sees nothing.
    view = _view(config, positions, jnp.minimum(begins[:, None], times), times)
    embedder, x = _embedded(config, params, tokens, shard)
    run, held = _layer(config, view, shard), []
    layers = listed(params)["layers"]
    kinds = zip(config.global_layers, config.rotated_layers, strict=True)
    for number, (block_params, kind) in enumerate(zip(layers, kinds, strict=True)):

        def remember(*news, number=number):
            held.append(cache.put(number, start, *news) if cache else news)
            return held[-1]

        keys = cache.times(number, times[-1]) if cache else None
        x = run(x, block_params, kind, remember, keys)
    return embedder(x), Cache(*zip(*held, strict=True))


def _embedded(
    config: DecoderConfig, params: Params, tokens: jax.Array, shard: Shard
) -> tuple[Embedder, jax.Array]:
    """Returns what stands around the layers, and what goes into the first: [B, T, D]."""
    outside = {name: array for name, array in params.items() if name != "layers"}
    embedder = nnx.merge(_graph(Embedder, config), outside)
    # Each device looks up its columns for the tokens of a whole group: what is moved then are
    # rows of activations, and neither the table nor its gradient.
    with jax.named_scope("embedding"):
        x = shard(lookup(shard(embedder.embedding[...], "VC"), shard(tokens, "GS")), "GSC")
    # From columns to tokens, then to rows: XLA knows no way to do both at once.
    x = shard(x, "GTE")
    return embedder, shard(x * math.sqrt(config.embed_dim) if config.scale_embeddings else x, "BTD")


def _layer(config: DecoderConfig, view: View, shard: Shard) -> Callable[..., jax.Array]:
    """Returns what runs a layer: (x, its parameters, its kind, remember, keys) -> x.

    A kind says whether it sees all keys, and whether it rotates them.
    """
    graph = _graph(Block, config)

    def run(x, block_params, kind, remember=lambda *news: news, keys=None):
        is_global, is_rotated = kind
        seen, rope = Seen(view.first, view.last, is_global, keys=keys), view.rope
        if config.window:
            rope = jax.tree.map(lambda a, b: jnp.where(is_global, a, b), rope, view.local_rope)
        if config.unrotated_pattern:
            rope = tuple(jnp.where(is_rotated, a, b) for a, b in zip(rope, (0, 1), strict=True))
        return nnx.merge(graph, block_params)(x, seen, rope, remember, shard)

    return run


def unembed(config: DecoderConfig, params: Params, hidden: jax.Array) -> jax.Array:
    """Returns float32 logits [..., V] for hidden states [..., D]."""
    with jax.named_scope("head"):
        logits = dense(hidden, head(config, params).T, dtype=jnp.float32)
        return softcap(logits, config.logit_softcap)


def head(config: DecoderConfig, params: Params) -> jax.Array:
    """Returns the output head [V, D]."""
    return params["embedding"] if config.tied_embeddings else params["head"]
