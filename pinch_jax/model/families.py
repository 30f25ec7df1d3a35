"""What a decoder is, as data: the fields in which the open families differ, and the families."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

from pinch_jax.config_fields import (
    Count,
    CountOrZero,
    NotNegative,
    Positive,
    check_divides,
    check_fields,
)
from pinch_jax.errors import UserError

# Parameters by name, layers stacked on a leading axis.
Params = dict[str, Any]
# Of an axis: what is larger is no model but a slip.
Size = Annotated[int, Gt(0), Le(2**24)]


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are lowered, for texts longer than those of the first pretraining.

    "linear" divides every frequency by `factor`. "llama3" divides those that turn less than
    `low_turns` times in `original_tokens` positions, leaves those that turn more than
    `high_turns` times, and goes smoothly from one to the other.
    """

    kind: Literal["linear", "llama3"]
    factor: Positive
    low_turns: Positive = 1.0
    high_turns: Positive = 4.0
    original_tokens: Count = 8192

    def __post_init__(self) -> None:
        path = "config.model.decoder.rope_scaling"
        check_fields(self, path)
        if self.low_turns >= self.high_turns:
            raise UserError(
                f"{path}.low_turns={self.low_turns} is not below {path}.high_turns="
                f"{self.high_turns}; Llama 3 has 1 and 4"
            )


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """Everything that decides the shape and the arithmetic of a decoder.

    The families (Gemma, Qwen, Llama, Mistral) differ in these fields, not in code.
    """

    # What some fields were first called. Files and fingerprints keep these names: under others, no
    # finished run would be found again, and no model directory opened.
    FIRST_NAMES = MappingProxyType(
        {
            "width": "embed_dim",
            "head_size": "head_dim",
            "feedforward": "mlp_dim",
            "rope_base": "rope_theta",
            "rope_local_base": "rope_local_theta",
        }
    )

    vocab_size: Size
    layers: Size
    embed_dim: Size
    heads: Size
    kv_heads: Size
    head_dim: Size
    mlp_dim: Size
    activation: Literal["gelu_tanh", "silu"] = "gelu_tanh"
    # Gemma stores normalisation weights as an offset from one.
    norm_offset: bool = True
    # Gemma normalises each branch once more before it joins the residual stream.
    post_norms: bool = True
    qk_norm: bool = True
    qkv_bias: bool = False
    norm_epsilon: Positive = 1e-6
    tied_embeddings: bool = True
    # Gemma multiplies embeddings by sqrt(embed_dim).
    scale_embeddings: bool = True
    # Every `window_pattern`-th layer attends to everything, the others to the last
    # `window` positions; 0 means that no layer has a window. A pattern of 0: all layers have it.
    window: CountOrZero = 0
    window_pattern: CountOrZero = 1
    # Where the pattern is 0, so many layers at the bottom attend to everything nevertheless.
    full_layers: CountOrZero = 0
    # Rotary embeddings; `local` is for layers with a window.
    rope_theta: Positive = 10_000.0
    rope_local_theta: Positive = 10_000.0
    rope_scaling: RopeScaling | None = None
    rope_local_scaling: RopeScaling | None = None
    # Soft caps squash logits to (-cap, cap); 0 switches them off.
    attention_softcap: NotNegative = 0.0
    logit_softcap: NotNegative = 0.0
    # What query . key is divided by, squared; the head size unless a family says otherwise.
    query_scale: Positive | None = None

    def __post_init__(self) -> None:
        path = "config.model.decoder"
        check_fields(self, path)
        check_divides(self, path, "kv_heads", "heads")
        if self.head_dim % 2:
            raise UserError(
                f"{path}.head_dim={self.head_dim} is odd; rotary embeddings turn pairs of "
                "features, so choose an even size"
            )
        if (self.window > 0) != (self.window_pattern != 1):
            raise UserError(
                f"{path}.window={self.window} and {path}.window_pattern={self.window_pattern} "
                "contradict each other; set both (say 512 and 6), or 0 and 1 for no window"
            )
        if self.full_layers and self.window_pattern:
            raise UserError(
                f"{path}.full_layers={self.full_layers} and {path}.window_pattern="
                f"{self.window_pattern} contradict each other; set window_pattern=0, so that all "
                "layers above have the window"
            )

    @property
    def described(self) -> dict[str, Any]:
        """All fields under their first names, as files and fingerprints have them."""
        first = {name: old for old, name in self.FIRST_NAMES.items()}
        return {first.get(name, name): v for name, v in dataclasses.asdict(self).items()}

    @property
    def groups(self) -> int:
        """Query heads for each key-value head."""
        return self.heads // self.kv_heads

    @property
    def attention_scale(self) -> float:
        """The factor on query . key."""
        return 1.0 / math.sqrt(self.query_scale or self.head_dim)

    @property
    def global_layers(self) -> tuple[bool, ...]:
        """For each layer, whether it attends beyond the window."""
        return tuple(
            (i + 1) % self.window_pattern == 0 if self.window_pattern else i < self.full_layers
            for i in range(self.layers)
        )


@dataclasses.dataclass(frozen=True)
class Family:
    """What all models of one architecture have in common; its names are those of transformers.

    Attributes:
        fixed: the fields of DecoderConfig that no config.json of the family can change.
        fields: every key of a config.json that decides the decoder, with the value that
            transformers assumes where a file leaves it out. Keys of other families mean nothing.
    """

    model_type: str
    architecture: str
    fixed: Mapping[str, bool]
    fields: Mapping[str, Any]


def _family(model_type: str, architecture: str, fixed: Mapping[str, bool], **fields: Any) -> Family:
    usual = {
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "head_dim": None,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "rope_theta": 10_000.0,
        "rope_scaling": None,
        "rope_parameters": None,
    }
    return Family(model_type, architecture, fixed, usual | fields)


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

# Where a decoder fits two of them, the first is what it is exported as.
FAMILIES: tuple[Family, ...] = (
    _family(
        "gemma3_text",
        "Gemma3ForCausalLM",
        _GEMMA | {"qk_norm": True},
        **_GEMMA_FIELDS,
        vocab_size=262_208,
        max_position_embeddings=131_072,
        rope_theta=1_000_000.0,
        rope_local_base_freq=10_000.0,
        sliding_window_pattern=6,
        final_logit_softcapping=None,
    ),
    _family(
        "gemma2",
        "Gemma2ForCausalLM",
        _GEMMA | {"qk_norm": False},
        **_GEMMA_FIELDS,
        vocab_size=256_000,
        max_position_embeddings=8192,
        sliding_window_pattern=2,
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
)
