"""The parts of a decoder as Flax modules: they hold parameters, and nothing else.

Axes are those of `decoder.py`. `seen` says which keys a query sees, `rope` how positions turn
it, `remember` (keys, values) -> (keys, values) adds what a cache knows, and gives a layer without
any those that it shares; `shard` pins an activation to the mesh. None of them is kept.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from pinch_jax.devices.sharding import Shard
from pinch_jax.model.attention import PROJECTED, Seen, attend
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.rotary import Rope, rotate
from pinch_jax.model.stacks import Kind

Remember = Callable[..., tuple[jax.Array, jax.Array]]


class Norm(nnx.Module):
    """Root-mean-square normalisation of the last axis, or LayerNorm without a bias; in float32."""

    def __init__(self, size: int, config: DecoderConfig):
        self.centered = config.centered_norms
        self.offset = float(config.norm_offset)
        self.epsilon = config.norm_epsilon
        self.scale = nnx.Param(jnp.full(size, 1.0 - self.offset, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns x [..., size], normalised, in its own dtype."""
        y = x.astype(jnp.float32)
        if self.centered:
            y = y - jnp.mean(y, axis=-1, keepdims=True)
        y = normalised(y, self.epsilon)
        return (y * (self.offset + self.scale[...].astype(jnp.float32))).astype(x.dtype)


