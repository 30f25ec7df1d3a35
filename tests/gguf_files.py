"""Small GGUF files as the converter of llama.cpp writes them, from the tensors of transformers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

# By the name in transformers, less "model.layers.N." and ".weight".
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NORMS = {
    True: {
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
    },
    False: {"post_attention_layernorm": "ffn_norm"},
}
ENDS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def file_name(name: str, gemma: bool) -> str:
    """Returns what llama.cpp calls a tensor of transformers."""
    if name in ENDS:
        return ENDS[name]
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{(NAMES | NORMS[gemma])[module]}.{kind}"


def paired(values: np.ndarray, heads: int) -> np.ndarray:
    """Returns rows of query or key heads, halves interleaved to pairs, as for Llama."""
    rows = []
    for head in np.split(values, heads):
        first, second = np.split(head, 2)
        for a, b in zip(first, second, strict=True):
            rows += [a, b]
    return np.stack(rows)


def write_gguf(
    path: Path,
    architecture: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    kinds: Mapping[str, gguf.GGMLQuantizationType],
    metadata: Mapping[str, float] = {},
    tokens: Sequence[str] = (),
) -> None:
    """Writes a GGUF file; `kinds` quantises the tensors that it names (by transformers).

    A tensor that transformers does not have goes by its own name, as it is. Where there are
    `tokens`, the first ends a turn.
    """
    writer = gguf.GGUFWriter(path, architecture)
    heads = {"q": config["num_attention_heads"], "k": config["num_key_value_heads"]}
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads["q"])
    writer.add_head_count_kv(heads["k"])
    writer.add_key_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_eos_token_id(2)
    if tokens:
        writer.add_token_list(list(tokens))
        writer.add_eot_token_id(0)
    for key, value in metadata.items():
        add = writer.add_uint32 if isinstance(value, int) else writer.add_float32
        (writer.add_string if isinstance(value, str) else add)(f"{architecture}.{key}", value)
    gemma = architecture.startswith("gemma")
    for name, value in tensors.items():
        if name not in ENDS and not name.startswith("model."):
            writer.add_tensor(name, value)
            continue
        for letter in heads:
            if architecture == "llama" and name.endswith(f"{letter}_proj.weight"):
                value = paired(value, heads[letter])
        if gemma and name.endswith("norm.weight"):
            value = value + 1
        if name in kinds:
            stored = gguf.quantize(value, kinds[name])
            writer.add_tensor(file_name(name, gemma), stored, raw_dtype=kinds[name])
        else:
            writer.add_tensor(file_name(name, gemma), np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
