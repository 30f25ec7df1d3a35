"""What a decoder is, as data: the fields in which the open families differ."""

import dataclasses
import math
from typing import Literal

from pinch_jax.config_fields import positive


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """Everything that decides the shape and the arithmetic of a decoder.

    The families (Gemma, Qwen, Llama, Mistral) differ in these fields, not in code.
    """

    vocab_size: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    feedforward: int
    activation: Literal["gelu_tanh", "silu"] = "gelu_tanh"
    # Gemma stores normalisation weights as an offset from one.
    norm_offset: bool = True
    # Gemma normalises each branch once more before it joins the residual stream.
    post_norms: bool = True
    qk_norm: bool = True
    qkv_bias: bool = False
    norm_epsilon: float = 1e-6
    tied_embeddings: bool = True
    # Gemma multiplies embeddings by sqrt(width).
    scale_embeddings: bool = True
    # Every `window_pattern`-th layer attends to everything, the others to the last
    # `window` positions; 0 means that no layer has a window.
    window: int = 0
    window_pattern: int = 1
    rope_base: float = 10_000.0
    rope_local_base: float = 10_000.0
    # Soft caps squash logits to (-cap, cap); 0 switches them off.
    attention_softcap: float = 0.0
    logit_softcap: float = 0.0
    # What query . key is divided by, squared; the head size unless a family says otherwise.
    query_scale: float | None = None

    def __post_init__(self) -> None:
        path = "config.model.decoder"
        positive(self, path, "vocab_size", "layers", "width", "heads", "kv_heads", "head_size")
        positive(self, path, "feedforward", "window_pattern")
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{path}.kv_heads={self.kv_heads} does not divide {path}.heads={self.heads}; "
                "choose a divisor of it"
            )
        if self.head_size % 2:
            raise ValueError(
                f"{path}.head_size={self.head_size} is odd; rotary embeddings turn pairs of "
                "features, so choose an even size"
            )
        if (self.window > 0) != (self.window_pattern > 1):
            raise ValueError(
                f"{path}.window={self.window} and {path}.window_pattern={self.window_pattern} "
                "contradict each other; set both (say 512 and 6), or 0 and 1 for no window"
            )

    @property
    def groups(self) -> int:
        """Query heads for each key-value head."""
        return self.heads // self.kv_heads

    @property
    def attention_scale(self) -> float:
        """The factor on query . key."""
        return 1.0 / math.sqrt(self.query_scale or self.head_size)

    @property
    def global_layers(self) -> tuple[bool, ...]:
        """For each layer, whether it attends beyond the window."""
        return tuple((i + 1) % self.window_pattern == 0 for i in range(self.layers))
