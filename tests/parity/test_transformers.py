"""Logits, greedy continuations and gradients equal those of transformers."""

import re

import numpy as np
import pytest
import torch
import transformers
from peers import make_configs, make_peer, their_outputs
from reference import our_outputs, random_tokens
from safetensors.numpy import load_file, save_file

from pinch_jax.model.config_json import read_config
from pinch_jax.model.hugging_face import HuggingFaceDirectory
from pinch_jax.model.loading import load_params

CONFIGS = make_configs()


@pytest.fixture(scope="module", params=CONFIGS)
def outputs(request, tmp_path_factory):
    """Returns (our outputs, transformers' outputs) of one random model."""
    directory = tmp_path_factory.mktemp(request.param)
    peer = make_peer(CONFIGS[request.param], seed=0)
    peer.save_pretrained(directory)
    source = HuggingFaceDirectory(directory)
    tokens = random_tokens(source.decoder.vocab_size)
    params = load_params(source, source.decoder)
    return our_outputs(source.decoder, params, tokens), their_outputs(peer, tokens)


def test_logits_are_equal_also_beyond_the_window(outputs, record_property):
    ours, theirs = outputs
    difference = float(np.abs(ours.logits - theirs.logits).max())
    record_property("largest_logit_difference", difference)
    assert difference <= 1e-4
    # Flat scores would be equal whatever the decoder does.
    assert theirs.logits.std() > 0.3


def test_greedy_continuations_are_equal(outputs):
    ours, theirs = outputs
    assert np.array_equal(ours.continuation, theirs.continuation)
    assert len(np.unique(theirs.continuation)) > 3


def test_the_loss_and_its_gradient_are_equal(outputs):
    ours, theirs = outputs
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
    assert ours.gradient.keys() == theirs.gradient.keys()
    for name, expected in theirs.gradient.items():
        largest = np.abs(expected).max()
        assert largest > 0, name
        np.testing.assert_allclose(
            ours.gradient[name], expected, atol=1e-4 * largest, rtol=1e-3, err_msg=name
        )


def test_the_decoder_inside_gemma_4_makes_the_same_logits(tmp_path):
    vision = {
        "hidden_size": 16,
        "intermediate_size": 12,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    audio = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Gemma4Config(
        text_config=CONFIGS["gemma4"].to_dict(), vision_config=vision, audio_config=audio
    )
    config._attn_implementation = "eager"
    torch.manual_seed(4)
    peer = transformers.Gemma4ForConditionalGeneration(config).eval()
    peer.save_pretrained(tmp_path)
    # Published files have keys of layers that share those of others.
    weights = load_file(tmp_path / "model.safetensors")
    first = {n: w for n, w in weights.items() if re.search(r"\.layers\.0\.self_attn\.[kv]_", n)}
    weights |= {name.replace(".layers.0.", ".layers.4."): w for name, w in first.items()}
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    source = HuggingFaceDirectory(tmp_path)
    assert source.decoder == read_config(CONFIGS["gemma4"].to_dict())
    tokens = random_tokens(source.decoder.vocab_size)
    ours = our_outputs(source.decoder, load_params(source, source.decoder), tokens)
    with torch.no_grad():
        theirs = peer(torch.tensor(tokens, dtype=torch.long)).logits.numpy()
    assert np.abs(ours.logits - theirs).max() <= 1e-4


def test_the_decoder_inside_an_image_model_makes_the_same_logits(tmp_path):
    vision = {
        "hidden_size": 12,
        "intermediate_size": 12,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = transformers.Gemma3Config(
        text_config=CONFIGS["gemma3"].to_dict(), vision_config=vision, mm_tokens_per_image=1
    )
    config._attn_implementation = "eager"
    torch.manual_seed(4)
    peer = transformers.Gemma3ForConditionalGeneration(config).eval()
    peer.save_pretrained(tmp_path)
    source = HuggingFaceDirectory(tmp_path)
    assert source.decoder == read_config(CONFIGS["gemma3"].to_dict())
    tokens = random_tokens(source.decoder.vocab_size)
    ours = our_outputs(source.decoder, load_params(source, source.decoder), tokens)
    with torch.no_grad():
        theirs = peer(torch.tensor(tokens, dtype=torch.long)).logits.numpy()
    assert np.abs(ours.logits - theirs).max() <= 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "Gemma3TextConfig",
        "Gemma4TextConfig",
        "Gemma4UnifiedTextConfig",
        "Gemma2Config",
        "Qwen3Config",
        "Qwen2Config",
        "LlamaConfig",
        "MistralConfig",
        "Olmo2Config",
        "Olmo3Config",
        "SmolLM3Config",
        "CohereConfig",
        "Cohere2Config",
        "ApertusConfig",
    ],
)
def test_what_a_file_leaves_out_is_what_transformers_assumes(name):
    config = getattr(transformers, name)()
    assert read_config({"model_type": config.model_type}) == read_config(config.to_dict())
