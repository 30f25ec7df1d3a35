"""Gemma 4: --config=gemma4:SIZE, any field of it on top.

SIZE is a published one without experts. Behind it may stand a topology, which brings a mesh and a
batch, and where the weights are: gemma4:e4b,v5e-16,/models/gemma-4-E4B. Without them a model is
made from nothing, with the bundled tokenizer.
"""

from typing import Any

import ml_collections

from ml_collections_configs import base

# Layers, embed_dim, heads, key-value heads, those of layers without a window, mlp_dim, window, the
# pattern of windows, layers that share keys, their mlp_dim, layer_embed_dim.
SIZES = {
    "e2b": (35, 1536, 8, 1, None, 6144, 512, 5, 20, 12_288, 256),
    "e4b": (42, 2560, 8, 2, None, 10_240, 512, 6, 18, None, 256),
    "12b": (48, 3840, 16, 8, 1, 15_360, 1024, 6, 0, None, 0),
    "31b": (60, 5376, 32, 16, 4, 21_504, 1024, 6, 0, None, 0),
}


def get_config(argument: str = "e2b") -> ml_collections.ConfigDict:
    """Returns the configuration of a size: base.of_size says what else an argument can name.

    Raises:
        ValueError: there is no such size or topology.
    """
    return base.of_size("gemma4.py", argument, {size: decoder(size) for size in SIZES})


def decoder(size: str) -> dict[str, Any]:
    """Returns the fields of a size's decoder."""
    layers, embed_dim, heads, kv_heads, global_kv_heads, mlp_dim, window, *others = SIZES[size]
    pattern, sharing_layers, sharing_mlp_dim, layer_embed_dim = others
    return {
        "vocab_size": 262_144,
        "layers": layers,
        "embed_dim": embed_dim,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": 256,
        "mlp_dim": mlp_dim,
        "norm_offset": False,
        "window": window,
        "window_pattern": pattern,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {"kind": "proportional", "factor": 1.0, "rotated": 0.25},
        "logit_softcap": 30.0,
        "query_scale": 1.0,
        "value_norm": True,
        "output_scales": True,
        "global_head_dim": 512,
        "global_kv_heads": global_kv_heads,
        # Where layers are told nothing of tokens, values are keys.
        "keys_as_values": not layer_embed_dim,
        "sharing_layers": sharing_layers,
        "sharing_mlp_dim": sharing_mlp_dim,
        "layer_embed_dim": layer_embed_dim,
    }
