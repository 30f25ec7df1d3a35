"""A Hugging Face directory in and out: every tensor once, bit for bit, where the mesh wants it."""

import dataclasses
import json
import os
import tracemalloc

import jax
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from model_files import GOLDEN, Counted, tensors_of
from reference import our_outputs
from safetensors.numpy import load_file, save_file
from small import FAMILIES, GEMMA_LIKE, LLAMA_LIKE, random_params
from trees import assert_same

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.main import main
from pinch_jax.model import export, loading
from pinch_jax.model.config_json import write_config
from pinch_jax.model.convert import convert
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.export import export_model, written_bytes
from pinch_jax.model.hugging_face import HuggingFaceDirectory
from pinch_jax.model.loading import StoredParameter, TrimmedTensors, load_params, restore_rows
from pinch_jax.model.source import locate, open_model

DECODERS = {
    "gemma": dataclasses.replace(GEMMA_LIKE, attention_softcap=0.0),
    "llama": LLAMA_LIKE,
}


class CountedDirectory(Counted, HuggingFaceDirectory):
    pass


def exported(family, directory, **options):
    """Returns random parameters, after they were written as a Hugging Face directory."""
    decoder, params = DECODERS[family], random_params(DECODERS[family])
    export_model(directory, write_config(decoder), params, **options)
    return params


@pytest.mark.parametrize("source", GOLDEN, ids=lambda directory: directory.name)
@pytest.mark.parametrize("max_shard_bytes", [5000, 10**9])
def test_import_then_export_is_identical_to_the_bit(source, max_shard_bytes, tmp_path):
    target = tmp_path / "target"
    convert(source, target, max_shard_bytes=max_shard_bytes)
    assert tensors_of(target) == tensors_of(source)
    assert {kind for kind, _, _ in tensors_of(target).values()} == {"bfloat16"}
    assert HuggingFaceDirectory(target).decoder == HuggingFaceDirectory(source).decoder
    for name in ("config.json", "generation_config.json"):
        before, after = (json.loads((d / name).read_text()) for d in (source, target))
        assert after == before | ({"torch_dtype": "bfloat16"} if name == "config.json" else {})


