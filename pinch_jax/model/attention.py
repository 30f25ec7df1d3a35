"""Attention in one function of three implementations: an einsum, a TPU kernel, a GPU kernel.

Every mask here is an interval: a query sees the keys from one index to another. That is what
implementations are told; none but the einsum makes an array [B, T, S] of it.
"""

import functools
import importlib
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from absl import logging
from jax.sharding import PartitionSpec as P

from pinch_jax.devices.mesh_config import AUTO, EINSUM, SPLASH, TOKAMAX
from pinch_jax.devices.sharding import Shard
from pinch_jax.errors import UserError
from pinch_jax.hosts.waiting import is_primary
from pinch_jax.model.families import DecoderConfig

# What a rematerialisation policy knows the results of projections and of attention by.
PROJECTED = "projected"
# Finite, so that no row becomes NaN.
MASKED = -1e30
# The kernel of each kind of device. Splash attention is jax's own: it is kept (jax 0.12 has fixes
# that 0.10 has not) and takes no other package; tokamax's is a younger copy of it.
KERNELS = {"tpu": SPLASH, "gpu": TOKAMAX}
# Queries and keys that splash attention works on at a time, at most and at least.
BLOCK, LANES = 512, 128


class Seen(NamedTuple):
    """The keys that each query sees: those from `first` to `last`, both included.

    first [B, T], last [T]: indices of keys, int32. `last` is the query's own, so that it sees at
    least itself. Without `is_global` it sees config.window keys at most, itself among them.
    begins [B, S]: `first` of all keys, for queries that are a part of them (`attend` sets it).
    keys [S]: the index of each key, where they do not lie in order.
    """

    first: jax.Array
    last: jax.Array
    is_global: jax.Array | bool = True
    begins: jax.Array | None = None
    keys: jax.Array | None = None


