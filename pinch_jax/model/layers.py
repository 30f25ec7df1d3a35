"""The parts of a decoder as Flax modules: they hold parameters, and nothing else.

Axes are those of `decoder.py`. `mask` [B, T, S] says what a query sees, `rope` how positions
turn it, `remember` (keys, values) -> (keys, values) adds what a cache knows, and `shard` pins
an activation to the mesh; none of them is kept.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from pinch_jax.model.families import DecoderConfig, RopeScaling

# Called on every large activation with its axes ("BTD"); the mesh decides what that means.
Shard = Callable[[jax.Array, str], jax.Array]
Rope = tuple[jax.Array, jax.Array]
Remember = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]

# Finite, so that a row with nothing to attend to stays free of NaN.
MASKED = -1e30


class RMSNorm(nnx.Module):
    """Root-mean-square normalisation over the last axis, computed in float32."""

    def __init__(self, size: int, config: DecoderConfig):
        self.offset = float(config.norm_offset)
        self.epsilon = config.norm_epsilon
        self.scale = nnx.Param(jnp.full(size, 1.0 - self.offset, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns x [..., size], normalised, in its own dtype."""
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + self.epsilon)
        return (y * (self.offset + self.scale[...])).astype(x.dtype)


def rotation(
    positions: jax.Array, head_size: int, base: float, scaling: RopeScaling | None = None
) -> Rope:
    """Returns the sines and cosines of rotary embeddings, each [B, T, H/2], in float32.

    Source: Su et al. 2021, RoFormer, arXiv 2104.09864, eq. 34, halves instead of pairs.
    """
    frequency = base ** (-jnp.arange(0, head_size, 2, dtype=jnp.float32) / head_size)
    if scaling:
        frequency = frequency * lowering(scaling, frequency)
    angle = positions[..., None].astype(jnp.float32) * frequency
    return jnp.sin(angle), jnp.cos(angle)


def lowering(scaling: RopeScaling, frequency: jax.Array) -> jax.Array | float:
    """Returns what rotary frequencies [H/2] (radians a position) are multiplied by.

    Source: Chen et al. 2023, Positional Interpolation, arXiv 2306.15595, for "linear"; Llama 3.1's
    reference code for "llama3".
    """
    if scaling.kind == "linear":
        return 1.0 / scaling.factor
    turns = scaling.original_tokens * frequency / (2 * math.pi)
    kept = (turns - scaling.low_turns) / (scaling.high_turns - scaling.low_turns)
    kept = jnp.clip(kept, 0.0, 1.0)
    return kept + (1.0 - kept) / scaling.factor


def rotate(x: jax.Array, rope: Rope) -> jax.Array:
    """Returns x [B, T, heads, H] turned by its positions."""
    sin, cos = (r[:, :, None, :].astype(x.dtype) for r in rope)
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def softcap(x: jax.Array, cap: float) -> jax.Array:
    """Returns x squashed smoothly to (-cap, cap); x itself for a cap of 0."""
    return cap * jnp.tanh(x / cap) if cap else x


def kernel(rngs: nnx.Rngs, shape: tuple[int, ...], fan_in: int) -> nnx.Param:
    """Returns a weight drawn from a normal distribution of variance 1 / fan_in."""
    return nnx.Param(jax.random.normal(rngs.params(), shape) / math.sqrt(fan_in))


def dense(x: jax.Array, w: jax.Array) -> jax.Array:
    """Returns x [..., I] @ w [I, O]: [..., O].

    The leading axes are made one first: the gradient of a product over several batch axes is
    strided reading to XLA on a CPU (tests/benchmarks/dense.py shows what that costs).
    """
    return (x.reshape(-1, x.shape[-1]) @ w).reshape(*x.shape[:-1], w.shape[-1])


def project(x: jax.Array, w: jax.Array) -> jax.Array:
    """Returns x [B, T, D] projected by w [D, N, H] to heads: [B, T, N, H]."""
    return dense(x, w.reshape(w.shape[0], -1)).reshape(*x.shape[:-1], *w.shape[1:])