def normalised(x: jax.Array, epsilon: float) -> jax.Array:
    """Returns x [..., size] divided by its root mean square, in its dtype."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + epsilon)


def kernel(rngs: nnx.Rngs, shape: tuple[int, ...], fan_in: int) -> nnx.Param:
    """Returns a weight drawn from a normal distribution of variance 1 / fan_in."""
    return nnx.Param(jax.random.normal(rngs.params(), shape) / math.sqrt(fan_in))


@jax.custom_vjp
def lookup(table: jax.Array, tokens: jax.Array) -> jax.Array:
    """Returns the rows [B, T, D] of a table [V, D]; its gradient is summed in float32.

    A token that stands a thousand times in a batch gets a sum of as many terms.
    """
    return table[tokens]


def _lookup_backward(kept, gradient):
    table, tokens = kept
    total = jnp.zeros(table.shape, jnp.float32).at[tokens].add(gradient.astype(jnp.float32))
    return total.astype(table.dtype), None


lookup.defvjp(lambda table, tokens: (table[tokens], (table, tokens)), _lookup_backward)


def dense(x: jax.Array, w: jax.Array, outputs: int = 1, dtype: Any = None) -> jax.Array:
    """Returns x [..., I] times w [*I, *O], the last `outputs` axes of which are O: [..., *O].

    The leading axes are made one first: the gradient of a product over several batch axes is
    strided reading to XLA on a CPU (tests/benchmarks/dense.py shows what that costs). The sums are
    in float32; `dtype` is what they are given back in, by default that of x.
    """
    rows, matrix = x.reshape(-1, x.shape[-1]), w.reshape(x.shape[-1], -1)
    y = jnp.matmul(rows, matrix, preferred_element_type=dtype)
    return y.reshape(*x.shape[:-1], *w.shape[w.ndim - outputs :])


class Adapted(NamedTuple):
    """A weight [*I, *O] and a change to it of low rank R: a [*I, R] times b [R, *O]."""

    weight: jax.Array
    a: jax.Array
    b: jax.Array


def project(x: jax.Array, w: jax.Array | Adapted, outputs: int = 1) -> jax.Array:
    """Returns x [..., I] projected by w, as `dense` does; rematerialisation knows it by name."""
    if isinstance(w, Adapted):
        # Not put together: neither the change nor a gradient of the weight is ever computed.
        y = dense(x, w.weight, outputs) + dense(dense(x, w.a), w.b, outputs)
    else:
        y = dense(x, w, outputs)
    return checkpoint_name(y, PROJECTED)


def add_bias(x: jax.Array, bias: jax.Array) -> jax.Array:
    """Returns x + bias in the dtype of x, the gradient of the bias summed in float32."""
    return (x.astype(jnp.float32) + bias.astype(jnp.float32)).astype(x.dtype)


class Attention(nnx.Module):
    """Grouped-query attention with rotary positions, over the keys that a query sees."""

    def __init__(self, config: DecoderConfig, kind: Kind, rngs: nnx.Rngs):
        c, size = config, kind.head_dim
        self.config, self.kind = config, kind
        self.query = kernel(rngs, (c.embed_dim, c.heads, size), c.embed_dim)
        if not kind.shares:
            self.key = kernel(rngs, (c.embed_dim, kind.kv_heads, size), c.embed_dim)
            if kind.own_values:
                self.value = kernel(rngs, (c.embed_dim, kind.kv_heads, size), c.embed_dim)
        self.output = kernel(rngs, (c.heads, size, c.embed_dim), c.heads * size)
        if c.qkv_bias:
            self.query_bias = nnx.Param(jnp.zeros((c.heads, size)))
            self.key_bias = nnx.Param(jnp.zeros((c.kv_heads, size)))
            self.value_bias = nnx.Param(jnp.zeros((c.kv_heads, size)))
        if c.qk_norm:
            self.query_norm = Norm(size * (c.heads if c.qk_norm_joint else 1), c)
            if not kind.shares:
                self.key_norm = Norm(size * (kind.kv_heads if c.qk_norm_joint else 1), c)

    def __call__(
        self, x: jax.Array, seen: Seen, rope: Rope, remember: Remember, shard: Shard
    ) -> jax.Array:
        """Returns what each position of x [B, T, D] gathers from those it sees: [B, T, D]."""
        c = self.config
        q = project(x, self.query.get_value(), outputs=2)
        if c.qkv_bias:
            q = add_bias(q, self.query_bias[...])
        q = self._normed(q, "query")
        scale = c.attention_scale_of(self.kind.head_dim)
        q = shard(rotate(q * scale, rope, c.rope_interleaved), "BTNH")
        k, v = remember() if self.kind.shares else remember(*self._keys_values(x, rope, shard))
        with jax.named_scope("attention"):
            out = attend(c, q, k, v, seen, shard)
        out = out.reshape(*out.shape[:2], -1)
        return project(out, self.output.get_value())

    def _keys_values(self, x: jax.Array, rope: Rope, shard: Shard) -> tuple[jax.Array, jax.Array]:
        c = self.config
        k = v = project(x, self.key.get_value(), outputs=2)
        if self.kind.own_values:
            v = project(x, self.value.get_value(), outputs=2)
        if c.qkv_bias:
            k, v = add_bias(k, self.key_bias[...]), add_bias(v, self.value_bias[...])
        if c.value_norm:
            v = normalised(v.astype(jnp.float32), c.norm_epsilon).astype(v.dtype)
        k = rotate(self._normed(k, "key"), rope, c.rope_interleaved)
        return shard(k, "BSKH"), shard(v, "BSKH")

    def _normed(self, heads: jax.Array, name: str) -> jax.Array:
        """Returns queries or keys [B, T, heads, H], normalised where the decoder does that."""
        if not self.config.qk_norm:
            return heads
        joint = heads.reshape(*heads.shape[:2], -1) if self.config.qk_norm_joint else heads
        return getattr(self, f"{name}_norm")(joint).reshape(heads.shape)


class XIELU(nnx.Module):
    """The activation xIELU: a parabola above 0, an exponential below; how steep is learnt.

    `beta` and `epsilon` are never trained: they are kept as the files of Apertus have them.

    Source: Huang & Schlag 2024, arXiv 2411.13010, eq. 11.
    """

    def __init__(self):
        # softplus makes 0.8 of the first, and of the second with beta
        self.alpha_p = nnx.Param(jnp.full(1, math.log(math.expm1(0.8))))
        self.alpha_n = nnx.Param(jnp.full(1, math.log(math.expm1(0.3))))
        self.beta = nnx.Param(jnp.full((), 0.5))
        self.epsilon = nnx.Param(jnp.full((), -1e-6))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the activation of x in its dtype, computed in float32."""
        names = (self.alpha_p, self.alpha_n, self.beta, self.epsilon)
        above, below, beta, epsilon = (p.get_value().astype(jnp.float32) for p in names)
        beta, epsilon = jax.lax.stop_gradient((beta, epsilon))
        above, below = jax.nn.softplus(above), beta + jax.nn.softplus(below)
        y = x.astype(jnp.float32)
        bent = jnp.expm1(jnp.minimum(y, epsilon)) - y
        return (jnp.where(y > 0, above * y * y, below * bent) + beta * y).astype(x.dtype)


