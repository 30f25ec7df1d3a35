"""SmolLM 3: --config=smollm3:3b, any field of it on top.

Behind the size may stand a topology, which brings a mesh and a batch, and where the weights are:
smollm3:3b,v5e-16,/models/SmolLM3-3B-Base. Without them a model is made from nothing, with the
bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

SIZES = ("3b",)


def get_config(argument: str = "3b") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("smollm3.py", argument, {size: decoder() for size in SIZES})


def decoder() -> dict[str, Any]:
    """Returns the fields of the decoder."""
    return {
        "vocab_size": 128_256,
        "layers": 36,
        "embed_dim": 2048,
        "heads": 16,
        "kv_heads": 4,
        "head_dim": 128,
        "mlp_dim": 11_008,
        "norm_offset": False,
        "post_norms": False,
        "scale_embeddings": False,
        "qk_norm": False,
        "activation": "silu",
        "rope_theta": 5_000_000.0,
        "rope_local_theta": 5_000_000.0,
        "unrotated_pattern": 4,
    }
