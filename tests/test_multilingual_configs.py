"""The configs of today's multilingual models: what decides a decoder is read, or refused by name.

They are as published, less what decides nothing: Tiny Aya's as in a public implementation of it
(rasbt/LLMs-from-scratch), the others from memory, held against the numbers of parameters that the
models' cards have.
"""

import json
import math

import jax
import pytest
from small import FAMILIES, OLMO_LIKE

from pinch_jax.errors import UserError
from pinch_jax.model.config_json import read_config, write_config
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.families import DecoderConfig, RopeScaling
from pinch_jax.model.model import DrawnWeights
from pinch_jax.train.lora import LoraConfig, check_rank

LOCAL, GLOBAL = "sliding_attention", "full_attention"
# Layers, embed_dim, mlp_dim, heads, key-value heads, vocabulary; by the names of a config.json.
NAMES = (
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
)


def config(model_type, *sizes, **others):
    """Returns a config.json."""
    return {"model_type": model_type, **dict(zip(NAMES, sizes, strict=True)), **others}


OLMO3 = config(
    *("olmo3", 32, 4096, 11008, 32, 32, 100278),
    layer_types=[LOCAL, LOCAL, LOCAL, GLOBAL] * 8,
    max_position_embeddings=65536,
    rms_norm_eps=1e-06,
    rope_scaling={
        "attention_factor": 1.2079441541679836,
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 8.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "yarn",
    },
    rope_theta=500000,
    sliding_window=4096,
)
SMOLLM3 = config(
    *("smollm3", 36, 2048, 11008, 16, 4, 128256),
    layer_types=[GLOBAL] * 36,
    max_window_layers=28,
    no_rope_layer_interval=4,
    no_rope_layers=[1, 1, 1, 0] * 9,
    rms_norm_eps=1e-06,
    rope_scaling=None,
    rope_theta=5000000.0,
    sliding_window=None,
    use_sliding_window=False,
)
TINY_AYA = config(
    *("cohere2", 36, 2048, 11008, 16, 4, 262144),
    head_dim=128,
    layer_norm_eps=1e-05,
    layer_types=[LOCAL, LOCAL, LOCAL, GLOBAL] * 9,
    logit_scale=1.0,
    rope_theta=50000,
    sliding_window=4096,
)
AYA_EXPANSE = config(
    *("cohere", 32, 4096, 14336, 32, 8, 256000),
    layer_norm_eps=1e-05,
    logit_scale=0.125,
    rope_theta=10000,
    use_qk_norm=False,
)
APERTUS = config(
    *("apertus", 32, 4096, 21504, 32, 8, 131072),
    hidden_act="xielu",
    max_position_embeddings=65536,
    mlp_bias=False,
    post_norm=False,
    qk_norm=True,
    rms_norm_eps=1e-05,
    rope_scaling={
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
        "type": "llama3",
    },
    rope_theta=12000000,
    tie_word_embeddings=False,
)
LLAMA = {"rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": False}
PUBLISHED = {
    "OLMo 2 7B": (
        config("olmo2", 32, 4096, 11008, 32, 32, 100352, rope_theta=500000),
        7_298_617_344,
    ),
    "OLMo 3 7B": (OLMO3, 7_298_011_136),
    "SmolLM3 3B": (SMOLLM3, 3_075_098_624),
    "Tiny Aya": (TINY_AYA, 3_349_227_520),
    "Aya Expanse 8B": (AYA_EXPANSE, 8_028_033_024),
    "Apertus 8B": (APERTUS, 8_053_338_240),
    "EuroLLM 1.7B": (config("llama", 24, 2048, 5632, 16, 8, 128000, **LLAMA), 1_656_850_432),
    "EuroLLM 9B": (config("llama", 42, 4096, 12288, 32, 8, 128000, **LLAMA), 9_152_319_488),
    "Salamandra 2B": (config("llama", 24, 2048, 5440, 16, 16, 256000, **LLAMA), 2_253_490_176),
    "Salamandra 7B": (config("llama", 32, 4096, 11008, 32, 8, 256000, **LLAMA), 7_768_117_248),
    "TildeOpen 30B": (config("llama", 60, 6144, 21504, 48, 8, 131072, **LLAMA), 30_677_882_880),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_is_read_with_its_size_and_written_as_it_is_read(name):
    published, count = PUBLISHED[name]
    decoder = read_config(published)
    leaves = jax.tree.leaves(abstract_params(decoder))
    assert sum(math.prod(leaf.shape) for leaf in leaves) == count
    written = write_config(decoder)
    assert read_config(json.loads(json.dumps(written))) == decoder
    assert written["model_type"] == published["model_type"]


def test_what_is_particular_to_a_family_is_read():
    olmo = read_config(OLMO3)
    yarn = RopeScaling("yarn", 8.0, 1.0, 32.0, 8192, 1.2079441541679836)
    assert (olmo.rope_scaling, olmo.rope_local_scaling) == (yarn, None)
    assert (olmo.window, olmo.window_pattern, olmo.unrotated_pattern) == (4096, 4, 0)
    without = {k: v for k, v in OLMO3["rope_scaling"].items() if "factor" not in k} | {"factor": 8}
    assert read_config(OLMO3 | {"rope_scaling": without}) == olmo
    assert read_config(SMOLLM3).rotated_layers == (True, True, True, False) * 9
    aya = read_config(TINY_AYA)
    assert aya.rotated_layers == tuple(not every for every in aya.global_layers)
    assert not any(read_config(TINY_AYA | {"sliding_window": None}).rotated_layers)
    assert all(read_config(AYA_EXPANSE).rotated_layers)
    # Where an Apertus says nothing of rotations, it has those that it was published with.
    silent = {k: v for k, v in APERTUS.items() if not k.startswith("rope")}
    assert read_config(silent) == read_config(silent | {"rope_scaling": None})
    assert read_config(silent) == read_config(APERTUS)


@pytest.mark.parametrize(
    ("published", "change", "message"),
    [
        (AYA_EXPANSE, {"use_qk_norm": True}, "use_qk_norm=True"),
        (TINY_AYA, {"layer_types": [GLOBAL] + [LOCAL] * 35}, "layer_types"),
        (TINY_AYA, {"per_layer_config": {"0": {"head_dim": 8}}}, "per_layer_config"),
        (SMOLLM3, {"use_sliding_window": True}, "use_sliding_window=True"),
        (SMOLLM3, {"no_rope_layers": [1, 0] + [1] * 34}, "no_rope_layers"),
        (SMOLLM3, {"no_rope_layers": [1, 1, 1, 0]}, "no_rope_layers"),
        (OLMO3, {"rope_scaling": None, "rope_parameters": {"rope_type": "yarn"}}, "in it"),
        (OLMO3, {"attention_bias": True}, "attention_bias=True"),
    ],
)
def test_what_a_family_could_have_and_the_decoder_has_not_is_refused(published, change, message):
    read_config(published)
    with pytest.raises(UserError, match=message):
        read_config(published | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parallel": True}, r"parallel=True.*pre_norms=True and post_norms=False"),
        ({"qk_norm": False}, "qk_norm_joint=True needs .*qk_norm=True"),
    ],
)
def test_fields_that_contradict_each_other_say_so(change, message):
    with pytest.raises(UserError, match=message):
        DecoderConfig(**(vars(OLMO_LIKE) | change))


def test_fields_that_came_later_leave_the_fingerprints_of_others_alone():
    sums = {name: DrawnWeights(decoder, 0).checksum[:16] for name, decoder in FAMILIES.items()}
    assert sums == {"gemma": "6c7a5b4cf70f62f3", "llama": "4ed9d3d832d680a4"}
    assert OLMO_LIKE.described["pre_norms"] is False
    assert OLMO_LIKE.described["rope_scaling"]["attention_factor"] == 1.2


def test_an_adapter_of_a_gate_that_is_not_there_is_refused():
    decoder = read_config(APERTUS)
    check_rank(decoder, LoraConfig(16, 1.0, ("query", "up")))
    with pytest.raises(UserError, match="has no 'gate'; leave it out"):
        check_rank(decoder, LoraConfig(16, 1.0, ("query", "gate")))
