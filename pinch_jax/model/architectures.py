"""The families of decoders, as data: what transformers calls them, and what their files say."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Family:
    """What all models of one architecture have in common; its names are those of transformers.

    Attributes:
        fixed: the fields of DecoderConfig that no config.json of the family can change.
        fields: every key of a config.json that decides the decoder, with the value that
            transformers assumes where a file leaves it out. Keys of other families mean nothing.
        local_rope_theta: what it assumes for layers with windows, where these have rotations of
            their own.
        rotates_globals: whether layers without a window have rotations where others have one.
        ends_globally: whether the last layer is without a window, whatever a file says.
        query_scale: what query . key is divided by, squared; None where files say it, or it is the
            size of a head.
        even_heads: whether transformers refuses heads that do not divide `hidden_size`.
    """

    model_type: str
    architecture: str
    fixed: Mapping[str, bool]
    fields: Mapping[str, Any]
    local_rope_theta: float | None = None
    rotates_globals: bool = True
    ends_globally: bool = False
    query_scale: float | None = None
    even_heads: bool = False


def _family(model_type: str, architecture: str, fixed: Mapping[str, bool], **told: Any) -> Family:
    """Returns a family; `told` are attributes of `Family`, and fields that are not as usual."""
    usual = {} if "layer_norm_eps" in told else {"rms_norm_eps": 1e-6}
    usual |= {
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "head_dim": None,
        "tie_word_embeddings": False,
        "rope_theta": 10_000.0,
        "rope_scaling": None,
        "rope_parameters": None,
    }
    attributes = {field.name for field in dataclasses.fields(Family)} & told.keys()
    own = {name: told.pop(name) for name in attributes}
    return Family(model_type, architecture, fixed, usual | told, **own)


_PLAIN = {"norm_offset": False, "post_norms": False, "scale_embeddings": False}
_GEMMA = {"norm_offset": True, "post_norms": True, "scale_embeddings": True, "qkv_bias": False}
_GEMMA_FIELDS = {
    "num_hidden_layers": 26,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "tie_word_embeddings": True,
    "sliding_window": 4096,
    "layer_types": None,
    "query_pre_attn_scalar": 256,
}
_GEMMA4 = _GEMMA | {"norm_offset": False, "qk_norm": True}
_GEMMA4 |= {"value_norm": True, "output_scales": True}
_GEMMA4_FIELDS = {
    **{name: _GEMMA_FIELDS[name] for name in _GEMMA_FIELDS if name != "query_pre_attn_scalar"},
    "vocab_size": 262_144,
    "num_hidden_layers": 30,
    "layer_types": (*5 * ("sliding_attention",), "full_attention"),
    "rms_norm_eps": 1e-6,
    "final_logit_softcapping": None,
    "rope_scaling": None,
    "rope_parameters": {
        "full_attention": {
            "rope_type": "proportional",
            "rope_theta": 1_000_000.0,
            "partial_rotary_factor": 0.25,
        },
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    },
    "global_head_dim": 512,
    "num_global_key_value_heads": None,
    # Not there: what the two above say holds. Null is a word of its own.
    "per_layer_config": False,
    "attention_k_eq_v": False,
    "num_kv_shared_layers": 0,
    "use_double_wide_mlp": False,
}
_GEMMA4_FAMILY = {"local_rope_theta": 10_000.0, "ends_globally": True, "query_scale": 1.0}
_QWEN_FIELDS = {
    "vocab_size": 151_936,
    "intermediate_size": 22_016,
    "num_key_value_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 32_768,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "layer_types": None,
}
_OLMO = {"norm_offset": False, "scale_embeddings": False, "qkv_bias": False, "qk_norm": True}
_OLMO |= {"pre_norms": False, "post_norms": True, "qk_norm_joint": True}
_OLMO_FIELDS = {
    "vocab_size": 50_304,
    "intermediate_size": 11_008,
    "num_key_value_heads": None,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
}
_COHERE = _PLAIN | {"qk_norm": False, "qkv_bias": False, "parallel": True}
_COHERE |= {"centered_norms": True, "rope_interleaved": True}
_COHERE_FIELDS = {
    "vocab_size": 256_000,
    "num_hidden_layers": 40,
    "hidden_size": 8192,
    "intermediate_size": 22_528,
    "num_attention_heads": 64,
    "num_key_value_heads": None,
    "hidden_act": "silu",
    "max_position_embeddings": 8192,
    "layer_norm_eps": 1e-5,
    "logit_scale": 0.0625,
    "tie_word_embeddings": True,
}

# Where a decoder fits two of them, the first is what it is exported as.
FAMILIES: tuple[Family, ...] = (
    _family(
        "gemma3_text",
        "Gemma3ForCausalLM",
        _GEMMA | {"qk_norm": True},
        local_rope_theta=10_000.0,
        even_heads=True,
        **_GEMMA_FIELDS,
        vocab_size=262_208,
        max_position_embeddings=131_072,
        rope_theta=1_000_000.0,
        rope_local_base_freq=10_000.0,
        sliding_window_pattern=6,
        final_logit_softcapping=None,
    ),
    Family(
        "gemma4_text",
        "Gemma4ForCausalLM",
        _GEMMA4,
        _GEMMA4_FIELDS
        | {
            "max_position_embeddings": 131_072,
            "sliding_window": 512,
            "hidden_size_per_layer_input": 256,
            "vocab_size_per_layer_input": 262_144,
        },
        **_GEMMA4_FAMILY,
    ),
    Family(
        "gemma4_unified_text",
        "Gemma4UnifiedForCausalLM",
        _GEMMA4,
        _GEMMA4_FIELDS | {"max_position_embeddings": 262_144, "sliding_window": 1024},
        **_GEMMA4_FAMILY,
    ),
    _family(
        "gemma2",
        "Gemma2ForCausalLM",
        _GEMMA | {"qk_norm": False},
        even_heads=True,
        **_GEMMA_FIELDS | {"layer_types": ("sliding_attention", "full_attention")},
        vocab_size=256_000,
        max_position_embeddings=8192,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
    ),
    _family(
        "qwen3",
        "Qwen3ForCausalLM",
        _PLAIN | {"qk_norm": True, "qkv_bias": False},
        **_QWEN_FIELDS | {"head_dim": 128},
    ),
    _family(
        "qwen2", "Qwen2ForCausalLM", _PLAIN | {"qk_norm": False, "qkv_bias": True}, **_QWEN_FIELDS
    ),
    _family(
        "llama",
        "LlamaForCausalLM",
        _PLAIN | {"qk_norm": False, "qkv_bias": False},
        even_heads=True,
        vocab_size=32_000,
        intermediate_size=11_008,
        num_key_value_heads=None,
        hidden_act="silu",
        max_position_embeddings=2048,
    ),
    _family(
        "mistral",
        "MistralForCausalLM",
        _PLAIN | {"qk_norm": False, "qkv_bias": False},
        vocab_size=32_000,
        intermediate_size=14_336,
        num_key_value_heads=8,
        hidden_act="silu",
        max_position_embeddings=131_072,
        sliding_window=4096,
    ),
    _family("olmo2", "Olmo2ForCausalLM", _OLMO, **_OLMO_FIELDS),
    _family(
        "olmo3",
        "Olmo3ForCausalLM",
        _OLMO,
        local_rope_theta=500_000.0,
        **_OLMO_FIELDS,
        rope_theta=500_000.0,
        sliding_window=4096,
        layer_types=(*3 * ("sliding_attention",), "full_attention"),
    ),
    _family(
        "smollm3",
        "SmolLM3ForCausalLM",
        _PLAIN | {"qk_norm": False, "qkv_bias": False},
        vocab_size=128_256,
        num_hidden_layers=36,
        hidden_size=2048,
        intermediate_size=11_008,
        num_attention_heads=16,
        num_key_value_heads=4,
        hidden_act="silu",
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
        rope_theta=2_000_000.0,
        no_rope_layers=None,
        no_rope_layer_interval=4,
        use_sliding_window=False,
        layer_types=None,
    ),
    # Aya Expanse and Command R.
    _family("cohere", "CohereForCausalLM", _COHERE, **_COHERE_FIELDS, rope_theta=500_000.0),
    # Tiny Aya and Command R7B.
    _family(
        "cohere2",
        "Cohere2ForCausalLM",
        _COHERE,
        rotates_globals=False,
        **_COHERE_FIELDS,
        sliding_window=4096,
        sliding_window_pattern=4,
        layer_types=None,
    ),
    _family(
        "apertus",
        "ApertusForCausalLM",
        _PLAIN | {"qk_norm": True, "qkv_bias": False, "gated": False},
        vocab_size=131_072,
        intermediate_size=14_336,
        num_key_value_heads=None,
        hidden_act="xielu",
        max_position_embeddings=65_536,
        rms_norm_eps=1e-5,
        rope_theta=12_000_000.0,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 12_000_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    ),
)

# What the decoder would need for families that are asked for, by their names.
_NEEDED = {
    "mixture of experts": "mixtral olmoe flex_olmo qwen2_moe qwen3_moe gpt_oss llama4 llama4_text "
    "deepseek_v3 cohere2_moe",
    "recurrent layers (linear attention, state spaces)": "qwen3_next qwen3_5 qwen3_5_text "
    "qwen3_5_moe olmo_hybrid falcon_h1 nemotron_h granitemoehybrid recurrent_gemma lfm2",
    "AltUp and LAuReL": "gemma3n gemma3n_text",
}
MISSING = {
    name: f"the decoder has no {what}" for what, names in _NEEDED.items() for name in names.split()
}
