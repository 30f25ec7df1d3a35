"""A config.json becomes the decoder it describes, and what cannot be is said by name."""

import dataclasses
import math

import jax
import numpy as np
import pytest
from small import FAMILIES as SMALL
from small import GEMMA_LIKE

from pinch_jax.model.config_json import read_config, write_config
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.families import RopeScaling
from pinch_jax.model.rotary import rotation

# As published, less what does not decide the decoder.
GEMMA3_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {"hidden_size": 1152},
}
LLAMA31_8B = {
    "model_type": "llama",
    "attention_bias": False,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "vocab_size": 128256,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}
MISTRAL_7B = {
    "model_type": "mistral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "vocab_size": 32000,
}
QWEN3_06B = {
    "model_type": "qwen3",
    "head_dim": 128,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "max_window_layers": 28,
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
QWEN25_05B = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "max_window_layers": 24,
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
SHORT = ["sliding_attention"] * 2 + ["full_attention"]
# Not published: all that a file of Gemma 4 may say of layers that differ.
GEMMA4 = {
    "model_type": "gemma4_text",
    "attention_k_eq_v": True,
    "final_logit_softcapping": 30.0,
    "global_head_dim": 24,
    "head_dim": 16,
    "hidden_size": 64,
    "hidden_size_per_layer_input": 8,
    "intermediate_size": 96,
    "layer_types": SHORT * 3,
    "num_attention_heads": 8,
    "num_global_key_value_heads": 2,
    "num_hidden_layers": 9,
    "num_key_value_heads": 4,
    "num_kv_shared_layers": 3,
    "sliding_window": 5,
    "use_bidirectional_attention": "vision",
    "use_double_wide_mlp": True,
    "vocab_size": 300,
    "vocab_size_per_layer_input": 300,
}
ROPES = {
    "full_attention": {"rope_type": "proportional", "rope_theta": 100.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
}
GEMMA2_2B = {
    "model_type": "gemma2",
    "head_dim": 256,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_attention_heads": 8,
    "num_hidden_layers": 26,
    "num_key_value_heads": 4,
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "vocab_size": 256000,
}
# How many parameters the model cards say they have, the decoder alone.
PUBLISHED = {
    "gemma3": (GEMMA3_4B, 3_880_263_168),
    "llama": (LLAMA31_8B, 8_030_261_248),
    "mistral": (MISTRAL_7B, 7_241_732_096),
    "qwen3": (QWEN3_06B, 596_049_920),
    "qwen2": (QWEN25_05B, 494_032_768),
    "gemma2": (GEMMA2_2B, 2_614_341_888),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_describes_a_decoder_of_the_published_size(name):
    config, count = PUBLISHED[name]
    leaves = jax.tree.leaves(abstract_params(read_config(config)))
    assert sum(math.prod(leaf.shape) for leaf in leaves) == count


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_written_is_read_as_the_same_decoder(name):
    decoder = read_config(PUBLISHED[name][0])
    written = write_config(decoder, pad_token_id=7)
    assert read_config(written) == decoder
    assert written["pad_token_id"] == 7
    model_type = {"gemma3": "gemma3_text", "mistral": "mistral"}.get(name, name)
    assert written["model_type"] == model_type


def test_windows_and_their_rotations_are_those_of_the_file():
    gemma = read_config(GEMMA3_4B)
    assert (gemma.window, gemma.window_pattern, gemma.rope_local_theta) == (1024, 6, 10_000.0)
    assert (gemma.rope_scaling, gemma.rope_local_scaling) == (RopeScaling("linear", 8.0), None)
    assert sum(gemma.global_layers) == 34 // 6
    assert (gemma.vocab_size, gemma.heads, gemma.kv_heads, gemma.query_scale) == (
        262_208,
        8,
        4,
        None,
    )
    assert read_config(QWEN25_05B | {"max_window_layers": 12}).window == 0
    sliding = read_config(QWEN25_05B | {"use_sliding_window": True, "max_window_layers": 20})
    assert sliding.global_layers == (True,) * 20 + (False,) * 4
    assert sliding.rope_local_theta == 1e6
    assert not any(read_config(MISTRAL_7B).global_layers)
    assert all(read_config(MISTRAL_7B | {"sliding_window": None}).global_layers)
    # Llama knows no window, whatever else a file says.
    assert read_config(LLAMA31_8B | {"sliding_window": 4096}).window == 0
    assert read_config(GEMMA2_2B).global_layers[:4] == (False, True, False, True)


def test_older_and_newer_spellings_mean_the_same():
    old = {key: value for key, value in LLAMA31_8B.items() if not key.startswith("rope")}
    new = old | {"rope_parameters": LLAMA31_8B["rope_scaling"] | {"rope_theta": 500_000.0}}
    assert read_config(new) == read_config(LLAMA31_8B)
    assert read_config(new).rope_scaling == RopeScaling("llama3", 8.0, 1.0, 4.0, 8192)
    text = dict(GEMMA3_4B["text_config"])
    linear = text.pop("rope_scaling") | {"rope_theta": 1e6}
    local = {"rope_type": "default", "rope_theta": 10_000.0}
    ropes = {"full_attention": linear, "sliding_attention": local}
    kinds = ["sliding_attention"] * 5 + ["full_attention"]
    text |= {"rope_parameters": ropes, "layer_types": (kinds * 6)[:34]}
    assert read_config(GEMMA3_4B | {"text_config": text}) == read_config(GEMMA3_4B)
    older = LLAMA31_8B | {"rope_scaling": {"type": "linear", "factor": 2}}
    assert read_config(older).rope_scaling == RopeScaling("linear", 2.0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "phi3", "model_type='phi3' .* gemma3_text, .*gemma2, qwen3"),
        ("model_type", "mixtral", "model_type='mixtral' .* no mixture of experts"),
        ("model_type", "qwen3_5", "model_type='qwen3_5' .* no recurrent layers"),
        ("model_type", "gemma3n_text", "model_type='gemma3n_text' .* no AltUp and LAuReL"),
        ("hidden_act", "gelu", "hidden_act='gelu' .* gelu_pytorch_tanh, silu, xielu"),
        ("attention_bias", True, "attention_bias=True .* only False"),
        ("mlp_bias", True, "mlp_bias=True .* only False"),
        ("num_local_experts", 8, "num_local_experts=8"),
        ("partial_rotary_factor", 0.5, "partial_rotary_factor=0.5 .* only 1.0"),
        ("quantization_config", {"bits": 4}, "quantization_config={'bits': 4}"),
        ("rope_scaling", YARN | {"truncate": False}, "rope_scaling.truncate=False"),
        ("rope_scaling", YARN | {"mscale": 1.0}, "rope_scaling.mscale=1.0"),
        ("rope_scaling", {"type": "dynamic", "factor": 4.0}, "rope_scaling.rope_type='dynamic'"),
        ("rope_scaling", {"rope_type": "linear"}, "rope_scaling.factor is missing"),
        ("rope_scaling", {"rope_type": "longrope"}, "rope_scaling.rope_type='longrope'"),
        ("rope_parameters", {"full_attention": YARN}, "rope_parameters=.* no rope_scaling beside"),
    ],
)
def test_what_is_not_supported_is_said_by_name(field, value, message):
    with pytest.raises(ValueError, match=f"config.json: {message}"):
        read_config(LLAMA31_8B | {field: value})


def test_the_length_before_scaling_may_stand_beside_it_and_then_counts():
    def original(scaling, **beside):
        return read_config(LLAMA31_8B | {"rope_scaling": scaling} | beside).rope_scaling

    plain = {"rope_type": "yarn", "factor": 4.0}
    length = LLAMA31_8B["max_position_embeddings"]
    assert original(plain).original_tokens == length != 4096
    for scaling in (plain, YARN):
        beside = original(scaling, original_max_position_embeddings=4096)
        assert beside.original_tokens == 4096


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("enable_moe_block", True, "enable_moe_block=True .* only False"),
        ("use_bidirectional_attention", "all", "use_bidirectional_attention='all'"),
        ("sliding_window", 0, "sliding_window=0 .* above 0"),
        ("sliding_window", None, "sliding_window=None .* above 0"),
        ("vocab_size_per_layer_input", 299, "per_layer_input=299 .* only vocab_size=300"),
        ("global_head_dim", None, "global_head_dim=None"),
        ("rope_scaling", {"rope_type": "linear", "factor": 2.0}, "rope_parameters=.* beside it"),
        ("rope_parameters", ROPES["sliding_attention"], "rope_parameters=.* 'full_attention'"),
        (
            "rope_parameters",
            {"full_attention": {"rope_theta": 1.0}},
            "sliding_attention.rope_theta",
        ),
        ("per_layer_config", {"2": {"head_dim": 24}}, "per_layer_config=.* the same for all"),
        (
            "per_layer_config",
            {key: {"sliding_window": 3} for key in "258"},
            "per_layer_config=.* same",
        ),
        ("num_kv_shared_layers", 7, "sharing_layers=7: of 9 layers 2 have keys"),
        ("num_kv_shared_layers", 9, "sharing_layers=9: of 9 layers 0 have keys"),
        ("layer_types", ["full_attention"] + ["sliding_attention"] * 8, "every n-th layer"),
    ],
)
def test_what_gemma_4_may_not_say_is_told_by_name(field, value, message):
    with pytest.raises(ValueError, match=message):
        read_config(GEMMA4 | {field: value})


