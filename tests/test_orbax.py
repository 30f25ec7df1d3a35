"""Weights by Orbax: there and back to the bit, read where the mesh wants them."""

import dataclasses
import json
import tracemalloc
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from gguf_files import write_gguf
from model_files import GOLDEN, Counted, tensors_of
from safetensors.numpy import load_file
from small import LLAMA_LIKE, random_params
from small_tokenizers import write_bundled
from trees import assert_same

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.main import main
from pinch_jax.model.config_json import write_config
from pinch_jax.model.convert import convert
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.export import export_model
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.loading import load_params
from pinch_jax.model.orbax_directory import CHUNK_BYTES, OrbaxDirectory, OrbaxParams, save_orbax
from pinch_jax.model.source import open_model, open_tensors
from pinch_jax.text.tokenizer import load_tokenizer

TINY = open_model("tiny")


@pytest.mark.parametrize("source", GOLDEN, ids=lambda directory: directory.name)
def test_there_and_back_is_identical_to_the_bit(source, tmp_path):
    assert convert(source, tmp_path / "orbax", "orbax") == "a Hugging Face directory"
    assert not list((tmp_path / "orbax").glob("*.safetensors"))
    assert convert(tmp_path / "orbax", tmp_path / "back") == "an Orbax directory"
    assert tensors_of(tmp_path / "back") == tensors_of(source)
    for name in ("config.json", "generation_config.json"):
        before, after = (json.loads((d / name).read_text()) for d in (source, tmp_path / "back"))
        assert after == before | ({"torch_dtype": "bfloat16"} if name == "config.json" else {})


def test_a_model_of_ours_goes_there_and_back_too(tmp_path):
    flags = "--source={}", "--target={}", "--format={}"
    places = [Path(TINY.path), tmp_path / "orbax", tmp_path / "back"]
    for source, target, how in zip(places, places[1:], ("orbax", "model"), strict=False):
        with pytest.raises(SystemExit) as ended:
            values = source, target, how
            main(["pinch", "convert", *(f.format(v) for f, v in zip(flags, values, strict=True))])
        assert ended.value.code is None
        model = open_model(target)
        assert_same(model.weights.load(dtype=None), TINY.weights.load(dtype=None))
        assert model.decoder == TINY.decoder
        assert model.tokenizer.checksum == TINY.tokenizer.checksum
        assert model.renderer.described == TINY.renderer.described
        assert model.pretraining_share == TINY.pretraining_share
        # A fingerprint knows the model by its files.
        assert model.weights.checksum == open_model(target).weights.checksum
    name = "tokenizer.model"
    assert (tmp_path / "back" / name).read_bytes() == (places[0] / name).read_bytes()


