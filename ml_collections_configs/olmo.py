"""OLMo 2 and 3: --config=olmo:SIZE, any field of it on top.

SIZE is a published one, those of OLMo 3 with a 3 before them. Behind it may stand a topology, which
brings a mesh and a batch, and where the weights are: olmo:3-7b,v5e-16,/models/Olmo-3-1025-7B.
Without them a model is made from nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Layers, embed_dim, heads, key-value heads, mlp_dim, and whether it is an OLMo 3.
SIZES = {
    "1b": (16, 2048, 16, 16, 8192, False),
    "7b": (32, 4096, 32, 32, 11_008, False),
    "13b": (40, 5120, 40, 40, 13_824, False),
    "32b": (64, 5120, 40, 8, 27_648, False),
    "3-7b": (32, 4096, 32, 32, 11_008, True),
    "3-32b": (64, 5120, 40, 8, 27_648, True),
}
# Of OLMo 3: windows, and layers without one that were stretched to eight times their texts.
_OLMO3 = {
    "vocab_size": 100_278,
    "window": 4096,
    "window_pattern": 4,
    "rope_scaling": {
        "kind": "yarn",
        "factor": 8.0,
        "low_turns": 1.0,
        "high_turns": 32.0,
        "original_tokens": 8192,
        "attention_factor": 1.2079441541679836,
    },
}


def get_config(argument: str = "1b") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("olmo.py", argument, {size: decoder(size) for size in SIZES})


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    layers, embed_dim, heads, kv_heads, mlp_dim, is_third = SIZES[size]
    fields = {
        "vocab_size": 100_352,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": 128,
        "mlp_dim": mlp_dim,
        "tied_embeddings": False,
        "norm_offset": False,
        "pre_norms": False,
        "qk_norm_joint": True,
        "scale_embeddings": False,
        "activation": "silu",
        "rope_theta": 500_000.0,
        "rope_local_theta": 500_000.0,
    }
    return fields | (_OLMO3 if is_third else {})