class Attention(nnx.Module):
    """Grouped-query attention with rotary positions, over the keys that a mask allows."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
        c = self.config = config
        self.query = kernel(rngs, (c.width, c.heads, c.head_size), c.width)
        self.key = kernel(rngs, (c.width, c.kv_heads, c.head_size), c.width)
        self.value = kernel(rngs, (c.width, c.kv_heads, c.head_size), c.width)
        self.output = kernel(rngs, (c.heads, c.head_size, c.width), c.heads * c.head_size)
        if c.qkv_bias:
            self.query_bias = nnx.Param(jnp.zeros((c.heads, c.head_size)))
            self.key_bias = nnx.Param(jnp.zeros((c.kv_heads, c.head_size)))
            self.value_bias = nnx.Param(jnp.zeros((c.kv_heads, c.head_size)))
        if c.qk_norm:
            self.query_norm = RMSNorm(c.head_size, c)
            self.key_norm = RMSNorm(c.head_size, c)

    def __call__(
        self, x: jax.Array, mask: jax.Array, rope: Rope, remember: Remember, shard: Shard
    ) -> jax.Array:
        """Returns what each position of x [B, T, D] gathers from those it sees: [B, T, D]."""
        c = self.config
        q = project(x, self.query[...])
        k = project(x, self.key[...])
        v = project(x, self.value[...])
        if c.qkv_bias:
            q, k, v = q + self.query_bias[...], k + self.key_bias[...], v + self.value_bias[...]
        if c.qk_norm:
            q, k = self.query_norm(q), self.key_norm(k)
        q = shard(rotate(q * c.attention_scale, rope), "BTNH")
        k, v = shard(rotate(k, rope), "BSKH"), shard(v, "BSKH")
        k, v = remember(k, v)
        q = q.reshape(*q.shape[:2], c.kv_heads, c.groups, c.head_size)
        logits = softcap(jnp.einsum("BTKGH,BSKH->BKGTS", q, k), c.attention_softcap)
        logits = jnp.where(mask[:, None, None], logits.astype(jnp.float32), MASKED)
        weights = jax.nn.softmax(logits, axis=-1).astype(x.dtype)
        # In this order the product reads the values as they lie; to BTKGH it copies them first.
        out = jnp.einsum("BKGTS,BSKH->BKGTH", weights, v).transpose(0, 3, 1, 2, 4)
        out = out.reshape(*out.shape[:2], c.heads * c.head_size)
        return dense(out, self.output[...].reshape(-1, c.width))


class FeedForward(nnx.Module):
    """A gated feed-forward: down(activation(gate(x)) * up(x))."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
        c = config
        self.activation = {
            "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
            "silu": jax.nn.silu,
        }[c.activation]
        self.gate = kernel(rngs, (c.width, c.feedforward), c.width)
        self.up = kernel(rngs, (c.width, c.feedforward), c.width)
        self.down = kernel(rngs, (c.feedforward, c.width), c.feedforward)

    def __call__(self, x: jax.Array, shard: Shard) -> jax.Array:
        """Returns [B, T, D] from x [B, T, D], each position for itself."""
        gate, up = dense(x, self.gate[...]), dense(x, self.up[...])
        hidden = shard(self.activation(gate) * up, "BTF")
        return dense(hidden, self.down[...])


class Block(nnx.Module):
    """One layer: attention, then feed-forward, each normalised and added to the stream."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
        self.post_norms = config.post_norms
        self.attention_norm = RMSNorm(config.width, config)
        self.attention = Attention(config, rngs)
        self.feedforward_norm = RMSNorm(config.width, config)
        self.feedforward = FeedForward(config, rngs)
        if config.post_norms:
            self.attention_post_norm = RMSNorm(config.width, config)
            self.feedforward_post_norm = RMSNorm(config.width, config)

    def __call__(
        self, x: jax.Array, mask: jax.Array, rope: Rope, remember: Remember, shard: Shard
    ) -> jax.Array:
        """Returns the stream [B, T, D] after this layer."""
        y = self.attention(self.attention_norm(x), mask, rope, remember, shard)
        x = shard(x + (self.attention_post_norm(y) if self.post_norms else y), "BTD")
        y = self.feedforward(self.feedforward_norm(x), shard)
        return shard(x + (self.feedforward_post_norm(y) if self.post_norms else y), "BTD")


class Ends(nnx.Module):
    """What stands before and after the layers: embedding, final norm, output head."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
        shape = (config.vocab_size, config.width)
        self.embedding = kernel(rngs, shape, config.width)
        self.final_norm = RMSNorm(config.width, config)
        if not config.tied_embeddings:
            self.head = kernel(rngs, shape, config.width)