def test_a_model_of_others_becomes_one_of_ours(tmp_path):
    decoder = dataclasses.replace(LLAMA_LIKE, vocab_size=TINY.tokenizer.vocab_size)
    params = random_params(decoder)
    write_bundled(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    export_model(tmp_path / "theirs", write_config(decoder), params, tokenizer=tokenizer)
    convert(tmp_path / "theirs", tmp_path / "orbax", "orbax")
    convert(tmp_path / "orbax", tmp_path / "ours", "model")
    theirs, ours = (open_model(tmp_path / name) for name in ("theirs", "ours"))
    assert_same(ours.weights.load(), params)
    assert ours.decoder == theirs.decoder
    assert ours.renderer.described == theirs.renderer.described
    assert ours.renderer.example("Kenya?", "é") == theirs.renderer.example("Kenya?", "é")


def test_a_gguf_file_becomes_an_orbax_directory(tmp_path):
    decoder = dataclasses.replace(LLAMA_LIKE, qkv_bias=False)
    config = write_config(decoder, max_position_embeddings=64)
    export_model(tmp_path / "theirs", config, random_params(decoder))
    tensors = load_file(tmp_path / "theirs" / "model.safetensors")
    write_gguf(tmp_path / "model.gguf", "llama", config, tensors, kinds={})
    assert convert(tmp_path / "model.gguf", tmp_path / "orbax", "orbax") == "a GGUF file"
    ours = open_tensors(tmp_path / "orbax")
    assert ours.decoder == GgufFile(tmp_path / "model.gguf").decoder
    assert_same(load_params(ours, decoder), random_params(decoder))


class CountedDirectory(Counted, OrbaxDirectory):
    pass


@pytest.mark.parametrize("axes", [(2, 2, 2), (1, 4, 2)])
def test_parameters_arrive_where_the_mesh_wants_them(axes, tmp_path):
    decoder, params = LLAMA_LIKE, random_params(LLAMA_LIKE)
    export_model(tmp_path / "model", write_config(decoder), params, by_orbax=True)
    source = CountedDirectory(tmp_path / "model")
    shardings = parameter_shardings(make_mesh(MeshConfig(*axes)), abstract_params(source.decoder))
    loaded = load_params(source, decoder, shardings=shardings)
    assert_same(loaded, params)
    # Once, although some devices hold the same.
    assert source.elements == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert jax.tree.map(lambda x: x.sharding, loaded) == shardings


def test_a_host_holds_the_model_once(tmp_path):
    decoder = dataclasses.replace(LLAMA_LIKE, embed_dim=96, mlp_dim=512, layers=6, vocab_size=1000)
    params = random_params(decoder)
    whole = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    peaks = []
    tracemalloc.start()
    try:
        save_orbax(tmp_path / "params", params)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
        source = OrbaxParams(tmp_path / "params")
        loaded = load_params(source, decoder)
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert_same(loaded, params)
    # What is written is never copied, and what is read is the model, once.
    written, read = peaks
    assert written < 0.2 * whole and read < 1.2 * whole


def test_a_large_parameter_is_written_in_chunks_that_are_read_alone(tmp_path):
    rows = 3 * CHUNK_BYTES // 4096
    table = np.arange(rows * 1024, dtype=np.float32).reshape(rows, 1024)
    save_orbax(tmp_path / "params", {"embedding": table})
    source = OrbaxParams(tmp_path / "params")
    (array,) = source._arrays.values()
    assert np.prod(array.chunk_layout.read_chunk.shape) * 4 <= CHUNK_BYTES
    assert np.array_equal(source.read("embedding", (slice(5, 9), slice(1, 3))), table[5:9, 1:3])


@pytest.mark.parametrize("options", [{}, {"use_ocdbt": False}, {"use_zarr3": True}], ids=str)
def test_what_orbax_writes_we_read_and_the_other_way_round(options, tmp_path):
    params = random_params(LLAMA_LIKE)
    params["head"] = params["head"].astype(ml_dtypes.bfloat16)
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)) as checkpointer:
        # As of a run: arrays on devices, some of them split.
        mesh = make_mesh(MeshConfig(2, 2, 2))
        placed = jax.device_put(params, parameter_shardings(mesh, params))
        checkpointer.save(tmp_path / "theirs", args=ocp.args.PyTreeSave(placed))
    source = OrbaxParams(tmp_path / "theirs")
    assert_same(load_params(source, LLAMA_LIKE, dtype=None), params)

    save_orbax(tmp_path / "ours", params)
    with ocp.StandardCheckpointer() as checkpointer:
        like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), params)
        assert_same(checkpointer.restore(tmp_path / "ours", like), params)


def test_what_does_not_fit_is_listed(tmp_path):
    export_model(
        tmp_path / "model",
        write_config(LLAMA_LIKE),
        random_params(LLAMA_LIKE),
        by_orbax=True,
    )
    params = random_params(LLAMA_LIKE)
    del params["head"]
    params["more"] = {"scale": np.zeros(3, np.float32)}
    params["final_norm"]["scale"] = np.zeros(25, np.float32)
    path = tmp_path / "model" / "params"
    path.rename(tmp_path / "old")
    save_orbax(path, params)
    with pytest.raises(ValueError) as caught:
        load_params(open_tensors(tmp_path / "model"), LLAMA_LIKE)
    assert str(caught.value) == (
        f"the weights in {path} do not fit: missing head (48, 24); left over more/scale; "
        "final_norm/scale is (25,), not (24,)"
    )


def test_a_directory_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "params").mkdir()
    with pytest.raises(UserError, match=r"no _METADATA in .*params; give what Orbax"):
        open_tensors(tmp_path)
    (tmp_path / "params").rmdir()
    save_orbax(tmp_path / "params", {"embedding": np.zeros((3, 2), np.int8)})
    with pytest.raises(ValueError, match=r"embedding in .* of type int8, .* only float32, float16"):
        OrbaxParams(tmp_path / "params")
    with pytest.raises(ValueError, match=r"--format: 'orbx' is not known; did you mean 'orbax'"):
        convert(GOLDEN[0], tmp_path / "target", "orbx")
    with pytest.raises(ValueError, match=r"--target=.* is there already"):
        convert(GOLDEN[0], tmp_path, "orbax")
