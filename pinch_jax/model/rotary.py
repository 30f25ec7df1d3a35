"""Rotary embeddings: sines and cosines of positions, and features turned by them."""

import math

import jax
import jax.numpy as jnp

from pinch_jax.model.families import RopeScaling

Rope = tuple[jax.Array, jax.Array]


def rotation(
    positions: jax.Array, head_dim: int, base: float, scaling: RopeScaling | None = None
) -> Rope:
    """Returns the sines and cosines of rotary embeddings, each [B, T, H/2], in float32.

    Source: Su et al. 2021, RoFormer, arXiv 2104.09864, eq. 34.
    """
    frequency = base ** (-jnp.arange(0, head_dim, 2, dtype=jnp.float32) / head_dim)
    size = 1.0
    if scaling:
        frequency = frequency * lowering(scaling, frequency, base)
        size = scaling.attention_factor
    angle = positions[..., None].astype(jnp.float32) * frequency
    return size * jnp.sin(angle), size * jnp.cos(angle)


def lowering(scaling: RopeScaling, frequency: jax.Array, base: float) -> jax.Array | float:
    """Returns what rotary frequencies [H/2] (radians a position) are multiplied by.

    Source: Chen et al. 2023, Positional Interpolation, arXiv 2306.15595, for "linear"; Llama 3.1's
    reference code for "llama3"; Peng et al. 2023, YaRN, arXiv 2309.00071, section 3.2;
    transformers' modeling_rope_utils.py for "proportional".
    """
    if scaling.kind == "linear":
        return 1.0 / scaling.factor
    if scaling.kind == "proportional":
        turning = int(scaling.rotated * 2 * len(frequency) // 2)
        return (jnp.arange(len(frequency)) < turning) / scaling.factor
    if scaling.kind == "yarn":
        pairs = len(frequency)

        def pair(turns: float) -> float:  # that turns so often, between two as a rule
            positions = scaling.original_tokens / (2 * math.pi * turns)
            return pairs * math.log(positions) / math.log(base)

        first = max(math.floor(pair(scaling.high_turns)), 0)
        last = min(math.ceil(pair(scaling.low_turns)), 2 * pairs - 1)
        # Not above 0 where all turn less often: transformers then lowers none.
        lowered = jnp.clip((jnp.arange(pairs) - first) / ((last - first) or 1e-3), 0.0, 1.0)
        return 1.0 - lowered + lowered / scaling.factor
    turns = scaling.original_tokens * frequency / (2 * math.pi)
    kept = (turns - scaling.low_turns) / (scaling.high_turns - scaling.low_turns)
    kept = jnp.clip(kept, 0.0, 1.0)
    return kept + (1.0 - kept) / scaling.factor


def rotate(x: jax.Array, rope: Rope, interleaved: bool = False) -> jax.Array:
    """Returns x [B, T, heads, H] turned by its positions in float32, in its own dtype.

    A pair of features are those at one place of the two halves, or two neighbours: `interleaved`.
    """
    sin, cos = (r[:, :, None, :] for r in rope)
    x32 = x.astype(jnp.float32)
    a, b = (x32[..., ::2], x32[..., 1::2]) if interleaved else jnp.split(x32, 2, axis=-1)
    turned = a * cos - b * sin, b * cos + a * sin
    join = jnp.stack if interleaved else jnp.concatenate
    return join(turned, axis=-1).reshape(x.shape).astype(x.dtype)
