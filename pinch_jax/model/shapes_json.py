"""What a config.json says of layers that differ in shape, and the fields of DecoderConfig."""

from collections.abc import Mapping, Sequence
from typing import Any

from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.rope_json import unsupported

Config = Mapping[str, Any]
# What a file may say of each layer by itself.
_OF_A_LAYER = ("head_dim", "num_key_value_heads")


def read_shapes(c: Config, local: Sequence[bool]) -> dict[str, Any]:
    """Returns the fields of DecoderConfig by which layers differ; `local` ones have a window."""
    if "global_head_dim" not in c:
        return {}
    head_dim, kv_heads = _read_global_heads(c, local)
    told, sharing = c.get("hidden_size_per_layer_input") or 0, c["num_kv_shared_layers"]
    if told and c["vocab_size_per_layer_input"] != c["vocab_size"]:
        rows = c["vocab_size_per_layer_input"]
        raise unsupported("vocab_size_per_layer_input", rows, f"only vocab_size={c['vocab_size']}")
    wide = c["use_double_wide_mlp"] and sharing
    return {
        "global_head_dim": None if head_dim == c["head_dim"] else head_dim,
        "global_kv_heads": None if kv_heads == c["num_key_value_heads"] else kv_heads,
        "keys_as_values": c["attention_k_eq_v"],
        "sharing_layers": sharing,
        "sharing_mlp_dim": 2 * c["intermediate_size"] if wide else None,
        "layer_embed_dim": told,
    }


def _read_global_heads(c: Config, local: Sequence[bool]) -> tuple[int | None, int | None]:
    """Returns the size and number of the key-value heads of layers without a window.

    Younger files say it of each layer, where transformers reads nothing else.
    """
    told = c["per_layer_config"]
    if told is False:
        if type(c["global_head_dim"]) is not int:
            raise unsupported("global_head_dim", c["global_head_dim"], "only whole numbers")
        kv_heads = c["num_global_key_value_heads"] if c["attention_k_eq_v"] else None
        return c["global_head_dim"], kv_heads
    # "05" where there are ten layers or more.
    each = {int(n) if str(n).isdecimal() else n: own for n, own in (told or {}).items()}
    own = next(iter(each.values()), {})
    globals_ = {number for number, windowed in enumerate(local) if not windowed}
    alike = all(other == own for other in each.values()) and {*own} <= {*_OF_A_LAYER}
    if each and (each.keys() != globals_ or not alike):
        rule = f"{' and '.join(_OF_A_LAYER)}, the same for all layers without a window"
        raise unsupported("per_layer_config", told, rule)
    return own.get("head_dim"), own.get("num_key_value_heads")


def write_shapes(decoder: DecoderConfig) -> dict[str, Any]:
    """Returns what a config.json says of layers that differ in shape."""
    return {
        "global_head_dim": decoder.global_head_dim or decoder.head_dim,
        "num_global_key_value_heads": decoder.global_kv_heads,
        "attention_k_eq_v": decoder.keys_as_values,
        "num_kv_shared_layers": decoder.sharing_layers,
        "use_double_wide_mlp": decoder.sharing_mlp_dim is not None,
        "hidden_size_per_layer_input": decoder.layer_embed_dim,
        "vocab_size_per_layer_input": decoder.vocab_size,
    }
