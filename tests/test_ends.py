"""Where an answer ends: at every end of a turn that a model's files name, and nowhere else."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chat_templates import LLAMA, QWEN
from small_tokenizers import write_llama3, write_qwen

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard
from pinch_jax.evaluate.answers import Answers
from pinch_jax.evaluate.decode import Sampling, until_stop
from pinch_jax.model.config_json import write_config
from pinch_jax.model.convert import convert
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.export import export_model
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.source import open_model
from pinch_jax.text.template import make_renderer
from pinch_jax.text.tokenizer import load_tokenizer
from pinch_jax.text.vocabulary import needed_tokens

FIRST_END, SECOND_END = "<|im_end|>", "<|endoftext|>"


def write_chain(directory, tokenizer_directory, tokens, lacking=0, ends=(), **config):
    """Writes a model that answers any prompt with these tokens, one after the other.

    It lacks the last rows of its table. `ends` are what its generation_config.json names.
    """
    tokenizer = load_tokenizer(tokenizer_directory)
    rows = tokenizer.vocab_size - lacking
    # Wide enough that each token has an axis of its own, with a layer that adds nothing.
    plain = dict.fromkeys(
        ("norm_offset", "post_norms", "tied_embeddings", "scale_embeddings"), False
    )
    sizes = {"layers": 1, "embed_dim": rows, "heads": 1, "kv_heads": 1, "head_dim": 2}
    decoder = DecoderConfig(rows, **sizes, mlp_dim=2, activation="silu", **plain)
    params = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), abstract_params(decoder))
    params["embedding"] += np.eye(rows, dtype=np.float32)
    params["final_norm"]["scale"] += 1
    chain = [make_renderer(tokenizer, "chat").prompt("x")[-1], *map(tokenizer.token_id, tokens)]
    for before, after in itertools.pairwise(chain):
        params["head"][after, before] = 1
    ids = [tokenizer.token_id(end) for end in ends]
    if ids:
        told = json.dumps({"eos_token_id": ids})
        (tokenizer_directory / "generation_config.json").write_text(told)
    told = write_config(decoder, max_position_embeddings=512, **config)
    export_model(directory, told, params, companions=tokenizer_directory)
    return directory


def answer(directory):
    """Returns what a model says."""
    model, mesh = open_model(directory), make_mesh(MeshConfig())
    answers = Answers(
        model=model.decoder,
        renderer=model.renderer,
        stop_ids=model.stop_ids,
        rows=8,
        prompts_per_row=2,
        prompt_tokens=64,
        prompt_widths=1,
        new_tokens=8,
        sampling=Sampling(),
        shard=Shard(mesh),
        dtype=jnp.float32,
    )
    return answers(model.weights.load(), ["x"], seed=0)[0]


def test_every_end_that_the_files_name_ends_an_answer_and_goes_with_the_model(tmp_path):
    """The second is the padding too, and was erased from the middle of what is written."""
    tokenizer = write_qwen(tmp_path / "tokenizer", QWEN)
    id = load_tokenizer(tokenizer).token_id
    said = ["a", SECOND_END, "b", "c", FIRST_END]
    # One in the config.json and the other beside it.
    source = write_chain(
        tmp_path / "theirs", tokenizer, said, ends=[SECOND_END], eos_token_id=id(FIRST_END)
    )
    assert answer(source) == "a"
    ends = {id(FIRST_END), id(SECOND_END)}
    convert(source, tmp_path / "ours", "model")
    assert {*open_model(tmp_path / "ours").stop_ids} == ends
    convert(tmp_path / "ours", tmp_path / "again")
    for name in ("config.json", "generation_config.json"):
        told = json.loads((tmp_path / "again" / name).read_text())
        assert len(told["eos_token_id"]) == 2 and {*told["eos_token_id"]} == ends
    whole = open_model(source)
    kept = needed_tokens([np.array(whole.end_ids)], whole.tokenizer, whole.decoder.vocab_size)
    trimmed = whole.trimmed(kept)
    assert {*map(trimmed.tokenizer.token, trimmed.stop_ids)} == {FIRST_END, SECOND_END}
    assert trimmed.stop_ids != trimmed.end_ids == whole.stop_ids


def test_a_padding_token_that_the_model_itself_writes_is_no_end(tmp_path):
    assert until_stop(np.array([3, 0, 4, 9, 0]), (9,)).tolist() == [3, 0, 4]
    tokenizer = write_qwen(tmp_path / "tokenizer", QWEN)
    config = tokenizer / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"pad_token": "the"}))
    said = ["a", "the", "b", FIRST_END]
    assert answer(write_chain(tmp_path / "theirs", tokenizer, said)) == "ab"


def test_a_template_that_writes_tokens_without_rows_is_refused_when_the_model_is_opened(tmp_path):
    tokenizer = write_llama3(tmp_path / "tokenizer", LLAMA)
    size = load_tokenizer(tokenizer).vocab_size
    source = write_chain(tmp_path / "theirs", tokenizer, ["a"], lacking=4)
    message = (
        rf"the chat or base template: the token '<\|begin_of_text\|>' has the id {size - 4}, "
        rf"and the model's table has the rows 0 to {size - 5} alone"
    )
    with pytest.raises(ValueError, match=message):
        open_model(source)
