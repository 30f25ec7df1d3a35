"""Apertus: --config=apertus:SIZE, any field of it on top.

SIZE is a published one. Behind it may stand a topology, which brings a mesh and a batch, and where
the weights are: apertus:8b,v5e-16,/models/Apertus-8B-2509. Without them a model is made from
nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Layers, embed_dim, heads, mlp_dim.
SIZES = {
    "8b": (32, 4096, 32, 21_504),
    "70b": (80, 8192, 64, 43_008),
}


def get_config(argument: str = "8b") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    config = base.of_size("apertus.py", argument, {size: decoder(size) for size in SIZES})
    config.lora.projections = ("query", "key", "value", "output", "up", "down")
    return config


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    layers, embed_dim, heads, mlp_dim = SIZES[size]
    scaling = {"kind": "llama3", "factor": 8.0}
    return {
        "vocab_size": 131_072,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": 8,
        "head_dim": 128,
        "mlp_dim": mlp_dim,
        "tied_embeddings": False,
        "norm_offset": False,
        "norm_epsilon": 1e-5,
        "post_norms": False,
        "scale_embeddings": False,
        "activation": "xielu",
        "gated": False,
        "rope_theta": 12_000_000.0,
        "rope_local_theta": 12_000_000.0,
        "rope_scaling": scaling,
        "rope_local_scaling": scaling,
    }
