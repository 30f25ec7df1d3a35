"""Weights on disk: what was written is read, and what does not fit is listed."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small import LLAMA_LIKE, random_params
from small_tokenizers import write_llama3
from trees import assert_same

import pinch_jax
from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.devices.mesh import MeshConfig, make_mesh, path_name
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.model import export
from pinch_jax.model.directory import open_directory, save_model
from pinch_jax.model.loading import load_params
from pinch_jax.model.model import DrawnWeights, Model
from pinch_jax.model.source import open_model
from pinch_jax.model.weights import open_weights
from pinch_jax.storage.folders import whole_folder
from pinch_jax.study.scoring import score_file
from pinch_jax.study.workbench import Workbench
from pinch_jax.text.template import Renderer, Template, make_renderer
from pinch_jax.text.tokenizer import load_tokenizer, train_tokenizer
from pinch_jax.text.vocabulary import needed_tokens


def save_weights(path, params):
    """Writes what `open_weights` reads, as model directories had it once."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    save_file({path_name(p): np.ascontiguousarray(x) for p, x in leaves}, path)


def load_weights(path, config):
    return load_params(open_weights(path), config)


def test_one_error_lists_all_that_does_not_fit(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, random_params(LLAMA_LIKE))
    tensors = load_file(path)
    del tensors["head"], tensors["layers/attention/query_bias"]
    tensors["layers/attention/gate"] = np.zeros(3, np.float32)
    tensors["final_norm/scale"] = np.zeros(25, np.float32)
    tensors["embedding"] = np.zeros((24, 48), np.float32)
    save_file(tensors, path)
    with pytest.raises(ValueError) as caught:
        load_weights(path, LLAMA_LIKE)
    assert str(caught.value) == (
        f"the weights in {path} do not fit: "
        "missing head (48, 24); missing layers/attention/query_bias (2, 6, 4); "
        "left over layers/attention/gate; "
        "embedding is (24, 48), not (48, 24); final_norm/scale is (25,), not (24,)"
    )
    with pytest.raises(UserError, match=r"no weights at .*absent\.safetensors"):
        load_weights(tmp_path / "absent.safetensors", LLAMA_LIKE)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with a tokenizer of its own."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    texts = ["what is the currency of Kenya?", "shillings of Kenya", "a week has 7 days"] * 3
    tokenizer = train_tokenizer(texts, path, 286, ("<answer>", "<end>"))
    template = Template(before=("<s>",), after=("<answer>",), end=("<end>", "</s>"))
    config = dataclasses.replace(LLAMA_LIKE, vocab_size=286)
    return Model(config, Renderer(template, tokenizer), DrawnWeights(config, 0), {"en": 0.75})


def test_a_model_directory_holds_all_that_is_needed_to_run_it(model, tmp_path):
    params = random_params(model.decoder)
    save_model(tmp_path / "model", model, params)
    loaded = open_directory(tmp_path / "model")
    assert_same(loaded.weights.load(), params)
    assert loaded.decoder == model.decoder
    assert loaded.pretraining_share == {"en": 0.75}
    assert loaded.renderer.template == model.renderer.template
    assert loaded.tokenizer.checksum == model.tokenizer.checksum
    rendered = loaded.renderer.example("Kenya?", "shillings é")
    assert rendered == model.renderer.example("Kenya?", "shillings é")
    assert loaded.renderer.stop_id == loaded.tokenizer.eos_id


def test_parameters_are_written_as_they_are_wherever_they_lie(model, tmp_path):
    params = random_params(model.decoder)
    params["embedding"][3] = -0.0  # a sum over devices would lose its sign
    mesh = make_mesh(MeshConfig(2, 2, 2))
    placed = jax.device_put(params, parameter_shardings(mesh, params))
    # In memory in another order of axes, on a device, on several, or on disk.
    save_model(tmp_path / "0", model, params)
    stored = open_directory(tmp_path / "0").weights.stored()
    kinds = (
        jax.tree.map(np.asfortranarray, params),
        jax.tree.map(jnp.asarray, params),
        placed,
        stored,
    )
    for number, kind in enumerate(kinds, 1):
        save_model(tmp_path / str(number), model, kind)
        assert_same(open_directory(tmp_path / str(number)).weights.load(), params)
        ours, theirs = (tmp_path / name / "checksums.json" for name in ("0", str(number)))
        assert ours.read_bytes() == theirs.read_bytes()


