"""Arithmetic in bfloat16 with float32 master weights: what is rounded, and what never is."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from small import FAMILIES, GEMMA_LIKE, LLAMA_LIKE, OPTIMIZER, random_params, random_plan

from pinch_jax.devices.mesh import path_name
from pinch_jax.model.decoder import abstract_params, forward, in_precision, no_sharding, unembed
from pinch_jax.model.layers import add_bias, lookup
from pinch_jax.model.rotary import rotate, rotation
from pinch_jax.train.step import init_state, make_train_step, summed_loss

HALF = jnp.bfloat16
# By how much of itself a number changes at most when it becomes a bfloat16.
ROUNDING = 2.0**-8
BATCH = random_plan(vocab_size=48).batch_at(0)
# So that the first moment is a tenth of the gradient, and the steps are small.
PLAIN = dataclasses.replace(OPTIMIZER, clip_norm=1e9, weight_decay=0.0, learning_rate=1e-5)


@functools.cache
def stepped(config, dtype, microbatches=1):
    """Returns (state, metrics, gradient) of the first step."""
    step = make_train_step(config, PLAIN, microbatches, dtype)
    state, metrics = jax.jit(step)(init_state(PLAIN, random_params(config)), BATCH, 4)
    gradient = jax.tree.map(lambda m: np.asarray(m) / (1 - PLAIN.beta1), state.opt_state[1].mu)
    return jax.device_get(state), metrics, gradient


def leaves(tree):
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_in_half_precision_is_that_in_float32_to_two_digits(family):
    exact, half = (stepped(FAMILIES[family], dtype) for dtype in (jnp.float32, HALF))
    for name, tolerance in {"loss": 2e-3, "gradient_norm": 2e-2}.items():
        ours, theirs = float(half[1][name]), float(exact[1][name])
        assert ours != theirs and ours == pytest.approx(theirs, rel=tolerance)
    gradients = leaves(exact[2])
    for name, ours in leaves(half[2]).items():
        # The last norm is nearest to the loss.
        tolerance = 0.015 if name == "final_norm/scale" else 0.1
        difference = np.linalg.norm(ours - gradients[name])
        assert difference < tolerance * np.linalg.norm(gradients[name]), name


@pytest.mark.parametrize("family", FAMILIES)
def test_master_weights_take_steps_that_half_precision_could_not_hold(family):
    state, metrics, gradient = stepped(FAMILIES[family], HALF)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(state)} == {"float32", "int32"}
    rate, slopes = float(metrics["learning_rate"]), leaves(gradient)
    before, kept, total = leaves(random_params(FAMILIES[family])), 0, 0
    for name, after in leaves(state.params).items():
        # Adam's first step is the rate, against the sign of the gradient.
        clear = np.abs(slopes[name]) > 1e-6
        expected = -rate * np.sign(slopes[name])[clear]
        change = (after - before[name])[clear]
        np.testing.assert_allclose(change, expected, atol=1e-7, err_msg=name)
        old, new = (x.astype(ml_dtypes.bfloat16) for x in (before[name], after))
        kept, total = kept + np.sum(old == new), total + old.size
    assert kept / total > 0.95


def primitives(jaxpr):
    """Yields (name, operands that are arrays, results) of all that a program computes."""
    for equation in jaxpr.eqns:
        inner = [
            getattr(each, "jaxpr", each)
            for value in equation.params.values()
            for each in (value if isinstance(value, tuple | list) else [value])
            if hasattr(each, "eqns") or hasattr(each, "jaxpr")
        ]
        for each in inner:
            yield from primitives(each)
        # Those that scatter have the addition inside.
        if not inner or equation.primitive.name.startswith("scatter"):
            operands = [v.aval for v in equation.invars if v.aval.shape]
            yield equation.primitive.name, operands, [v.aval for v in equation.outvars]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_summed_or_made_a_probability_in_half_precision(family):
    config = FAMILIES[family]
    state = jax.eval_shape(functools.partial(init_state, PLAIN), abstract_params(config))
    step = make_train_step(config, PLAIN, 2, HALF)
    found = list(primitives(jax.make_jaxpr(step)(state, BATCH, 4).jaxpr))
    half = {(name, x.shape) for name, operands, _ in found for x in operands if x.dtype == HALF}
    # Each position is supervised once at most, so that nothing is added up there.
    scattered = {("scatter-add", (4, length, config.embed_dim)) for length in (9, 16)}
    assert scattered < half
    half = {name for name, _ in half - scattered}
    # Products, whose sums are float32 inside; the stream; the activation between two products.
    products = {"dot_general", "gather"}
    elementwise = {"add", "add_any", "sub", "mul", "integer_pow", "tanh", "logistic"}
    elementwise |= {"one_minus_square"}  # of the derivative of tanh, from JAX 0.12 on
    moved = {"reshape", "transpose", "broadcast_in_dim", "convert_element_type", "slice", "pad"}
    assert half <= products | elementwise | moved | {"name", "reduce_precision"}
    assert {"dot_general", "mul"} <= half
    single = {name for name, operands, _ in found for x in operands if x.dtype == np.float32}
    assert {"exp", "log", "rsqrt", "sin", "cos", "reduce_sum", "scatter-add"} <= single
    # What a softmax takes is not rounded on its way there: of keys, and of the vocabulary.
    unrounded = {
        tuple(sorted(y.shape))
        for name, operands, (y, *_) in found
        if name == "dot_general" and y.dtype == np.float32
        if all(x.dtype == HALF for x in operands)
    }
    of_keys = 4, config.kv_heads, config.heads // config.kv_heads, 16, 16
    of_logits = 4 * 9, config.vocab_size
    # The gradients at the head are summed over chunks and over devices.
    of_head = {tuple(sorted((config.embed_dim, size))) for size in of_logits}
    assert unrounded == {tuple(sorted(of_keys)), of_logits, *of_head}


def test_gradients_of_microbatches_are_summed_in_float32():
    slope = jax.jit(jax.grad(functools.partial(summed_loss, LLAMA_LIKE, HALF, no_sharding)))
    mean = BATCH._replace(weights=BATCH.weights / BATCH.weights.sum())
    params, parts = random_params(LLAMA_LIKE), []
    for start in range(4):
        parts.append(leaves(slope(params, jax.tree.map(lambda x, s=start: x[s::4], mean))))
    for name, ours in leaves(stepped(LLAMA_LIKE, HALF, microbatches=4)[2]).items():
        total = sum(np.asarray(part[name], np.float64) for part in parts)
        assert np.linalg.norm(ours - total) < 1e-4 * np.linalg.norm(total), name


def test_a_rotation_far_into_a_text_is_rounded_once():
    positions = np.array([[7, 1003, 30011]])
    x = np.random.default_rng(0).standard_normal((1, 3, 2, 16)).astype(ml_dtypes.bfloat16)
    angle = positions[..., None, None] / 10_000 ** (np.arange(8) / 8)
    exact = (x[..., :8].astype(np.float64) + 1j * x[..., 8:]) * np.exp(1j * angle)
    exact = np.concatenate([exact.real, exact.imag], -1)
    ours = rotate(jnp.asarray(x), rotation(jnp.asarray(positions), 16, 10_000.0))
    assert ours.dtype == HALF
    # The angle is a float32: ten thousand radians to 0.0003.
    assert np.all(np.abs(np.asarray(ours) - exact) <= ROUNDING * np.abs(exact) + 3e-4)


def test_norm_weights_are_not_rounded():
    """Gemma's are offsets from one, which half precision holds to 0.004 only."""
    scale = np.float32(2.0**-10)
    params = random_params(dataclasses.replace(GEMMA_LIKE, layers=1))
    for name in ("attention_post_norm", "feedforward_post_norm"):
        params["layers"][name]["scale"][:] = -1.0
    params["final_norm"]["scale"][:] = scale
    config = dataclasses.replace(GEMMA_LIKE, layers=1)
    positions = BATCH.tokens, BATCH.positions, BATCH.segments
    kept = in_precision(params, HALF)
    assert kept["final_norm"]["scale"].dtype == np.float32
    assert kept["layers"]["attention"]["query"].dtype == HALF
    # Nothing is added to the stream: what is normalised is the embedding.
    x = kept["embedding"][BATCH.tokens].astype(np.float64)
    exact = (1 + scale) * x / np.sqrt(np.mean(x**2, -1, keepdims=True))
    ours = np.asarray(forward(config, kept, *positions), np.float64)
    assert np.mean((ours - exact) / exact) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_over_the_vocabulary_are_sums_in_float32(family):
    config = FAMILIES[family]
    kept = in_precision(random_params(config), HALF)
    hidden = (
        np.random.default_rng(1).standard_normal((5, config.embed_dim)).astype(ml_dtypes.bfloat16)
    )
    head = kept["embedding" if config.tied_embeddings else "head"].astype(np.float64)
    exact = hidden.astype(np.float64) @ head.T
    if config.logit_softcap:
        exact = config.logit_softcap * np.tanh(exact / config.logit_softcap)
    np.testing.assert_allclose(unembed(config, kept, jnp.asarray(hidden)), exact, atol=1e-5)


def test_the_gradient_of_what_is_used_a_thousand_times_counts_each():
    """Sums of ones in half precision end at 256."""
    table, tokens = jnp.zeros((4, 2), HALF), jnp.full((1, 1000), 3)
    slope = jax.grad(lambda t: lookup(t, tokens).astype(jnp.float32).sum())(table)
    assert slope.dtype == HALF and np.array_equal(slope, [[0, 0]] * 3 + [[1000, 1000]])
    bias, x = jnp.zeros(2, HALF), jnp.ones((1000, 2), HALF)
    assert add_bias(x, bias).dtype == HALF
    slope = jax.grad(lambda b: add_bias(x, b).astype(jnp.float32).sum())(bias)
    assert np.array_equal(slope, [1000, 1000])