def test_layers_that_differ_are_those_of_the_file():
    decoder = read_config(GEMMA4)
    assert (decoder.global_head_dim, decoder.global_kv_heads) == (24, 2)
    assert (decoder.sharing_mlp_dim, decoder.layer_embed_dim) == (192, 8)
    assert decoder.rope_scaling == RopeScaling("proportional", 1.0, rotated=0.25)
    assert read_config(write_config(decoder)) == decoder
    # Whatever the file says, the last layer sees everything.
    assert read_config(GEMMA4 | {"layer_types": [*(SHORT * 3)[:8], SHORT[0]]}) == decoder
    # Heads are fewer only where values are keys; younger files say it of each layer alone.
    apart = read_config(GEMMA4 | {"attention_k_eq_v": False})
    assert (apart.global_kv_heads, apart.global_head_dim) == (None, 24)
    own = {"head_dim": 12, "num_key_value_heads": 1}
    told = read_config(GEMMA4 | {"per_layer_config": dict.fromkeys(("2", "5", "08"), own)})
    assert (told.global_head_dim, told.global_kv_heads) == (12, 1)
    for empty in ({}, None):
        alike = read_config(GEMMA4 | {"per_layer_config": empty})
        assert (alike.global_head_dim, alike.global_kv_heads) == (None, None)
    # Where no layer shares, none is wider.
    assert read_config(GEMMA4 | {"num_kv_shared_layers": 0}).sharing_mlp_dim is None
    inside = {"model_type": "gemma4", "text_config": GEMMA4, "vision_config": {}}
    untied = inside | {"text_config": GEMMA4 | {"tie_word_embeddings": False}}
    assert read_config(inside) == read_config(untied) == decoder
    assert not read_config(inside | {"tie_word_embeddings": False}).tied_embeddings


