"""Gemma 3: --config=gemma3:SIZE, any field of it on top.

SIZE is a published one. Behind it may stand a topology, which brings a mesh and a batch, and where
the weights are: gemma3:4b,v5e-16,/models/gemma-3-4b-pt. Without them a model is made from
nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Vocabulary, layers, embed_dim, heads, key-value heads, head_dim, mlp_dim, window; by what the
# rotations of layers without a window are stretched, and what query . key is divided by, squared,
# where that is not the head size.
SIZES = {
    "270m": (262_144, 18, 640, 4, 1, 256, 2048, 512, None, None),
    "1b": (262_144, 26, 1152, 4, 1, 256, 6912, 512, None, None),
    "4b": (262_208, 34, 2560, 8, 4, 256, 10_240, 1024, 8.0, None),
    "12b": (262_208, 48, 3840, 16, 8, 256, 15_360, 1024, 8.0, None),
    "27b": (262_208, 62, 5376, 32, 16, 128, 21_504, 1024, 8.0, 168.0),
}


def get_config(argument: str = "270m") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("gemma3.py", argument, {size: decoder(size) for size in SIZES})


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    vocab_size, layers, embed_dim, heads, kv_heads, head_dim, mlp_dim, window, *others = SIZES[size]
    stretch, query_scale = others
    return {
        "vocab_size": vocab_size,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "mlp_dim": mlp_dim,
        "window": window,
        "window_pattern": 6,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {"kind": "linear", "factor": stretch} if stretch else None,
        "query_scale": query_scale,
    }