def attend(
    config: DecoderConfig,
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    seen: Seen,
    shard: Shard,
) -> jax.Array:
    """Returns what queries gather from the keys that they see: [B, T, N, H], in their dtype.

    q [B, T, N, H], already scaled; k, v [B, S, K, H]. The first N / K queries share the first key,
    and so on. Where the implementation of the mesh cannot do it, the einsum does.
    """
    name, why_not = choose(shard, q.shape[1], k.shape[1], q.dtype)
    if name != EINSUM or why_not:
        _tell(f"attention: {name}" + (f", since {why_not}" if why_not else ""))
    if name == EINSUM:
        return einsum(config, q, k, v, seen)
    # A kernel for TPUs that was asked for on a CPU is interpreted.
    interpret = shard.mesh.devices.flat[0].platform == "cpu"
    run = {SPLASH: functools.partial(splash, interpret=interpret), TOKAMAX: tokamax}[name]
    # The devices that share a row have some of its tokens before and after, and here some of its
    # heads: causal masks give each of them as much to do as the others, which parts of rows do not
    # (Jacobs et al. 2023, DeepSpeed Ulysses, arXiv 2309.14509). Few heads leave no other choice.
    queries, keys = shard.spec(q.shape, "BSMH"), shard.spec(k.shape, "BSMH")
    groups = q.shape[2] // k.shape[2]
    if not queries[2]:
        queries, keys = shard.spec(q.shape, "BTNH"), shard.spec(k.shape, "BSKH")

    def local(q, k, v, seen):
        if queries[2] and not keys[2]:
            # Every device holds all keys' heads, and its part of the queries' wants some of them.
            head = jax.lax.axis_index(queries[2]) * q.shape[2] + jnp.arange(q.shape[2])
            k, v = (jnp.take(x, head // groups, axis=2) for x in (k, v))
        return run(config, q, k, v, seen)

    out = jax.shard_map(
        local,
        mesh=shard.mesh,
        in_specs=(queries, keys, keys, Seen(P(*queries[:2]), P(queries[1]), P(), P(keys[0]))),
        out_specs=queries,
        check_vma=False,
    )(q, k, v, Seen(seen.first, seen.last, jnp.asarray(seen.is_global), seen.first))
    return shard(out, "BTNH")


@functools.cache
def _tell(what: str) -> None:
    """Says something once, in the first process; the command hides what is below a warning."""
    if is_primary():
        logging.warning("%s", what)


def choose(shard: Shard, queries: int, keys: int, dtype: jnp.dtype) -> tuple[str, str]:
    """Returns the implementation for so many queries and keys a row, and why it is not the kernel.

    That is "" where it is the kernel, and where none was asked for.
    """
    if shard.mesh is None or shard.attention == EINSUM:
        return EINSUM, ""
    device = shard.mesh.devices.flat[0]
    name = KERNELS.get(device.platform, EINSUM) if shard.attention == AUTO else shard.attention
    if name == EINSUM:
        return EINSUM, ""
    if queries != keys:
        return EINSUM, "keys come from a cache"
    lanes = LANES * shard.mesh.shape["context"]
    why_not = _not_splash(device, queries, lanes) if name == SPLASH else _not_tokamax(device, dtype)
    return (EINSUM, why_not) if why_not else (name, "")


def check_attention(shard: Shard, row_tokens: int, dtype: str) -> None:
    """Raises UserError where the implementation that was asked for cannot do rows of a batch."""
    _, why_not = choose(shard, row_tokens, row_tokens, jnp.dtype(dtype))
    if why_not and shard.attention != AUTO:
        raise UserError(
            f"config.mesh.attention={shard.attention!r} cannot run: {why_not}; set it to 'auto'"
        )


def _not_splash(device: jax.Device, tokens: int, lanes: int) -> str:
    if device.platform not in ("tpu", "cpu"):
        return f"splash attention is for TPUs, and this is a {device.platform}"
    return f"rows of {tokens} tokens are no multiple of {lanes}" if tokens % lanes else ""


def _not_tokamax(device: jax.Device, dtype: jnp.dtype) -> str:
    capability = float(getattr(device, "compute_capability", 0))
    # Its kernels for older ones make a mask of all pairs for the gradient, and have no soft caps.
    if device.platform != "gpu" or not 9 <= capability < 11:
        return (
            f"tokamax's kernels are for GPUs from Hopper to Blackwell, not for {device.device_kind}"
        )
    if dtype not in (jnp.bfloat16, jnp.float16):
        return f"tokamax's kernels do no arithmetic in {dtype}"
    try:
        importlib.import_module("tokamax")
    except ImportError as error:
        return f"tokamax does not load ({error}); install pinch_jax[gpu]"
    return ""


def softcap(x: jax.Array, cap: float) -> jax.Array:
    """Returns x squashed smoothly to (-cap, cap); x itself for a cap of 0."""
    return cap * jnp.tanh(x / cap) if cap else x


def first_seen(config: DecoderConfig, seen: Seen) -> jax.Array:
    """Returns the first key [B, T] that each query sees in this layer, by its window too."""
    if not config.window:
        return seen.first
    near = jnp.maximum(seen.first, seen.last - (config.window - 1))
    return jnp.where(seen.is_global, seen.first, near)


def einsum(
    config: DecoderConfig, q: jax.Array, k: jax.Array, v: jax.Array, seen: Seen
) -> jax.Array:
    """Returns `attend`'s result: the reference, on any device, also with a cache."""
    grouped = q.reshape(*q.shape[:2], k.shape[2], -1, q.shape[3])
    logits = jnp.einsum("BTKGH,BSKH->BKGTS", grouped, k, preferred_element_type=jnp.float32)
    logits = softcap(logits, config.attention_softcap)
    key = jnp.arange(k.shape[1]) if seen.keys is None else seen.keys
    mask = (key >= first_seen(config, seen)[..., None]) & (key <= seen.last[:, None])
    logits = jnp.where(mask[:, None, None], logits, MASKED)
    weights = jax.nn.softmax(logits, axis=-1).astype(q.dtype)
    # In this order the product reads the values as they lie; to BTKGH it copies them first.
    return jnp.einsum("BKGTS,BSKH->BKGTH", weights, v).transpose(0, 3, 1, 2, 4).reshape(q.shape)


def splash(
    config: DecoderConfig,
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    seen: Seen,
    interpret: bool = False,
) -> jax.Array:
    """Returns `attend`'s result by splash attention.

    Queries are the same positions as the keys, or the n-th part of them. Where a segment begins is
    its id to the kernel, whose masks are causal and static: a layer is one of two kernels,
    whichever its window wants.
    """
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    (tokens, heads), keys = q.shape[1:3], k.shape[1]
    parts, block = keys // tokens, math.gcd(tokens, BLOCK)
    names = ("q", "kv", "kv_compute", "q_dkv", "kv_dkv", "kv_dkv_compute", "q_dq", "kv_dq")
    ids = kernels.SegmentIds(seen.first, seen.first if seen.begins is None else seen.begins)
    q, k, v = (x.swapaxes(1, 2) for x in (q, k, v))

    def own_part(x):
        """Returns what a kernel knows of these queries: the rows of [1, Q, S] or of [Q]."""
        axis, size = x.ndim // 2, x.shape[x.ndim // 2] // parts
        return jax.lax.dynamic_slice_in_dim(x, seen.last[0] // tokens * size, size, axis)

    def run(mask):
        kernel = kernels.make_splash_mha(
            masks.MultiHeadMask([mask] * heads),
            # Its gradient in two kernels: in one it holds those of the queries once a block of
            # keys in float32, and goes over blocks that no window reaches.
            block_sizes=kernels.BlockSizes(**{f"block_{name}": block for name in names}),
            head_shards=1,
            q_seq_shards=parts,
            attn_logits_soft_cap=config.attention_softcap or None,
            residual_checkpoint_name=PROJECTED,
            interpret=interpret,
        )
        return jax.vmap(jax.tree.map(own_part, kernel) if parts > 1 else kernel)(q, k, v, ids)

    causal = masks.CausalMask((keys, keys))
    if not config.window:
        return run(causal).swapaxes(1, 2)
    local = masks.LocalMask((keys, keys), (config.window - 1, 0), 0)
    out = jax.lax.cond(seen.is_global, lambda: run(causal), lambda: run(local))
    return out.swapaxes(1, 2)


def tokamax(
    config: DecoderConfig, q: jax.Array, k: jax.Array, v: jax.Array, seen: Seen
) -> jax.Array:
    """Returns `attend`'s result by tokamax's kernel for GPUs from Hopper on."""
    # What it publishes takes masks of all pairs alone; the release is pinned in setup.py.
    from tokamax._src.ops.attention import api, base

    seen_keys = base.Mask(
        k_start=first_seen(config, seen)[:, None], k_end=(seen.last + 1)[None, None]
    )
    return api.IMPLEMENTATIONS["mosaic_gpu"](
        q,
        k,
        v,
        mask=seen_keys,
        logits_scale=1.0,
        logits_soft_cap=config.attention_softcap or None,
    )