def test_a_cap_that_only_gemma_2_applies_is_an_error_in_gemma_3():
    assert read_config(GEMMA2_2B).attention_softcap == 50.0
    with pytest.raises(ValueError, match=r"attn_logit_softcapping=50\.0"):
        read_config({**GEMMA3_4B["text_config"], "attn_logit_softcapping": 50.0})


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["full_attention", "sliding_attention"] * 13, "every n-th layer"),
        (["chunked_attention"] * 26, "layer_types='chunked_attention'"),
        (["full_attention"] * 25, "num_hidden_layers=26 of them"),
    ],
)
def test_layers_of_another_kind_or_pattern_are_an_error(kinds, message):
    with pytest.raises(ValueError, match=message):
        read_config(GEMMA2_2B | {"layer_types": kinds})


@pytest.mark.parametrize("family", SMALL)
def test_a_decoder_of_our_own_is_written_as_the_family_that_has_it(family):
    # Heads of the same size are no difference between layers.
    same = {"global_head_dim": SMALL[family].head_dim, "global_kv_heads": SMALL[family].kv_heads}
    decoder = dataclasses.replace(SMALL[family], attention_softcap=0.0, **same)
    written = write_config(decoder)
    assert written["model_type"] == {"gemma": "gemma3_text", "llama": "qwen2"}[family]
    shared = read_config(written)
    assert shared.global_layers == decoder.global_layers
    assert abstract_params(shared) == abstract_params(decoder)