def test_a_large_model_is_written_in_several_files_with_an_index(tmp_path):
    params = exported("llama", tmp_path / "model", max_shard_bytes=9000)
    files = sorted((tmp_path / "model").glob("*.safetensors"))
    assert [file.name for file in files] == [
        f"model-{i:05}-of-{len(files):05}.safetensors" for i in range(1, len(files) + 1)
    ]
    assert len(files) > 3
    sizes = [sum(x.nbytes for x in load_file(file).values()) for file in files]
    assert max(sizes) <= 9000
    index = json.loads((tmp_path / "model" / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(sizes)
    assert sum(sizes) == sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    for file in files:
        for name in load_file(file):
            assert index["weight_map"].pop(name) == file.name
    assert not index["weight_map"]


@pytest.mark.parametrize("family", DECODERS)
def test_what_writing_will_hold_is_known_from_shapes(family, monkeypatch, tmp_path):
    decoder = DECODERS[family]
    # A table is written in two pieces.
    monkeypatch.setattr(loading, "PART_BYTES", 3 * decoder.vocab_size * decoder.embed_dim)
    gathered, fetched = [], export.fetched_rows

    def weighed(*args):
        rows = fetched(*args)
        gathered.append(rows.nbytes)
        return rows

    monkeypatch.setattr(export, "fetched_rows", weighed)
    exported(family, tmp_path / "model")
    assert written_bytes(decoder, abstract_params(decoder)) == (sum(gathered), max(gathered))
    assert min(gathered) < max(gathered)


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("axes", [(2, 2, 2), (1, 4, 2), None])
def test_parameters_arrive_where_the_mesh_wants_them(family, axes, tmp_path):
    params = exported(family, tmp_path / "model")
    source = CountedDirectory(tmp_path / "model")
    shardings = None
    if axes:
        mesh = make_mesh(MeshConfig(*axes))
        shardings = parameter_shardings(mesh, abstract_params(source.decoder))
    loaded = load_params(source, source.decoder, shardings=shardings)
    # Once, although some devices hold the same.
    assert source.elements == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert_same(loaded, params)
    if axes:
        assert jax.tree.map(lambda x: x.sharding, loaded) == shardings


@pytest.mark.parametrize("family", DECODERS)
def test_parameters_may_be_split_inside_of_what_a_tensor_merges(family, tmp_path):
    params = exported(family, tmp_path / "model")
    source = HuggingFaceDirectory(tmp_path / "model")
    mesh = make_mesh(MeshConfig(tensor=2))
    last = jax.tree.map(
        lambda leaf: NamedSharding(mesh, PartitionSpec(*(leaf.ndim - 1) * [None], "tensor")), params
    )
    loaded = load_params(source, source.decoder, shardings=last)
    assert all(map(np.array_equal, jax.tree.leaves(loaded), jax.tree.leaves(params)))


def test_a_host_holds_no_more_than_the_model_and_the_parameter_it_puts_together(tmp_path):
    decoder = dataclasses.replace(
        LLAMA_LIKE, embed_dim=96, mlp_dim=512, layers=6, vocab_size=1000, heads=6, head_dim=16
    )
    params = random_params(decoder)
    export_model(tmp_path / "model", write_config(decoder), params)
    leaves = jax.tree.leaves(params)
    whole, largest = sum(x.nbytes for x in leaves), max(x.nbytes for x in leaves)
    source = HuggingFaceDirectory(tmp_path / "model")
    tracemalloc.start()
    try:
        load_params(source, decoder)
        peak = tracemalloc.get_traced_memory()[1]
        assert whole < peak < whole + 1.1 * largest < 1.4 * whole
        # From file to file it is never there.
        tracemalloc.reset_peak()
        convert(tmp_path / "model", tmp_path / "again")
        assert tracemalloc.get_traced_memory()[1] < 2 * largest < 0.5 * whole
    finally:
        tracemalloc.stop()
    assert tensors_of(tmp_path / "again") == tensors_of(tmp_path / "model")


def test_a_trimmed_table_is_read_and_made_whole_some_rows_at_a_time(tmp_path, monkeypatch):
    table = exported("llama", tmp_path / "model")["embedding"]
    name, kept, read = "model.embed_tokens.weight", np.array([0, 3, 4, 9, 30, 31, 47]), []

    class Watched(HuggingFaceDirectory):
        def read(self, name, index):
            block = super().read(name, index)
            read.append(len(block))
            return block

    source = Watched(tmp_path / "model")
    monkeypatch.setattr(loading, "PART_BYTES", 5 * table[0].nbytes)
    found = TrimmedTensors(source, source.decoder, kept).read(name, (slice(0, 7), slice(2, 9)))
    assert np.array_equal(found, table[kept, 2:9]) and max(read) <= 5
    trimmed = -table[kept]
    own = StoredParameter((7, 24), table.dtype, lambda index: trimmed[index])
    restored = restore_rows({"embedding": own}, kept, source, source.decoder)["embedding"]
    table[kept] *= -1
    for rows in (slice(None), slice(4, 31), slice(5, 9)):
        assert np.array_equal(restored[rows], table[rows])
    assert max(read) <= 5


def test_one_error_lists_all_that_does_not_fit(tmp_path):
    exported("llama", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    del tensors["lm_head.weight"], tensors["model.layers.1.self_attn.q_proj.bias"]
    tensors["model.layers.0.self_attn.q_norm.weight"] = np.zeros(4, np.float32)
    tensors["model.layers.2.mlp.up_proj.weight"] = np.zeros((32, 24), np.float32)
    tensors["model.norm.weight"] = np.zeros(25, np.float32)
    save_file(tensors, path)
    source = HuggingFaceDirectory(tmp_path / "model")
    with pytest.raises(ValueError) as caught:
        load_params(source, source.decoder)
    assert str(caught.value) == (
        f"the weights in {tmp_path / 'model'} do not fit: "
        "missing lm_head.weight (48, 24); missing model.layers.1.self_attn.q_proj.bias (24,); "
        "left over model.layers.0.self_attn.q_norm.weight; "
        "left over model.layers.2.mlp.up_proj.weight; "
        "model.norm.weight is (25,), not (24,)"
    )


def test_the_decoder_inside_an_image_model_is_taken_alone(tmp_path):
    params = exported("gemma", tmp_path / "text")
    tensors = load_file(tmp_path / "text" / "model.safetensors")
    text = json.loads((tmp_path / "text" / "config.json").read_text())
    for name, prefix in {
        "older": "language_model.model.",
        "newer": "model.language_model.",
    }.items():
        inside = {prefix + key.removeprefix("model."): x for key, x in tensors.items()}
        inside["vision_tower.encoder.weight"] = np.zeros(3, np.float32)
        inside["model.multi_modal_projector.weight"] = np.zeros(3, np.float32)
        (tmp_path / name).mkdir()
        save_file(inside, tmp_path / name / "model.safetensors")
        config = {"model_type": "gemma3", "text_config": text, "eos_token_id": [1, 106]}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        convert(tmp_path / name, tmp_path / f"{name}_text")
        source = HuggingFaceDirectory(tmp_path / f"{name}_text")
        assert source.config_json["model_type"] == "gemma3_text"
        assert source.config_json["eos_token_id"] == [1, 106]
        loaded = load_params(source, source.decoder)
        assert all(map(np.array_equal, jax.tree.leaves(loaded), jax.tree.leaves(params)))


def test_a_head_beside_a_tied_embedding_must_repeat_it(tmp_path):
    exported("gemma", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].copy()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(4, np.float32)
    save_file(tensors, path)
    source = HuggingFaceDirectory(tmp_path / "model")
    load_params(source, source.decoder)
    tensors["lm_head.weight"][3, 3] += 1
    save_file(tensors, path)
    source = HuggingFaceDirectory(tmp_path / "model")
    with pytest.raises(ValueError, match=r"left over lm_head\.weight$"):
        load_params(source, source.decoder)


def test_layers_of_different_precision_lose_nothing(tmp_path):
    exported("llama", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(2)]
    for name, kind in zip(names, (np.float16, ml_dtypes.bfloat16), strict=True):
        tensors[name] = tensors[name].astype(kind)
    save_file(tensors, path)
    source = HuggingFaceDirectory(tmp_path / "model")
    up = load_params(source, source.decoder, dtype=None)["layers"]["feedforward"]["up"]
    assert up.dtype == np.float32
    for layer, name in enumerate(names):
        assert np.array_equal(up[layer].T, tensors[name].astype(np.float32))


def test_a_directory_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json in"):
        HuggingFaceDirectory(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(write_config(LLAMA_LIKE)))
    with pytest.raises(UserError, match=r"no model\.safetensors and no .*index\.json"):
        HuggingFaceDirectory(tmp_path)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"not there: model-00001-of-00002\.safetensors; bring"):
        HuggingFaceDirectory(tmp_path)
    save_file({"model.norm.weight": np.zeros(24)}, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"model\.norm\.weight .* of type F64.* only F32, F16, BF16"
    ):
        HuggingFaceDirectory(tmp_path)
    exported("llama", tmp_path / "tuned")
    (tmp_path / "tuned" / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"adapter_config\.json: adapters of PEFT are not read"):
        HuggingFaceDirectory(tmp_path / "tuned")


def test_a_tensor_that_two_files_hold_is_an_error(tmp_path):
    exported("llama", tmp_path / "model", max_shard_bytes=20_000)
    first, second, *_ = sorted((tmp_path / "model").glob("*.safetensors"))
    save_file(load_file(first) | load_file(second), second)
    with pytest.raises(ValueError, match=r"weight in .*00002-of-.* is there twice"):
        HuggingFaceDirectory(tmp_path / "model")


def test_what_belongs_to_a_model_goes_with_it_and_nothing_is_written_over(tmp_path):
    exported("llama", tmp_path / "source")
    (tmp_path / "source" / "tokenizer.json").write_text("{}")
    (tmp_path / "source" / "secret.txt").write_text("no part of the model")
    flags = f"--source={tmp_path / 'source'}", f"--target={tmp_path / 'target'}"
    with pytest.raises(SystemExit) as ended:
        main(["pinch", "convert", *flags])
    assert ended.value.code is None
    assert sorted(file.name for file in (tmp_path / "target").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    with pytest.raises(ValueError, match=r"--target=.*target is there already"):
        convert(tmp_path / "source", tmp_path / "target")


def test_the_bundled_model_becomes_one_of_theirs_and_gives_the_same(tmp_path):
    """Its embeddings are multiplied, which no family but Gemma's does."""
    convert(locate("tiny"), tmp_path / "tiny")
    models = open_model("tiny"), open_model(tmp_path / "tiny")
    told = json.loads((tmp_path / "tiny/config.json").read_text())
    assert (told["model_type"], told["tie_word_embeddings"]) == ("llama", False)
    tokenizer = models[0].tokenizer
    ids = told["bos_token_id"], told["eos_token_id"], told["pad_token_id"]
    assert ids == (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id)
    texts = [model.renderer.tokenizer.encode("Mikä on Kenian valuutta? " * 3) for model in models]
    assert texts[0] == texts[1]
    logits = [
        our_outputs(model.decoder, model.weights.load(), np.array([texts[0]])).logits
        for model in models
    ]
    np.testing.assert_allclose(*logits, atol=1e-5)


def test_a_model_that_is_written_is_for_all_who_may_read_the_rest(tmp_path):
    mask = os.umask(0o022)
    try:
        convert(locate("tiny"), tmp_path / "tiny")
    finally:
        os.umask(mask)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "tiny").iterdir()}
    assert set(modes.values()) == {"0o644"}, modes


def test_every_family_can_be_written():
    assert set(DECODERS) == set(FAMILIES)
