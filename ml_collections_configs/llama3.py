"""Llama 3.1 and 3.2: --config=llama3:SIZE, any field of it on top.

SIZE is a published one. Behind it may stand a topology, which brings a mesh and a batch, and where
the weights are: llama3:8b,v5p-16,/models/Llama-3.1-8B. Without them a model is made from
nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Layers, embed_dim, heads, head_dim, mlp_dim, whether the output head is the embedding, and by
# what the slowest rotations are stretched.
SIZES = {
    "1b": (16, 2048, 32, 64, 8192, True, 32.0),
    "3b": (28, 3072, 24, 128, 8192, True, 32.0),
    "8b": (32, 4096, 32, 128, 14_336, False, 8.0),
    "70b": (80, 8192, 64, 128, 28_672, False, 8.0),
}


def get_config(argument: str = "1b") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("llama3.py", argument, {size: decoder(size) for size in SIZES})


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    layers, embed_dim, heads, head_dim, mlp_dim, tied, stretch = SIZES[size]
    scaling = {"kind": "llama3", "factor": stretch}
    return {
        "vocab_size": 128_256,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": 8,
        "head_dim": head_dim,
        "mlp_dim": mlp_dim,
        "tied_embeddings": tied,
        "norm_offset": False,
        "post_norms": False,
        "scale_embeddings": False,
        "activation": "silu",
        "qk_norm": False,
        "norm_epsilon": 1e-5,
        "rope_theta": 500_000.0,
        "rope_local_theta": 500_000.0,
        "rope_scaling": scaling,
        "rope_local_scaling": scaling,
    }