def test_a_decoder_that_transformers_does_not_have_says_in_what_it_differs():
    mixed = dataclasses.replace(read_config(LLAMA31_8B), scale_embeddings=True)
    with pytest.raises(ValueError, match=r"in 'llama', .*scale_embeddings=True is False"):
        write_config(mixed)
    with pytest.raises(ValueError, match=r"in 'gemma3_text', .*attention_softcap=3.0 is 0.0"):
        write_config(GEMMA_LIKE)
    fraction = dataclasses.replace(GEMMA_LIKE, attention_softcap=0.0, query_scale=6.5)
    with pytest.raises(ValueError, match=r"in 'gemma3_text', .*query_scale=6.5 is 6.0"):
        write_config(fraction)


def test_a_file_that_transformers_would_refuse_is_not_written():
    """Found by decoders drawn at random: what it asks of sizes, and the mask it always makes."""
    windowless = dataclasses.replace(
        GEMMA_LIKE, attention_softcap=0.0, window=0, window_pattern=1, rope_local_theta=10_000.0
    )
    written = write_config(windowless)
    assert (written["model_type"], written["sliding_window"]) == ("gemma3_text", 4096)
    assert read_config(written) == windowless
    with pytest.raises(ValueError, match="embed_dim=18 is 'a multiple of 4 heads'"):
        write_config(dataclasses.replace(windowless, embed_dim=18))
    uneven = dataclasses.replace(read_config(LLAMA31_8B), embed_dim=4100)
    written = write_config(uneven)
    assert (written["model_type"], written["sliding_window"]) == ("mistral", None)
    assert read_config(written) == uneven
    sharing = read_config(GEMMA4 | {"hidden_size_per_layer_input": 0})
    written = write_config(sharing)
    assert (written["model_type"], read_config(written)) == ("gemma4_unified_text", sharing)


def test_scaled_rotations_turn_as_their_paper_says():
    base, size = 500_000.0, 64
    scaling = RopeScaling("llama3", factor=8.0, low_turns=1.0, high_turns=4.0, original_tokens=8192)
    positions = np.array([[1]])
    plain = np.arctan2(*(np.asarray(r)[0, 0] for r in rotation(positions, size, base)))
    lowered = np.arctan2(*(np.asarray(r)[0, 0] for r in rotation(positions, size, base, scaling)))
    wavelengths = 2 * np.pi / plain.astype(np.float64)
    ratio = lowered / plain
    np.testing.assert_allclose(ratio[wavelengths < 8192 / 4], 1, rtol=1e-5)
    np.testing.assert_allclose(ratio[wavelengths > 8192], 1 / 8, rtol=1e-5)
    between = (wavelengths > 8192 / 4) & (wavelengths < 8192)
    assert between.any() and np.all((ratio[between] > 1 / 8) & (ratio[between] < 1))
    assert np.all(np.diff(ratio) <= 1e-5)
    linear = rotation(np.array([[8]]), size, base, RopeScaling("linear", 4.0))
    np.testing.assert_allclose(linear, rotation(np.array([[2]]), size, base), atol=1e-6)
    # No pair turns so often in so short a text: transformers lowers none.
    short = rotation(positions, size, base, RopeScaling("yarn", 4.0, 1.0, 5.0, original_tokens=4))
    np.testing.assert_array_equal(short, rotation(positions, size, base))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"factor": 0.0}, "rope_scaling.factor=0.0: must be above 0"),
        ({"low_turns": 4.0}, "low_turns=4.0 is not below .*high_turns=4.0"),
    ],
)
def test_a_scaling_that_cannot_be_says_why(fields, message):
    with pytest.raises(ValueError, match=message):
        RopeScaling(**{"kind": "llama3", "factor": 8.0} | fields)


def test_the_layers_below_a_window_have_no_pattern():
    with pytest.raises(ValueError, match=r"full_layers=2 and .*window_pattern=3 contradict"):
        dataclasses.replace(GEMMA_LIKE, full_layers=2)
