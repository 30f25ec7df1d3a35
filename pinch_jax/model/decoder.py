"""One decoder for all families, as two pure functions over a plain dict of arrays.

Axes, one letter each, in every einsum and shape comment:
B batch, T query position, S key position, D embed_dim, N query heads, K key-value heads,
G = N / K, H head_dim, F mlp_dim, V vocabulary, L layers.

`init`, `forward` and `unembed` are the public interface. Layers are stacked on a
leading L axis and run by `jax.lax.scan`, so that a deep model compiles as fast as a shallow one.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from pinch_jax.devices.mesh import path_name
from pinch_jax.devices.sharding import Shard, no_sharding
from pinch_jax.model.attention import PROJECTED, Seen, softcap
from pinch_jax.model.cache import Cache
from pinch_jax.model.config import SAVE_EVERYTHING, SAVE_NOTHING, SAVE_PROJECTIONS
from pinch_jax.model.embedder import Embedder
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.layers import Block, Given, dense
from pinch_jax.model.rotary import Rope, rotation
from pinch_jax.model.stacks import Kind, Stretch, kinds, listed, outside, sources, stacks, stretches

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
    """Returns freshly drawn float32 parameters: {"layers": leaves [L, ...], "embedding": ...}.

    Where layers are of several kinds, each has a stack, by its name (`stacks.py`).
    """

    def draw(module, key):
        made = module(config, rngs=nnx.Rngs(params=key))
        return nnx.to_pure_dict(nnx.state(made, nnx.Param))

    ends_key, layers_key = jax.random.split(key)
    keys, params = jax.random.split(layers_key, config.layers), draw(Embedder, ends_key)
    for kind, numbers in stacks(config).items():
        block = functools.partial(Block, kind=kind)
        params[kind.name] = jax.vmap(functools.partial(draw, block))(keys[jnp.array(numbers)])
    return params


@functools.cache
def _abstract_params(config: DecoderConfig) -> tuple[list[jax.ShapeDtypeStruct], Any]:
    return jax.tree.flatten(jax.eval_shape(functools.partial(init, config), jax.random.key(0)))


def abstract_params(config: DecoderConfig) -> Params:
    """Returns the shapes and dtypes of `init`'s result, computing nothing."""
    leaves, structure = _abstract_params(config)
    return jax.tree.unflatten(structure, leaves)  # a tree of the caller's own


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
def _graph(module, config: DecoderConfig, *kind: Kind) -> nnx.GraphDef:
    return nnx.split(nnx.eval_shape(lambda: module(config, *kind, nnx.Rngs(0))))[0]


