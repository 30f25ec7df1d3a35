"""Between the `config.json` of a Hugging Face directory and a DecoderConfig, both ways.

Older and newer spellings are read (`rope_theta` and `rope_scaling`, or `rope_parameters`;
`sliding_window_pattern`, or `layer_types`). What is written, every version that knows the
family reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.model.architectures import FAMILIES, MISSING, Family
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.rope_json import (
    GLOBAL,
    LOCAL,
    ORIGINAL_TOKENS,
    read_ropes,
    read_unrotated,
    unsupported,
    write_ropes,
)
from pinch_jax.model.shapes_json import read_shapes, write_shapes

Config = Mapping[str, Any]

ACTIVATIONS = {"gelu_pytorch_tanh": "gelu_tanh", "silu": "silu", "xielu": "xielu"}
# What the decoder cannot do, by the only values that a config.json may have there, unless it is
# among the fields of the family. transformers reads Gemma 3's attention cap and never applies it.
ONLY: dict[str, tuple[Any, ...]] = {
    "attention_bias": (None, False),
    "mlp_bias": (None, False),
    "partial_rotary_factor": (None, 1.0),
    # Gemma 4's "vision" is for images alone.
    "use_bidirectional_attention": (None, "vision", False),
    "quantization_config": (None,),
    "dual_chunk_attention_config": (None,),
    "enable_moe_block": (None, False),
    "num_experts": (None, 0),
    "num_local_experts": (None, 0),
    "attn_logit_softcapping": (None,),
    "is_causal": (None, True),
    "use_qk_norm": (None, False),
    "per_layer_config": (None, {}),
}
# The sizes of a decoder, by the names of DecoderConfig.
_NAMES = {
    "vocab_size": "vocab_size",
    "layers": "num_hidden_layers",
    "embed_dim": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "mlp_dim": "intermediate_size",
}
NULLABLE = ("rope_parameters", "layer_types")
# A file may leave these two out.
SIZES = tuple(_NAMES[name] for name in _NAMES if name not in ("kv_heads", "head_dim"))
# Models of images too, with a decoder inside.
IMAGE_MODELS = {
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_unified_text",
}


def family_of(config: Config) -> Family:
    """Returns the family of a config.json; raises UserError if it is none of ours."""
    families = {family.model_type: family for family in FAMILIES}
    model_type = text_part(config).get("model_type")
    if model_type in MISSING:
        raise unsupported("model_type", model_type, MISSING[model_type])
    if model_type not in families:
        what = f"the families are {', '.join(families)}"
        if model_type is None:
            what += "; the models of a work directory are its runs/RUN/model"
        raise unsupported("model_type", model_type, what)
    return families[model_type]


def text_part(config: Config) -> Config:
    """Returns the part of a config.json that describes the text decoder.

    Gemma 3 from 4B on has an image encoder beside it, and the decoder in `text_config`.
    """
    model_type = config.get("model_type")
    if model_type not in IMAGE_MODELS:
        return config
    if "text_config" not in config:
        raise UserError(f"config.json: text_config is missing; {model_type=} needs it")
    inherited = {k: config[k] for k in ONLY if k in config}
    # Whatever the decoder inside says.
    inherited["tie_word_embeddings"] = config.get("tie_word_embeddings", True)
    return {"model_type": IMAGE_MODELS[model_type], **config["text_config"], **inherited}


def read_config(config: Config, path: Path | None = None) -> DecoderConfig:
    """Returns the decoder that a config.json describes; `path`, where it is, is for messages.

    Raises:
        UserError: it asks for something that the decoder does not do; names field and value.
    """
    try:
        return _decoder(config)
    except UserError as error:
        if path is None:
            raise
        raise UserError(f"{path}: {error}") from None


def _decoder(config: Config) -> DecoderConfig:
    family, config = family_of(config), text_part(config)
    for name, values in ONLY.items():
        if name not in family.fields and config.get(name) not in values:
            raise unsupported(name, config[name], f"only {values[-1]!r}")
    c = {name: config.get(name, default) for name, default in family.fields.items()}
    if family.local_rope_theta is None:
        # Of any family, and before what is told with the scaling.
        c[ORIGINAL_TOKENS] = config.get(ORIGINAL_TOKENS)
    # For these, null is the same as nothing.
    c |= {name: c[name] or family.fields[name] for name in NULLABLE if name in c}
    for name in SIZES:
        if type(c[name]) is not int or c[name] < 1:
            raise unsupported(name, c[name], "only whole numbers above 0")
    activation = "hidden_act" if "hidden_act" in c else "hidden_activation"
    gated = family.fixed.get("gated", True)
    if c[activation] not in ACTIVATIONS or (gated and c[activation] == "xielu"):
        raise unsupported(activation, c[activation], f"only {', '.join(ACTIVATIONS)}")
    c["num_key_value_heads"] = c["num_key_value_heads"] or c["num_attention_heads"]
    c["head_dim"] = c["head_dim"] or c["hidden_size"] // c["num_attention_heads"]
    divisor = c.get("query_pre_attn_scalar", family.query_scale or c["head_dim"])
    local = _read_local(c, family)
    windows = _read_windows(c, local)
    return DecoderConfig(
        **{ours: c[theirs] for ours, theirs in _NAMES.items()},
        activation=ACTIVATIONS[c[activation]],
        norm_epsilon=c["layer_norm_eps" if "layer_norm_eps" in c else "rms_norm_eps"],
        tied_embeddings=c["tie_word_embeddings"],
        attention_softcap=float(c.get("attn_logit_softcapping") or 0),
        logit_softcap=float(c.get("final_logit_softcapping") or 0),
        query_scale=None if divisor == c["head_dim"] else float(divisor),
        logit_scale=c.get("logit_scale", 1.0),
        **windows,
        **read_shapes(c, local),
        **read_ropes(c, family),
        unrotated_pattern=read_unrotated(c, family, windows),
        **family.fixed,
    )


def _read_local(c: Config, family: Family) -> list[bool]:
    """Returns, for each layer, whether it has a window."""
    layers, window = c["num_hidden_layers"], c.get("sliding_window")
    if family.ends_globally and (type(window) is not int or window < 1):
        raise unsupported("sliding_window", window, "only whole numbers above 0")
    if not window or not c.get("use_sliding_window", True):
        return [False] * layers
    local = [True] * layers
    if c.get("layer_types"):
        kinds = c["layer_types"]
        # What a family assumes goes round.
        kinds = (kinds * layers)[:layers] if isinstance(kinds, tuple) else kinds
        local = _local_layers(kinds, layers)
    elif "sliding_window_pattern" in c:
        local = [(i + 1) % c["sliding_window_pattern"] != 0 for i in range(layers)]
    elif "max_window_layers" in c:
        local = [i >= c["max_window_layers"] for i in range(layers)]
    if family.ends_globally:
        local[-1] = False
    return local


def _read_windows(c: Config, local: list[bool]) -> dict[str, int]:
    """Returns the fields of DecoderConfig that say which layers have a window, and how long."""
    layers, window = len(local), c.get("sliding_window")
    if not any(local):
        return {}
    first = local.index(True)
    if all(local[first:]):
        return {"window": window, "window_pattern": 0, "full_layers": first}
    pattern = local.index(False) + 1
    if local != [(i + 1) % pattern != 0 for i in range(layers)]:
        rule = "every n-th layer may attend to everything, or the first few"
        raise unsupported("layer_types", c["layer_types"], rule)
    return {"window": window, "window_pattern": pattern}


def _local_layers(layer_types: Sequence[str], layers: int) -> list[bool]:
    unknown = sorted(set(layer_types) - {LOCAL, GLOBAL})
    if unknown:
        raise unsupported("layer_types", unknown[0], f"only {LOCAL!r} and {GLOBAL!r}")
    if len(layer_types) != layers:
        raise unsupported("layer_types", layer_types, f"num_hidden_layers={layers} of them")
    return [kind == LOCAL for kind in layer_types]


def write_config(decoder: DecoderConfig, **others: Any) -> dict[str, Any]:
    """Returns a config.json of the first family that has such a decoder, with `others` in it.

    Raises:
        UserError: no family has such a decoder; the message says what the nearest one has.
    """
    differences = {}
    for family in FAMILIES:
        written = _write(decoder, family)
        try:
            ours, theirs = _normal(decoder), _normal(read_config(written))
        except UserError:  # such windows or rotations this family has none of
            continue
        wrong = {name: theirs[name] for name in ours if ours[name] != theirs[name]}
        if family.even_heads and decoder.embed_dim % decoder.heads:
            wrong["embed_dim"] = f"a multiple of {decoder.heads} heads"
        shares_alone = decoder.sharing_layers and not decoder.layer_embed_dim
        if shares_alone and "hidden_size_per_layer_input" in family.fields:
            wrong["layer_embed_dim"] = "above 0"  # transformers 5.24 slices what is None
        if not wrong:
            return written | others
        differences[family.model_type] = wrong
    name = min(differences, key=lambda each: len(differences[each]))
    told = ", ".join(
        f"config.model.decoder.{field}={getattr(decoder, field)!r} is {value!r}"
        for field, value in differences[name].items()
    )
    raise UserError(f"transformers has no such decoder: in {name!r}, the nearest, {told}")


def _normal(decoder: DecoderConfig) -> dict[str, Any]:
    """Returns the fields by name, those that change nothing at one value."""
    unused = {}
    if all(decoder.global_layers):
        unused = {
            "window": 0,
            "window_pattern": 1,
            "full_layers": 0,
            "rope_local_theta": decoder.rope_theta,
            "rope_local_scaling": decoder.rope_scaling,
        }
    unused["query_scale"] = decoder.query_scale or decoder.head_dim
    unused["global_head_dim"] = decoder.global_head_dim or decoder.head_dim
    unused["global_kv_heads"] = decoder.global_kv_heads or decoder.kv_heads
    return vars(decoder) | unused


def _write(decoder: DecoderConfig, family: Family) -> dict[str, Any]:
    activation = {ours: theirs for theirs, ours in ACTIVATIONS.items()}[decoder.activation]
    windowed = not all(decoder.global_layers)
    divisor = decoder.query_scale or decoder.head_dim
    known = {theirs: getattr(decoder, ours) for ours, theirs in _NAMES.items()} | {
        "hidden_act": activation,
        "hidden_activation": activation,
        "rms_norm_eps": decoder.norm_epsilon,
        "layer_norm_eps": decoder.norm_epsilon,
        "logit_scale": decoder.logit_scale,
        "no_rope_layers": [int(each) for each in decoder.rotated_layers],
        "tie_word_embeddings": decoder.tied_embeddings,
        "attn_logit_softcapping": decoder.attention_softcap or None,
        "final_logit_softcapping": decoder.logit_softcap or None,
        # transformers takes whole numbers only.
        "query_pre_attn_scalar": round(divisor),
        "sliding_window": decoder.window if windowed else _unused_window(family),
        "use_sliding_window": windowed,
        "max_window_layers": decoder.full_layers if windowed else decoder.layers,
        "layer_types": [GLOBAL if every else LOCAL for every in decoder.global_layers],
        **write_ropes(decoder, family),
        **write_shapes(decoder),
    }
    if decoder.window_pattern > 1:
        known["sliding_window_pattern"] = decoder.window_pattern
    chosen = {name: value for name, value in known.items() if name in family.fields}
    named = {"architectures": [family.architecture], "model_type": family.model_type}
    return named | chosen


def _unused_window(family: Family) -> int | None:
    """Returns the window of a file no layer of which has one.

    Where kinds of layers are named, transformers makes the mask of windows whether or not it is
    needed; elsewhere null says that there is none.
    """
    named = "layer_types" in family.fields and "use_sliding_window" not in family.fields
    return family.fields.get("sliding_window") if named else None


def read_ids(told: int | Sequence[int] | None) -> list[int]:
    """Returns the ids that a file has for a role: one, several or none."""
    if told is None:
        return []
    return [told] if isinstance(told, int) else list(told)


def write_ids(ids: Iterable[int]) -> int | list[int] | None:
    """Returns ids as such a file has them, each once."""
    distinct = list(dict.fromkeys(ids))
    return distinct if len(distinct) > 1 else next(iter(distinct), None)
