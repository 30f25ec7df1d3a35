"""Scores: what a model expects of each id, whatever the batch around it."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core
from small import FAMILIES, GEMMA_LIKE, random_params

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.evaluate import score
from pinch_jax.evaluate.score import Scorer, make_score
from pinch_jax.main import main
from pinch_jax.model.decoder import forward, unembed
from pinch_jax.model.source import locate
from pinch_jax.study.scoring import read_texts, score_file
from pinch_jax.text.tokenizer import load_tokenizer

LENGTHS = (5, 1, 17, 2, 16, 0, 9, 30, 17, 6, 3)


@pytest.fixture
def small_batches(monkeypatch):
    """Several batches of two widths, several parts of each, and a last part that is shorter."""
    monkeypatch.setattr(score, "BATCH_TOKENS", 64)
    monkeypatch.setattr(score, "POSITIONS", 28)


def texts_of(vocab_size):
    random = np.random.default_rng(7)
    return [random.integers(0, vocab_size, n).tolist() for n in LENGTHS]


def expected(c, params, texts):
    """Returns the log-probabilities of each text from all its scores, in float64."""
    width = max(LENGTHS)
    rows = np.array([text + [0] * (width - len(text)) for text in texts], np.int32)

    @jax.jit
    def run(params):
        positions = jnp.broadcast_to(jnp.arange(width), rows.shape)
        return unembed(c, params, forward(c, params, rows, positions, jnp.ones_like(rows)))

    scores = np.asarray(run(params), np.float64)
    logprobs = scores - np.log(np.sum(np.exp(scores), axis=-1, keepdims=True))
    return [
        np.array([logprobs[row, t, text[t + 1]] for t in range(len(text) - 1)])
        for row, text in enumerate(texts)
    ]


def assert_equal(found, wanted):
    assert [len(x) for x in found] == [len(x) for x in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_id_is_scored_given_those_before_it(family, small_batches):
    c = FAMILIES[family]
    params, texts, told = random_params(c), texts_of(c.vocab_size), []
    scorer = Scorer(c, make_mesh(MeshConfig(), jax.devices()[:1]))
    assert {batch.ids.shape for batch in scorer.batches(texts)} == {(4, 16), (2, 32)}
    assert_equal(scorer(params, texts, told.append), expected(c, params, texts))
    assert sum(told) == len(texts)


def test_a_mesh_scores_as_one_device_does(small_batches):
    c, mesh = GEMMA_LIKE, make_mesh(MeshConfig(1, 2, 2, 2))
    params, texts = random_params(c), texts_of(c.vocab_size)
    laid_out = jax.device_put(params, parameter_shardings(mesh, params))
    scorer = Scorer(c, mesh, Shard(mesh))
    assert_equal(scorer(laid_out, texts), expected(c, params, texts))


def test_padding_and_what_stands_in_it_change_nothing():
    c, length = GEMMA_LIKE, 9
    params = random_params(c)
    ids = np.random.default_rng(8).integers(0, c.vocab_size, (3, length)).astype(np.int32)
    run = jax.jit(make_score(c))
    alone = run(params, ids, np.zeros(3, np.int32))
    noise = np.random.default_rng(9).integers(0, c.vocab_size, (3, 5)).astype(np.int32)
    padded = run(params, np.concatenate([noise, ids], axis=1), np.full(3, 5, np.int32))
    np.testing.assert_allclose(padded[:, 5:], alone, rtol=1e-5, atol=1e-6)


def largest(jaxpr):
    """Returns how many elements the largest array of a program has, in its loops too."""
    sizes = [np.prod(v.aval.shape, dtype=int) for e in jaxpr.eqns for v in e.outvars]
    held = jax.tree.leaves([list(e.params.values()) for e in jaxpr.eqns], is_leaf=is_program)
    inner = [largest(getattr(x, "jaxpr", x)) for x in held if is_program(x)]
    return max(sizes + inner, default=0)


def is_program(x):
    return isinstance(x, core.Jaxpr | core.ClosedJaxpr)


def test_scores_of_all_positions_are_never_held_at_once(monkeypatch):
    c, rows, width = dataclasses.replace(GEMMA_LIKE, vocab_size=4096), 4, 64
    monkeypatch.setattr(score, "POSITIONS", 32)
    ids, padding = np.zeros((rows, width), np.int32), np.zeros(rows, np.int32)
    program = jax.make_jaxpr(make_score(c))(random_params(c), ids, padding)
    assert largest(program.jaxpr) == 32 * c.vocab_size


def test_a_file_of_texts_and_ids_is_scored_line_by_line(tmp_path, capsys):
    tokenizer = load_tokenizer(locate("tiny"))
    text = "The capital of Kenya\u2028is Nairobi."
    ids = [tokenizer.bos_id, *tokenizer.encode(text)]
    noise = np.random.default_rng(0).permutation(ids).tolist()
    lines = [{"ids": ids[:5]}, {"text": text}, {"ids": [7]}, {"ids": ids}, {"ids": noise}]
    told = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "texts.jsonl").write_text(told, encoding="utf-8")
    output = tmp_path / "scores.jsonl"
    command = ["pinch", "score", "--model=tiny", f"--texts={tmp_path / 'texts.jsonl'}"]
    with pytest.raises(SystemExit) as end:
        main([*command, f"--output={output}"])
    assert not end.value.code and "scores of 5 texts" in capsys.readouterr().out
    found = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["ids"] for line in found] == [ids[:5], ids, [7], ids, noise]
    first, whole, none, same, unlikely = (line["logprobs"] for line in found)
    assert same == whole and none == []
    np.testing.assert_allclose(first, whole[:4], atol=1e-4)
    assert len(whole) == len(ids) - 1 and max(whole) < 0
    assert sum(unlikely) < sum(whole) - len(whole)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "ids": [1]}', r"has \['ids', 'text'\]; give either"),
        ('{"prompt": "a"}', r"has \['prompt'\]; give either"),
        ('{"text": 3}', "text=3 is no text"),
        ('{"ids": [1, true]}', r"ids=\[1, True\] is no list of whole numbers"),
        ('{"ids": [1, 9999]}', "no token has 9999, .* rows 0 to 63 alone"),
        ('{"ids": [1, 64]}', "the token .* has the id 64, .* rows 0 to 63 alone"),
        ('{"ids": [-1]}', "no token has -1"),
        ('{"ids": [1], "weight": NaN}', r"not JSON \(NaN is no number\)"),
        ('{"ids": [1], "weight": -1e999}', r"not JSON \(-1e999 is no number\)"),
        ("[1, 2]", "not a JSON object"),
        ('{"text": "a"', "not JSON"),
    ],
)
def test_a_line_that_is_no_text_says_where_and_why(line, message, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"ids": [1]}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"texts.jsonl:2: {message}"):
        list(read_texts(path, load_tokenizer(locate("tiny")), 64))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        list(read_texts(tmp_path / "none.jsonl", load_tokenizer(locate("tiny")), 64))


def test_scores_are_written_into_a_folder_that_was_not_there(tmp_path):
    texts, output = tmp_path / "texts.jsonl", tmp_path / "new/folder/scores.jsonl"
    texts.write_text('{"ids": [5, 6]}\n', encoding="utf-8")
    assert score_file("tiny", texts, output) == 1
    assert json.loads(output.read_text())["ids"] == [5, 6]
