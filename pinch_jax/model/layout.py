"""Where each parameter lies in a Hugging Face directory: the name of its tensor, and its axes.

Our layers are stacked and our axes apart; theirs are one tensor a layer, with axes merged (all
heads in one) and matrices transposed.
"""

import dataclasses
import math

import numpy as np

from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.stacks import stacks

Index = tuple[slice, ...]
Axes = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a parameter lies.

    `{}` in the `name` of the tensor is the number of the layer, one of `layers` where there is a
    tensor for each; `axes` says which of our axes (those of one layer) each of its axes merges, in
    order.
    """

    name: str
    axes: Axes
    layers: tuple[int, ...] = ()

    @property
    def stacked(self) -> bool:
        """Whether there is one such tensor for each layer."""
        return bool(self.layers)

    @property
    def names(self) -> list[str]:
        """The names of its tensors."""
        return [self.name.format(layer) for layer in self.layers] or [self.name]

    def stored_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the tensor, from our shape of one layer."""
        return tuple(math.prod(shape[axis] for axis in merged) for merged in self.axes)

    def stored_index(self, index: Index, shape: tuple[int, ...]) -> Index:
        """Returns the smallest block of the tensor that holds the block `index` of ours."""
        found = []
        for merged in self.axes:
            inner = math.prod(shape[axis] for axis in merged[1:])
            start, stop, _ = index[merged[0]].indices(shape[merged[0]])
            found.append(slice(start * inner, stop * inner))
        return tuple(found)

    def to_ours(self, block: np.ndarray, index: Index, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the block `index` in our axes, from the one that `stored_index` names."""
        sizes, rest = [], []
        for merged in self.axes:
            start, stop, _ = index[merged[0]].indices(shape[merged[0]])
            sizes += [stop - start, *(shape[axis] for axis in merged[1:])]
            rest += [slice(None), *(index[axis] for axis in merged[1:])]
        order = np.argsort([axis for merged in self.axes for axis in merged]).astype(int)
        return block.reshape(sizes)[tuple(rest)].transpose(order)

    def to_theirs(self, parameter: np.ndarray) -> np.ndarray:
        """Returns the tensor from the parameter of one layer."""
        order = [axis for merged in self.axes for axis in merged]
        stored = parameter.transpose(order).reshape(self.stored_shape(parameter.shape))
        return np.array(stored, order="C", copy=None)


# Ours: embedding [V, D]; query [D, N, H], output [N, H, D], gate [D, F], down [F, D].
_KEPT: Axes = ((0,), (1,))
_SWAPPED: Axes = ((1,), (0,))
_TO_HEADS: Axes = ((1, 2), (0,))
_FROM_HEADS: Axes = ((2,), (0, 1))
_BIAS: Axes = ((0, 1),)
_VECTOR: Axes = ((0,),)

# These are written by their rows, some at a time, so that their axes are those of the tensors.
_ENDS = {
    "embedding": Place("model.embed_tokens.weight", _KEPT),
    "head": Place("lm_head.weight", _KEPT),
    "final_norm/scale": Place("model.norm.weight", _VECTOR),
    "layer_embedding": Place("model.embed_tokens_per_layer.weight", _KEPT),
    "layer_projection": Place("model.per_layer_model_projection.weight", _KEPT),
    "layer_projection_norm/scale": Place("model.per_layer_projection_norm.weight", _VECTOR),
}
_LAYER = {
    "attention/query": ("self_attn.q_proj.weight", _TO_HEADS),
    "attention/key": ("self_attn.k_proj.weight", _TO_HEADS),
    "attention/value": ("self_attn.v_proj.weight", _TO_HEADS),
    "attention/output": ("self_attn.o_proj.weight", _FROM_HEADS),
    "attention/query_bias": ("self_attn.q_proj.bias", _BIAS),
    "attention/key_bias": ("self_attn.k_proj.bias", _BIAS),
    "attention/value_bias": ("self_attn.v_proj.bias", _BIAS),
    "attention/query_norm/scale": ("self_attn.q_norm.weight", _VECTOR),
    "attention/key_norm/scale": ("self_attn.k_norm.weight", _VECTOR),
    "feedforward/gate": ("mlp.gate_proj.weight", _SWAPPED),
    "feedforward/up": ("mlp.up_proj.weight", _SWAPPED),
    "feedforward/down": ("mlp.down_proj.weight", _SWAPPED),
    "feedforward/activation/alpha_p": ("mlp.act_fn.alpha_p", _VECTOR),
    "feedforward/activation/alpha_n": ("mlp.act_fn.alpha_n", _VECTOR),
    "feedforward/activation/beta": ("mlp.act_fn.beta", ()),
    "feedforward/activation/epsilon": ("mlp.act_fn.eps", ()),
    "attention_norm/scale": ("input_layernorm.weight", _VECTOR),
    "token/gate": ("per_layer_input_gate.weight", _SWAPPED),
    "token/output": ("per_layer_projection.weight", _SWAPPED),
    "token_post_norm/scale": ("post_per_layer_input_norm.weight", _VECTOR),
    "output_scale": ("layer_scalar", _VECTOR),
}
# What files have of layers that share keys and values, and nothing reads.
_UNREAD = ("k_proj", "v_proj", "k_norm", "v_norm")
# The norm before the feed-forward is called after the attention where that has none of its own.
_TWO_NORMS = {"feedforward_norm/scale": ("post_attention_layernorm.weight", _VECTOR)}
_FOUR_NORMS = {
    "attention_post_norm/scale": ("post_attention_layernorm.weight", _VECTOR),
    "feedforward_norm/scale": ("pre_feedforward_layernorm.weight", _VECTOR),
    "feedforward_post_norm/scale": ("post_feedforward_layernorm.weight", _VECTOR),
}
# Apertus, which has no gates, has names of its own.
_UNGATED_NORMS = {
    "attention_norm/scale": ("attention_layernorm.weight", _VECTOR),
    "feedforward_norm/scale": ("feedforward_layernorm.weight", _VECTOR),
}


def places(config: DecoderConfig) -> dict[str, Place]:
    """Returns, by its path, the place of every parameter that a decoder may have."""
    norms = _FOUR_NORMS if config.post_norms else _TWO_NORMS
    layer = _LAYER | (norms if config.gated else _UNGATED_NORMS)
    stacked = {
        f"{kind.name}/{path}": Place(f"model.layers.{{}}.{name}", axes, numbers)
        for kind, numbers in stacks(config).items()
        for path, (name, axes) in layer.items()
    }
    return _ENDS | stacked


def unread(config: DecoderConfig) -> set[str]:
    """Returns the names of tensors that a file may have and that the decoder has no use for."""
    sharing = range(config.layers - config.sharing_layers, config.layers)
    return {f"model.layers.{n}.self_attn.{name}.weight" for n in sharing for name in _UNREAD}
