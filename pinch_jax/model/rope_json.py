"""Between what a config.json says of rotary embeddings and the fields of DecoderConfig."""

import math
from collections.abc import Mapping
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.model.architectures import Family
from pinch_jax.model.families import DecoderConfig, RopeScaling

Config = Mapping[str, Any]
KINDS = ("default", "linear", "llama3", "yarn", "proportional")
LLAMA3_FACTORS = ("low_freq_factor", "high_freq_factor")
YARN_ONLY = {"truncate": True, "mscale": None, "mscale_all_dim": None}
YARN_TURNS = {"beta_slow": 1.0, "beta_fast": 32.0}
ORIGINAL_TOKENS = "original_max_position_embeddings"
LOCAL, GLOBAL = "sliding_attention", "full_attention"


def read_unrotated(c: Config, family: Family, windows: Mapping[str, int]) -> int:
    """Returns `unrotated_pattern` of DecoderConfig, whose fields of windows are `windows`."""
    layers = c["num_hidden_layers"]
    if not family.rotates_globals:
        if windows.get("full_layers"):
            raise unsupported("layer_types", c["layer_types"], "every n-th is without a window")
        return windows.get("window_pattern", 1)
    if "no_rope_layers" not in c:
        return 0
    if c["use_sliding_window"] or LOCAL in (c["layer_types"] or ()):
        raise unsupported("use_sliding_window", c["use_sliding_window"], "only full attention")
    every, rotated = c["no_rope_layer_interval"], c["no_rope_layers"]
    if rotated is None:
        rotated = [(i + 1) % (every or layers + 1) for i in range(layers)]
    rotated = [bool(each) for each in rotated]
    pattern = 0 if all(rotated[:layers]) else rotated.index(False) + 1
    if rotated[:layers] != [not pattern or (i + 1) % pattern != 0 for i in range(layers)]:
        rule = f"num_hidden_layers={layers} of them, and 0 for every n-th layer"
        raise unsupported("no_rope_layers", c["no_rope_layers"], rule)
    return pattern


def read_ropes(c: Config, family: Family) -> dict[str, Any]:
    """Returns the rotary fields of DecoderConfig; in some families, windows have their own."""
    old, new = c["rope_scaling"], c["rope_parameters"]
    where, local = "rope_parameters", None
    own = family.local_rope_theta is not None
    if new and ((GLOBAL in new) != own or (own and old)):
        rule = f"{GLOBAL!r} and {LOCAL!r} in it where they differ, and no rope_scaling beside it"
        raise unsupported(where, new, rule)
    if new and own:
        everywhere, local = dict(new[GLOBAL]), new.get(LOCAL)
    else:
        if old and own and "rope_type" not in old:
            raise unsupported("rope_scaling", old, "only with a rope_type")
        # transformers takes the older of two spellings.
        everywhere, where = dict(old or new or {}), "rope_scaling" if old else where
    base = everywhere.get("rope_theta", c.get("rope_theta"))
    scaling = _read_scaling(everywhere, where, c)
    local_base, local_scaling = base, scaling
    if own:
        local = local or {}
        for kind, rope in ((GLOBAL, everywhere), (LOCAL, local)):
            if "rope_theta" not in c and "rope_theta" not in rope:
                raise UserError(f"config.json: {where}.{kind}.rope_theta is missing; give it")
        local_base = local.get("rope_theta", c.get("rope_local_base_freq", family.local_rope_theta))
        local_scaling = _read_scaling(local, where, c)
    return {
        "rope_theta": float(base),
        "rope_local_theta": float(local_base),
        "rope_scaling": scaling,
        "rope_local_scaling": local_scaling,
    }


def _read_scaling(rope: Config, where: str, c: Config) -> RopeScaling | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in KINDS:
        raise unsupported(f"{where}.rope_type", kind, f"only {', '.join(KINDS)}")
    if kind == "proportional":
        part = rope.get("partial_rotary_factor", 1.0)
        return RopeScaling(kind, rope.get("factor", 1.0), rotated=part)
    if rope.get("partial_rotary_factor") not in (None, 1.0):
        part = rope["partial_rotary_factor"]
        raise unsupported(f"{where}.partial_rotary_factor", part, "only 1.0")
    if kind == "default":
        return None
    needed = ("factor", *LLAMA3_FACTORS) if kind == "llama3" else ("factor",)
    for name in needed:
        if name not in rope:
            raise UserError(f"config.json: {where}.{name} is missing; {kind!r} needs it")
    factors = [float(rope[name]) for name in needed]
    if kind == "linear":
        return RopeScaling(kind, *factors)
    beside = c.get(ORIGINAL_TOKENS)
    original_tokens = beside or rope.get(ORIGINAL_TOKENS, c["max_position_embeddings"])
    if kind == "llama3":
        return RopeScaling(kind, *factors, original_tokens)
    for name, value in YARN_ONLY.items():
        if rope.get(name, value) not in (None, value):
            raise unsupported(f"{where}.{name}", rope[name], f"only {value!r}")
    turns = [float(rope.get(name) or usual) for name, usual in YARN_TURNS.items()]
    size = rope.get("attention_factor")
    # Source: Peng et al. 2023, YaRN, arXiv 2309.00071, eq. 22.
    size = 1 + 0.1 * math.log(max(factors[0], 1)) if size is None else float(size)
    return RopeScaling(kind, *factors, *turns, original_tokens, size)


def write_ropes(decoder: DecoderConfig, family: Family) -> dict[str, Any]:
    """Returns what a config.json of a family says of rotations."""
    scaling = _write_scaling(decoder.rope_scaling)
    if "rope_theta" in family.fields:
        return {
            "rope_theta": decoder.rope_theta,
            "rope_local_base_freq": decoder.rope_local_theta,
            "rope_scaling": scaling,
        }
    local = _write_scaling(decoder.rope_local_scaling)
    ropes = {GLOBAL: (decoder.rope_theta, scaling), LOCAL: (decoder.rope_local_theta, local)}
    written = {
        kind: {"rope_type": "default", "rope_theta": theta} | (how or {})
        for kind, (theta, how) in ropes.items()
    }
    return {"rope_parameters": written}


def _write_scaling(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    written = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind == "linear":
        return written
    if scaling.kind == "proportional":
        stretched = {"factor": scaling.factor} if scaling.factor != 1 else {}
        part = {"partial_rotary_factor": scaling.rotated}
        return {"rope_type": scaling.kind} | part | stretched
    names = LLAMA3_FACTORS
    if scaling.kind == "yarn":
        names, written["attention_factor"] = YARN_TURNS, scaling.attention_factor
    written |= zip(names, (scaling.low_turns, scaling.high_turns), strict=True)
    return written | {ORIGINAL_TOKENS: scaling.original_tokens}


def unsupported(field: str, value: Any, supported: str) -> UserError:
    """Returns what is said of a field that has another value than those that are supported."""
    return UserError(f"config.json: {field}={value!r} is not supported: {supported}")