def test_files_that_others_wrote_elsewhere_are_missed_before_the_model_has_its_name(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(export, "write_tensors", lambda *_: "")
    missed = r"model\.unfinished/model\.safetensors, which another .* hosts share"
    with pytest.raises(UserError, match=missed), whole_folder(tmp_path / "model") as part:
        save_model(part, model, random_params(model.decoder))
    assert not (tmp_path / "model").exists()


def test_half_precision_rounds_once(model, tmp_path):
    params = random_params(model.decoder)
    save_model(tmp_path / "model", model, params, ml_dtypes.bfloat16)
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    assert {tensor.dtype.name for tensor in tensors.values()} == {"bfloat16"}
    rounded = jax.tree.map(lambda x: x.astype(ml_dtypes.bfloat16).astype(np.float32), params)
    assert_same(open_directory(tmp_path / "model").weights.load(), rounded)


def test_weights_that_are_not_finite_are_refused_wherever_they_are_loaded(model, tmp_path):
    params = random_params(model.decoder)
    params["layers"]["attention"]["query"][1, 2, 0, 0] = np.inf
    save_model(tmp_path / "model", model, params)
    c = tiny.get_config()
    c.model.source = str(tmp_path / "model")
    lost = r"model: layers/attention/query has numbers that are not finite"
    with pytest.raises(ValueError, match=rf"the weights of .*{lost}"):
        assert Workbench(from_config_dict(c), progress=False).pretrained
    (tmp_path / "texts.jsonl").write_text('{"ids": [1, 2]}\n')
    with pytest.raises(ValueError, match=rf"--model=.*{lost}"):
        score_file(c.model.source, tmp_path / "texts.jsonl", tmp_path / "scores.jsonl")


def test_weights_are_known_by_all_that_is_in_their_files(model, tmp_path):
    params = random_params(model.decoder)
    changed = params | {"embedding": np.nextafter(params["embedding"], 9)}
    other = dataclasses.replace(model, decoder=dataclasses.replace(model.decoder, rope_theta=5.0))
    checksums = []
    for number, (held, values) in enumerate(
        [(model, params), (model, params), (model, changed), (other, params)]
    ):
        save_model(tmp_path / str(number), held, values)
        checksums.append(open_directory(tmp_path / str(number)).weights.checksum)
    assert checksums[0] == checksums[1] and len(set(checksums)) == 3
    drawn = [DrawnWeights(model.decoder, seed).checksum for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_files_and_fingerprints_keep_the_first_names_of_fields():
    bundled = open_model("tiny")
    kept = json.loads((Path(bundled.path) / "model.json").read_text())["decoder"]
    assert "width" in kept and kept.items() <= bundled.decoder.described.items()


def test_a_tokenizer_with_more_tokens_than_the_decoder_has_rows_is_an_error(model):
    small = dataclasses.replace(model.decoder, vocab_size=285)
    with pytest.raises(ValueError, match=r"decoder.vocab_size=285 .* 286 tokens"):
        dataclasses.replace(model, decoder=small)


def test_a_special_token_that_nothing_writes_needs_no_row(model, tmp_path):
    tokenizer = load_tokenizer(write_llama3(tmp_path))
    tokenizer.roles = dataclasses.replace(tokenizer.roles, eos="<|end_header_id|>")
    control = sorted(map(tokenizer.token_id, tokenizer.special_tokens()))
    assert control[-1] == tokenizer.vocab_size - 1
    rows = dataclasses.replace(model.decoder, vocab_size=control[-1])
    renderer = make_renderer(tokenizer, "base")
    assert dataclasses.replace(model, decoder=rows, renderer=renderer).tokenizer is tokenizer
    kept = needed_tokens([np.arange(3)], tokenizer, control[-1]).kept
    assert {*control[:-1]} < {*kept.tolist()} and control[-1] not in kept
    too_few = dataclasses.replace(model.decoder, vocab_size=control[0] - 1)
    with pytest.raises(ValueError, match="is too small for the tokenizer's"):
        dataclasses.replace(model, decoder=too_few, renderer=renderer)


def test_a_model_that_is_not_there_says_which_are(tmp_path):
    with pytest.raises(UserError, match=r"config.model.source='tinny'.*'tiny'"):
        open_model("tinny")
    with pytest.raises(UserError, match=r"no config\.json"):
        open_model(tmp_path)


def test_the_tokenizer_of_the_package_has_the_tokens_of_the_template():
    assets = Path(pinch_jax.__file__).parent / "assets"
    for path in assets.glob("*/tokenizer.model"):
        renderer = Renderer(Template(), load_tokenizer(path))
        ids, prompt_length = renderer.example("क्या?", "é 東京")
        tokenizer = renderer.tokenizer
        assert ids[0] == tokenizer.bos_id and ids[-1] == renderer.stop_id == tokenizer.eos_id
        assert tokenizer.pad_id not in ids
        prompt = tokenizer.encode("क्या?")
        assert ids[1 : 1 + len(prompt)] == prompt and tokenizer.decode(prompt) == "क्या?"
        assert tokenizer.decode(ids[prompt_length:]) == "é 東京"
