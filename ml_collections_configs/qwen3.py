"""Qwen 3: --config=qwen3:SIZE, any field of it on top.

SIZE is a published one. Behind it may stand a topology, which brings a mesh and a batch, and where
the weights are: qwen3:4b,v5e-16,/models/Qwen3-4B. Without them a model is made from
nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Layers, embed_dim, heads, mlp_dim, whether the output head is the embedding.
SIZES = {
    "0.6b": (28, 1024, 16, 3072, True),
    "1.7b": (28, 2048, 16, 6144, True),
    "4b": (36, 2560, 32, 9728, True),
    "8b": (36, 4096, 32, 12_288, False),
    "14b": (40, 5120, 40, 17_408, False),
    "32b": (64, 5120, 64, 25_600, False),
}


def get_config(argument: str = "0.6b") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("qwen3.py", argument, {size: decoder(size) for size in SIZES})


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    layers, embed_dim, heads, mlp_dim, tied = SIZES[size]
    return {
        "vocab_size": 151_936,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": 8,
        "head_dim": 128,
        "mlp_dim": mlp_dim,
        "tied_embeddings": tied,
        "norm_offset": False,
        "post_norms": False,
        "scale_embeddings": False,
        "activation": "silu",
        "rope_theta": 1_000_000.0,
        "rope_local_theta": 1_000_000.0,
    }
