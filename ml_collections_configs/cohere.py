"""Aya Expanse, Tiny Aya and Command R7B: --config=cohere:SIZE.

SIZE is a published one. Behind it may stand a topology, which brings a mesh and a batch, and where
the weights are: cohere:tiny-aya,v5e-16,/models/tiny-aya-base. Without them a model is made from
nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Vocabulary, layers, embed_dim, heads, key-value heads, mlp_dim, what logits are multiplied by,
# rope_theta, and whether most layers have a window and the others no rotations (Cohere 2).
SIZES = {
    "tiny-aya": (262_144, 36, 2048, 16, 4, 11_008, 1.0, 50_000.0, True),
    "command-r7b": (256_000, 32, 4096, 32, 8, 14_336, 0.25, 50_000.0, True),
    "aya-expanse-8b": (256_000, 32, 4096, 32, 8, 14_336, 0.125, 10_000.0, False),
    "aya-expanse-32b": (256_000, 40, 8192, 64, 8, 24_576, 0.0625, 4_000_000.0, False),
}


def get_config(argument: str = "tiny-aya") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("cohere.py", argument, {size: decoder(size) for size in SIZES})


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    vocab_size, layers, embed_dim, heads, kv_heads, mlp_dim, scale, theta, is_second = SIZES[size]
    windows = {"window": 4096, "window_pattern": 4, "unrotated_pattern": 4}
    fields = {
        "vocab_size": vocab_size,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": 128,
        "mlp_dim": mlp_dim,
        "norm_offset": False,
        "norm_epsilon": 1e-5,
        "centered_norms": True,
        "post_norms": False,
        "parallel": True,
        "qk_norm": False,
        "scale_embeddings": False,
        "activation": "silu",
        "rope_theta": theta,
        "rope_local_theta": theta,
        "rope_interleaved": True,
        "logit_scale": scale,
    }
    return fields | (windows if is_second else {})