def _view(c: DecoderConfig, positions: jax.Array, first: jax.Array, last: jax.Array) -> View:
    return View(
        first=first,
        last=last,
        rope=rotation(positions, c.global_head_dim or c.head_dim, c.rope_theta, c.rope_scaling),
        local_rope=rotation(positions, c.head_dim, c.rope_local_theta, c.rope_local_scaling),
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
    embedder = nnx.merge(_graph(Embedder, config), outside(config, params))
    x, embedded = embedder.embed(tokens, shard)
    run = _layer(config, _view(config, positions, first, index), shard)
    flags = (jnp.array(each) for each in (config.global_layers, config.rotated_layers))
    given, left = Given(*flags, embedded), {kind.name: 0 for kind in kinds(config)}
    # Keys and values that later layers may share: those of the last layer of either reach.
    kept = {}
    if config.sharing_layers:
        for kind in kinds(config):
            shape = (*tokens.shape, kind.kv_heads, kind.head_dim)
            kept[kind.is_global] = 2 * (shard(jnp.zeros(shape, x.dtype), "BSKH"),)

    for stretch in stretches(config):
        weights = []
        for kind, count in stretch.unit:
            begin = left[kind.name]
            left[kind.name] += count * stretch.repeats
            part = slice(begin, left[kind.name])
            weights.append(_folded(params[kind.name], part, stretch.repeats, count > 1))
        part = slice(stretch.first, stretch.first + stretch.period * stretch.repeats)
        scanned = weights, _folded(given, part, stretch.repeats)
        x, kept = _scan(run, stretch, x, kept, scanned, _POLICIES[remat_policy])
    return embedder(x)


def _folded(stack: Any, part: slice, repeats: int, fold: bool = True) -> Any:
    """Returns a part of arrays [L, ...] as [repeats, layers, ...], without that axis if not."""

    def one(array):
        array = array[part]
        return array.reshape(repeats, -1, *array.shape[1:]) if fold else array

    return jax.tree.map(one, stack)


def _scan(
    run: Callable[..., jax.Array],
    stretch: Stretch,
    x: jax.Array,
    kept: dict[bool, Any],
    scanned: Any,
    policy: Callable[..., Any],
) -> tuple[jax.Array, dict[bool, Any]]:
    """Returns the stream after a stretch of layers, and the keys and values to be shared."""
    shares = stretch.unit[0][0].shares

    def layer(kind, carry, weights, given):
        x, known = carry

        def remember(*news):
            if not shares and known:
                known.update({kind.is_global: news})
            return news or kept[kind.is_global]

        known = dict(known)
        return run(kind, x, weights, given, remember), known

    def unit(carry, scanned):
        weights, given = scanned
        at = 0
        for (kind, count), stack in zip(stretch.unit, weights, strict=True):
            step = jax.checkpoint(functools.partial(layer, kind), policy=policy)
            own = jax.tree.map(lambda each, at=at, end=at + count: each[at:end], given)
            if count == 1:
                carry = step(carry, stack, jax.tree.map(lambda each: each[0], own))
            else:
                carry, _ = jax.lax.scan(
                    lambda c, s, step=step: (step(c, *s), None), carry, (stack, own)
                )
            at += count
        return carry, None

    # What a stretch only reads, it does not carry: its backward pass then keeps it once.
    (x, known), _ = jax.lax.scan(unit, (x, {} if shares else kept), scanned)
    return x, kept if shares else known


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
    params = listed(config, params)
    embedder = nnx.merge(_graph(Embedder, config), outside(config, params))
    x, embedded = embedder.embed(tokens, shard)
    run, held, sees = _layer(config, view, shard), [], sources(config)
    each = zip(kinds(config), config.global_layers, config.rotated_layers, strict=True)
    for number, (kind, *flags) in enumerate(each):
        source = sees[number]

        def remember(*news, source=source):
            if news:
                held.append(cache.put(source, start, *news) if cache else news)
            return held[source]

        keys = cache.times(source, times[-1]) if cache else None
        given = Given(*flags, None if embedded is None else embedded[number])
        x = run(kind, x, params["layers"][number], given, remember, keys)
    return embedder(x), Cache(*zip(*held, strict=True))


def _layer(config: DecoderConfig, view: View, shard: Shard) -> Callable[..., jax.Array]:
    """Returns what runs a layer: (kind, x, its parameters, given, remember, keys) -> x."""

    def run(kind, x, weights, given, remember=lambda *news: news, keys=None):
        # Known while it is traced where it decides shapes.
        is_global = given.is_global if kind.is_global is None else kind.is_global
        seen, rope = Seen(view.first, view.last, is_global, keys=keys), view.rope
        if kind.is_global is False:
            rope = view.local_rope
        elif kind.is_global is None and config.window:
            rope = jax.tree.map(lambda a, b: jnp.where(is_global, a, b), rope, view.local_rope)
        if config.unrotated_pattern:
            pairs = zip(rope, (0, 1), strict=True)
            rope = tuple(jnp.where(given.is_rotated, a, b) for a, b in pairs)
        block = nnx.merge(_graph(Block, config, kind), weights)
        return block(x, seen, rope, remember, given.embedded, shard)

    return run


def unembed(config: DecoderConfig, params: Params, hidden: jax.Array) -> jax.Array:
    """Returns float32 logits [..., V] for hidden states [..., D]."""
    with jax.named_scope("head"):
        logits = dense(hidden, head(config, params).T, dtype=jnp.float32)
        return softcap(logits, config.logit_softcap)


def head(config: DecoderConfig, params: Params) -> jax.Array:
    """Returns the output head [V, D]."""
    return params["embedding"] if config.tied_embeddings else params["head"]