def activation(config: DecoderConfig) -> Callable[[jax.Array], jax.Array]:
    """Returns the activation of a decoder, a module where it has parameters."""
    if config.activation == "xielu":
        return XIELU()
    return {
        "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
        "silu": jax.nn.silu,
    }[config.activation]


class FeedForward(nnx.Module):
    """A feed-forward: down(activation(gate(x)) * up(x)); without a gate down(activation(up(x)))."""

    def __init__(self, config: DecoderConfig, kind: Kind, rngs: nnx.Rngs):
        c, width = config, kind.mlp_dim
        self.activation, self.gated = activation(c), c.gated
        if c.gated:
            self.gate = kernel(rngs, (c.embed_dim, width), c.embed_dim)
        self.up = kernel(rngs, (c.embed_dim, width), c.embed_dim)
        self.down = kernel(rngs, (width, c.embed_dim), width)

    def __call__(self, x: jax.Array, shard: Shard) -> jax.Array:
        """Returns [B, T, D] from x [B, T, D], each position for itself."""
        up = project(x, self.up.get_value())
        if self.gated:
            hidden = self.activation(project(x, self.gate.get_value())) * up
        else:
            hidden = self.activation(up)
        return project(shard(hidden, "BTF"), self.down.get_value())


class TokenBranch(nnx.Module):
    """What a layer makes of its own embedding of each token: output(activation(gate(x)) * it)."""

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
        c, size = config, config.layer_embed_dim
        self.activation = activation(c)
        self.gate = kernel(rngs, (c.embed_dim, size), c.embed_dim)
        self.output = kernel(rngs, (size, c.embed_dim), size)

    def __call__(self, x: jax.Array, embedded: jax.Array) -> jax.Array:
        """Returns [B, T, D] from x [B, T, D] and the layer's embeddings [B, T, F]."""
        hidden = self.activation(project(x, self.gate.get_value())) * embedded
        return project(hidden, self.output.get_value())


class Given(NamedTuple):
    """What a layer is given beside the stream and its parameters.

    is_global: whether it sees all keys; is_rotated: whether it rotates them. embedded [B, T, F]:
    its own embeddings of the tokens, where layers have them.
    """

    is_global: jax.Array | bool
    is_rotated: jax.Array | bool
    embedded: jax.Array | None = None


class Block(nnx.Module):
    """One layer: attention and feed-forward, each normalised and added to the stream."""

    def __init__(self, config: DecoderConfig, kind: Kind, rngs: nnx.Rngs):
        c = self.config = config
        self.attention = Attention(c, kind, rngs)
        self.feedforward = FeedForward(c, kind, rngs)
        if c.pre_norms:
            self.attention_norm = Norm(c.embed_dim, c)
        if c.pre_norms and not c.parallel:
            self.feedforward_norm = Norm(c.embed_dim, c)
        if c.post_norms:
            self.attention_post_norm = Norm(c.embed_dim, c)
            self.feedforward_post_norm = Norm(c.embed_dim, c)
        if c.layer_embed_dim:
            self.token = TokenBranch(c, rngs)
            self.token_post_norm = Norm(c.embed_dim, c)
        if c.output_scales:
            self.output_scale = nnx.Param(jnp.ones(1))

    def __call__(
        self,
        x: jax.Array,
        seen: Seen,
        rope: Rope,
        remember: Remember,
        embedded: jax.Array | None,
        shard: Shard,
    ) -> jax.Array:
        """Returns the stream [B, T, D] after this layer; `embedded` as in `Given`."""
        c = self.config
        normed = self.attention_norm(x) if c.pre_norms else x
        y = self.attention(normed, seen, rope, remember, shard)
        x = shard(x + (self.attention_post_norm(y) if c.post_norms else y), "BTD")
        if not c.parallel:
            normed = self.feedforward_norm(x) if c.pre_norms else x
        y = self.feedforward(normed, shard)
        x = shard(x + (self.feedforward_post_norm(y) if c.post_norms else y), "BTD")
        if c.layer_embed_dim:
            x = shard(x + self.token_post_norm(self.token(x, embedded)), "BTD")
        if c.output_scales:
            # Files have it, and training leaves it as it is.
            x = (x * jax.lax.stop_gradient(self.output_scale[...])).astype(x.dtype)
        return x
