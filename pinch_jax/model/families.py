"""What a decoder is, as data: the fields in which the open families differ, and the families."""

import dataclasses
import math
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

from pinch_jax.config_fields import (
    Count,
    CountOrZero,
    Fraction,
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
# Of a field that came later: files and fingerprints name it where it is not at its default alone,
# so that those of models that do not need it stay what they were.
ADDED = {"added": True}


def _described(made: Any) -> Any:
    if not dataclasses.is_dataclass(made):
        return made
    return {
        field.name: _described(getattr(made, field.name))
        for field in dataclasses.fields(made)
        if not field.metadata or getattr(made, field.name) != field.default
    }


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are lowered, for texts longer than those of the first pretraining.

    "linear" divides every frequency by `factor`. "llama3" divides those that turn less than
    `low_turns` times in `original_tokens` positions, leaves those that turn more than
    `high_turns` times, and goes smoothly from one to the other. "yarn" goes evenly from pair to
    pair of features instead, and multiplies queries and keys by `attention_factor`.
    "proportional" divides the frequencies of the first `rotated` part of pairs, as "linear" does,
    and turns no others.
    """

    kind: Literal["linear", "llama3", "yarn", "proportional"]
    factor: Positive
    low_turns: Positive = 1.0
    high_turns: Positive = 4.0
    original_tokens: Count = 8192
    attention_factor: Positive = dataclasses.field(default=1.0, metadata=ADDED)
    rotated: Fraction = dataclasses.field(default=1.0, metadata=ADDED)

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

    The families (Gemma, Qwen, Llama, OLMo, Cohere, ...) differ in these fields, not in code.
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
    activation: Literal["gelu_tanh", "silu", "xielu"] = "gelu_tanh"
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
    # OLMo normalises what a branch gives, not what it gets.
    pre_norms: bool = dataclasses.field(default=True, metadata=ADDED)
    # Cohere's branches get the same input side by side, not one after the other.
    parallel: bool = dataclasses.field(default=False, metadata=ADDED)
    # Cohere's norms subtract the mean first: LayerNorm without a bias.
    centered_norms: bool = dataclasses.field(default=False, metadata=ADDED)
    # OLMo normalises all heads of a position together, not each for itself.
    qk_norm_joint: bool = dataclasses.field(default=False, metadata=ADDED)
    # Cohere turns neighbouring features as a pair, not the two halves of a head.
    rope_interleaved: bool = dataclasses.field(default=False, metadata=ADDED)
    # Every `unrotated_pattern`-th layer has no rotary embeddings; 0: all have them.
    unrotated_pattern: CountOrZero = dataclasses.field(default=0, metadata=ADDED)
    # Whether the feed-forward multiplies by a gate.
    gated: bool = dataclasses.field(default=True, metadata=ADDED)
    # What the hidden states are multiplied by before the output head.
    logit_scale: Positive = dataclasses.field(default=1.0, metadata=ADDED)
    # Gemma 4's values are normalised too, without weights.
    value_norm: bool = dataclasses.field(default=False, metadata=ADDED)
    # What each of its layers gives is multiplied by a number, which is never trained.
    output_scales: bool = dataclasses.field(default=False, metadata=ADDED)
    # Heads of layers that attend to everything, where they differ from those of the others.
    global_head_dim: Size | None = dataclasses.field(default=None, metadata=ADDED)
    global_kv_heads: Size | None = dataclasses.field(default=None, metadata=ADDED)
    # Whether the values of such layers are projected as their keys are, by the same weights.
    keys_as_values: bool = dataclasses.field(default=False, metadata=ADDED)
    # So many layers at the top have no keys and values but those of the last layer below of the
    # same reach, and may have wider feed-forwards.
    sharing_layers: CountOrZero = dataclasses.field(default=0, metadata=ADDED)
    sharing_mlp_dim: Size | None = dataclasses.field(default=None, metadata=ADDED)
    # The size of what each layer is told of each token by a table of its own; 0: nothing.
    layer_embed_dim: CountOrZero = dataclasses.field(default=0, metadata=ADDED)

    def __post_init__(self) -> None:
        path = "config.model.decoder"
        check_fields(self, path)
        check_divides(self, path, "kv_heads", "heads")
        if self.global_kv_heads:
            check_divides(self, path, "global_kv_heads", "heads")
        for name in ("head_dim", "global_head_dim"):
            if (getattr(self, name) or 0) % 2:
                raise UserError(f"{path}.{name}={getattr(self, name)} is odd; choose an even size")
        if (self.window > 0) != (self.window_pattern != 1):
            raise UserError(
                f"{path}.window={self.window} and {path}.window_pattern={self.window_pattern} "
                "contradict each other; set both (say 512 and 6), or 0 and 1 for no window"
            )
        if self.full_layers and self.window_pattern:
            raise UserError(
                f"{path}.full_layers={self.full_layers} and {path}.window_pattern="
                f"{self.window_pattern} contradict each other; set {path}.window_pattern=0"
            )
        if self.parallel and (self.post_norms or not self.pre_norms):
            raise UserError(
                f"{path}.parallel=True needs {path}.pre_norms=True and post_norms=False"
            )
        if self.qk_norm_joint and not self.qk_norm:
            raise UserError(f"{path}.qk_norm_joint=True needs {path}.qk_norm=True; set both")
        if self.qkv_bias and self.has_kinds:
            raise UserError(
                f"{path}.qkv_bias=True: layers of several kinds have no biases; set it to False"
            )
        self._check_sharing(path)

    def _check_sharing(self, path: str) -> None:
        own = max(self.layers - self.sharing_layers, 0)
        if not {*self.global_layers[own:]} <= {*self.global_layers[:own]}:
            raise UserError(
                f"{path}.sharing_layers={self.sharing_layers}: of {self.layers} layers {own} have "
                "keys of their own, and none of these the reach of some that share; set it lower"
            )
        if self.sharing_mlp_dim and not self.sharing_layers:
            raise UserError(
                f"{path}.sharing_mlp_dim={self.sharing_mlp_dim} needs {path}.sharing_layers"
            )

    @property
    def described(self) -> dict[str, Any]:
        """The fields under their first names, as files and fingerprints have them."""
        first = {name: old for old, name in self.FIRST_NAMES.items()}
        return {first.get(name, name): v for name, v in _described(self).items()}

    def attention_scale_of(self, head_dim: int) -> float:
        """Returns the factor on query . key for heads of a size."""
        return 1.0 / math.sqrt(self.query_scale or head_dim)

    @property
    def has_kinds(self) -> bool:
        """Whether layers differ in the shapes of their parameters."""
        differs = self.global_head_dim not in (None, self.head_dim)
        differs = differs or self.global_kv_heads not in (None, self.kv_heads)
        return bool(differs or self.keys_as_values or self.sharing_layers)

    @property
    def global_layers(self) -> tuple[bool, ...]:
        """For each layer, whether it attends beyond the window."""
        return tuple(
            (i + 1) % self.window_pattern == 0 if self.window_pattern else i < self.full_layers
            for i in range(self.layers)
        )

    @property
    def rotated_layers(self) -> tuple[bool, ...]:
        """For each layer, whether it has rotary embeddings."""
        pattern = self.unrotated_pattern or self.layers + 1
        return tuple((i + 1) % pattern != 0 for i in range(self.layers))
