"""What we write, transformers loads; and what it makes of a GGUF file, we make of it too."""

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf_files import write_gguf
from peers import make_configs, make_peer
from reference import our_outputs, random_tokens
from transformers import AutoModelForCausalLM

from pinch_jax.model.config_json import write_config
from pinch_jax.model.convert import convert
from pinch_jax.model.export import export_model
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.hugging_face import HuggingFaceDirectory
from pinch_jax.model.loading import load_params
from pinch_jax.model.source import locate, open_model

CONFIGS = make_configs()
# What transformers reads of a GGUF: plain rotations, full attention, Qwen 3's usual head size.
GGUF_SIZES = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 128,
}


def their_logits(model, tokens):
    with torch.no_grad():
        return model(torch.tensor(tokens, dtype=torch.long)).logits.numpy()


@pytest.mark.parametrize("name", CONFIGS)
def test_an_exported_directory_loads_with_the_same_logits(name, tmp_path):
    peer = make_peer(CONFIGS[name], seed=2)
    peer.save_pretrained(tmp_path / "source")
    source = HuggingFaceDirectory(tmp_path / "source")
    params = load_params(source, source.decoder)
    # Not its own config.json, but ours, and in several files.
    config = write_config(source.decoder, max_position_embeddings=256)
    export_model(tmp_path / "ours", config, params, max_shard_bytes=20_000)
    convert(tmp_path / "source", tmp_path / "converted")
    tokens = random_tokens(source.decoder.vocab_size)
    for directory in (tmp_path / "ours", tmp_path / "converted"):
        loaded, report = AutoModelForCausalLM.from_pretrained(
            directory, output_loading_info=True, attn_implementation="eager"
        )
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys"))
        assert loaded.dtype == torch.float32
        assert np.array_equal(their_logits(loaded, tokens), their_logits(peer, tokens))


def test_the_bundled_model_loads_with_the_same_logits(tmp_path):
    convert(locate("tiny"), tmp_path / "tiny")
    ours = open_model("tiny")
    tokens = random_tokens(ours.decoder.vocab_size)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "tiny", attn_implementation="eager")
    expected = our_outputs(ours.decoder, ours.weights.load(), tokens).logits
    assert np.abs(their_logits(theirs, tokens) - expected).max() <= 1e-4


@pytest.mark.parametrize("kind", [None, "Q8_0", "Q4_0"])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_a_gguf_file_makes_the_same_logits(architecture, kind, tmp_path):
    classes = {"llama": "LlamaConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config"}
    sizes = GGUF_SIZES | {"head_dim": 128 if architecture == "qwen3" else 8}
    config = getattr(transformers, classes[architecture])(**sizes)
    peer = make_peer(config, seed=3)
    tensors = {name: value.numpy() for name, value in peer.state_dict().items()}
    kinds = {}
    if kind:
        matrices = [name for name, value in tensors.items() if value.ndim == 2]
        kinds = dict.fromkeys(matrices, gguf.GGMLQuantizationType[kind])
    told = sizes | {"rope_theta": 10_000.0}
    write_gguf(tmp_path / "model.gguf", architecture, told, tensors, kinds)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", dtype=torch.float32, attn_implementation="eager"
    )
    source = GgufFile(tmp_path / "model.gguf")
    tokens = random_tokens(source.decoder.vocab_size)
    ours = our_outputs(source.decoder, load_params(source, source.decoder), tokens)
    assert np.abs(ours.logits - their_logits(theirs, tokens)).max() <= 1e-4
    if kind is None:
        assert np.abs(ours.logits - their_logits(peer, tokens)).max() <= 1e-4
