"""What is measured on held-out prompts: the same numbers as one example at a time."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batch_shapes import batch_shape
from small import LLAMA_LIKE, random_params
from small_tokenizers import BUNDLED

from pinch_jax.corpus.example import Example
from pinch_jax.devices.mesh import MeshConfig, decoding_mesh, decoding_tensor, make_mesh, put_batch
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.evaluate.answers import Answers
from pinch_jax.evaluate.config import Sampling
from pinch_jax.evaluate.evaluators import HeldoutLoss, answer_metrics
from pinch_jax.forecast.hlo import Array, Program, arrays
from pinch_jax.model.decoder import forward, unembed
from pinch_jax.text.template import Renderer, Template
from pinch_jax.text.tokenizer import load_tokenizer

RENDERER = Renderer(Template(), load_tokenizer(BUNDLED / "tokenizer.model"))
MODEL = dataclasses.replace(LLAMA_LIKE, vocab_size=RENDERER.tokenizer.vocab_size)
PARAMS = random_params(MODEL)
TOKENS, NEW_TOKENS = 40, 6
SHAPE = batch_shape(8, TOKENS, 16)


def example(id, language, prompt, response):
    return Example(id, id, "currency", language, prompt, response, response, False)


HELDOUT = {
    "en": [
        example("a", "en", "What do people pay with in Kenya?", "They pay with the shilling."),
        example("b", "en", "And in Peru?", "The sol."),
        example("c", "en", "Japan: which currency do its people use today?", "The yen, of course."),
    ],
    "fi": [
        example("a", "fi", "Millä Keniassa maksetaan?", "Šillingillä."),
        example("b", "fi", "Entä Perussa?", "Siellä maksetaan solilla."),
    ],
}


@jax.jit
def scores_of(params, ids):
    """Returns scores [TOKENS, V] of one text, whatever stands behind it."""
    tokens, positions = ids[None], jnp.arange(TOKENS)[None]
    return unembed(MODEL, params, forward(MODEL, params, tokens, positions, jnp.ones_like(tokens)))[
        0
    ]


def scored(ids):
    return np.asarray(scores_of(PARAMS, np.array(ids + [0] * (TOKENS - len(ids)), np.int32)))


@pytest.fixture(scope="module")
def answers():
    mesh = make_mesh(MeshConfig())
    return Answers(
        model=MODEL,
        renderer=RENDERER,
        stop_ids=(RENDERER.stop_id,),
        rows=8,
        prompts_per_row=2,
        prompt_tokens=24,
        prompt_widths=2,
        new_tokens=NEW_TOKENS,
        sampling=Sampling(),
        shard=Shard(mesh),
        dtype=jnp.float32,
    )


def test_the_heldout_loss_is_the_mean_over_a_languages_supervised_tokens():
    mesh, shape = make_mesh(MeshConfig()), dataclasses.replace(SHAPE, examples=1)
    evaluate = HeldoutLoss(MODEL, RENDERER, HELDOUT, shape, mesh, Shard(mesh), jnp.float32)
    # However few examples an update takes.
    assert [plan.steps for plan in evaluate.plans.values()] == [1, 1]
    losses = evaluate(PARAMS, 0)
    assert set(losses) == {"eval/en/loss", "eval/fi/loss"}
    for language, examples in HELDOUT.items():
        nats = []
        for one in examples:
            ids, prompt_length = RENDERER.example(one.prompt, one.response)
            scores = scored(ids).astype(np.float64)
            for place in range(prompt_length, len(ids)):
                of = scores[place - 1]
                nats.append(np.log(np.sum(np.exp(of))) - of[ids[place]])
        assert losses[f"eval/{language}/loss"] == pytest.approx(np.mean(nats), rel=1e-4)


def test_the_loss_and_metrics_are_of_what_has_a_reference(answers):
    mesh = make_mesh(MeshConfig())

    def losses(heldout):
        shard = Shard(mesh)
        return HeldoutLoss(MODEL, RENDERER, heldout, SHAPE, mesh, shard, jnp.float32)(PARAMS, 0)

    untold = [dataclasses.replace(one, response="", answer="") for one in HELDOUT["en"]]
    mixed = {"en": [*HELDOUT["en"][:2], untold[2]], "fi": untold}
    assert losses(mixed) == losses({"en": HELDOUT["en"][:2]}) and len(losses(mixed)) == 1
    assert losses({"en": untold}) == {}

    mixed["fi"] = [dataclasses.replace(one, language="fi") for one in untold]
    metrics = answer_metrics(answers, mixed, 3, PARAMS, 0)
    told = answer_metrics(answers, {"en": HELDOUT["en"][:2]}, 3, PARAMS, 0)
    assert metrics["eval/en/chrf"] == told["eval/en/chrf"] > 0
    assert {"eval/fi/right_language", "eval/fi/echo"} <= set(metrics)
    assert not {"eval/fi/exact_match", "eval/fi/chrf"} & set(metrics)


def test_ids_without_a_row_are_named_before_anything_is_computed(answers):
    """Of texts: those of a template are found when a model is opened."""
    mesh, fewer = make_mesh(MeshConfig()), dataclasses.replace(MODEL, vocab_size=1000)
    message = r"{}: the token '.*' has the id \d{{4}}, .* the rows 0 to 999 alone"
    with pytest.raises(ValueError, match=message.format("the held-out examples of 'fi'")):
        HeldoutLoss(fewer, RENDERER, {"fi": HELDOUT["fi"]}, SHAPE, mesh, None, jnp.float32)
    asked = dataclasses.replace(answers, model=fewer)
    with pytest.raises(ValueError, match=message.format("the prompt 'Entä Perussa.'")):
        next(asked.stream(PARAMS, ["Entä Perussa?"], 0))


def test_each_prompt_gets_the_answer_that_it_gets_alone(answers):
    # More prompts than rows, of both widths, and not in the order of their lengths.
    prompts = [one.prompt for some in HELDOUT.values() for one in some] * 6
    responses = answers(PARAMS, prompts, seed=0)
    assert answers.decode._cache_size() == 2
    for prompt, response in zip(prompts, responses, strict=True):
        ids = RENDERER.prompt(prompt)
        new = []
        while len(new) < NEW_TOKENS and RENDERER.stop_id not in new:
            new.append(int(scored(ids + new)[len(ids) + len(new) - 1].argmax()))
        assert response == RENDERER.tokenizer.decode(new)
    assert len(set(responses)) > 1


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_weights_that_training_splits_are_placed_once_and_not_gathered_for_a_token(answers, dtype):
    mesh = make_mesh(MeshConfig(1, 4, 2))
    # Of eight ways, the two key-value heads can be split by two.
    own = decoding_mesh(mesh, decoding_tensor(0, 8, MODEL.kv_heads))
    assert own.devices.shape == (4, 1, 1, 2)
    split = dataclasses.replace(answers, shard=Shard(own), dtype=dtype)
    params = jax.device_put(PARAMS, parameter_shardings(mesh, PARAMS))
    placed = split.placed(params)
    assert jax.tree.map(jax.typeof, placed) == jax.tree.map(jax.typeof, split.shapes)
    query = placed["layers"][1]["attention"]["query"]
    assert query.dtype == dtype and query.sharding.shard_shape(query.shape) == (24, 3, 4)
    prompts = [one.prompt for some in HELDOUT.values() for one in some]
    alone = dataclasses.replace(answers, dtype=dtype)
    assert split(params, prompts, seed=0) == alone(PARAMS, prompts, seed=0)

    inputs = np.zeros((16, 24), np.int32), np.zeros(16, np.int32), np.zeros((16, 2), np.uint32)
    lowered = split.decode.lower(placed, *put_batch(own, 16, inputs))
    program = Program(lowered.compile().as_text())
    gathered = [
        array
        for _, instruction, _ in program.instructions()
        if instruction.opcode.startswith("all-gather")
        for array in arrays(instruction.type)
    ]
    assert gathered == [Array("s32", (16, NEW_TOKENS))]


def test_outcomes_are_fractions_of_each_languages_prompts(answers):
    asked = [one for some in HELDOUT.values() for one in some]
    said = answers(PARAMS, [one.prompt for one in asked], seed=3)
    # One reference is what the model says: it alone is an exact match.
    told = dict(HELDOUT, fi=[dataclasses.replace(HELDOUT["fi"][0], response=said[3]), asked[4]])
    metrics = answer_metrics(answers, told, 3, PARAMS, 0)
    assert metrics["eval/fi/exact_match"] == 0.5 and metrics["eval/en/exact_match"] == 0.0
    assert 0 < metrics["eval/fi/chrf"] <= 100
    assert set(metrics) == {
        f"eval/{code}/{name}"
        for code in HELDOUT
        for name in ("exact_match", "right_language", "echo", "chrf")
    }
