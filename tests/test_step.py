"""The train step: what counts in the loss, and what an update is."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import GEMMA_LIKE, LLAMA_LIKE, OPTIMIZER, random_params, random_plan, trainer, unpacked
from trees import assert_close, pairs

from pinch_jax.devices.mesh import path_name, put_batch
from pinch_jax.model.config import REMAT_POLICIES
from pinch_jax.model.decoder import abstract_params, no_sharding
from pinch_jax.train.step import learning_rate, make_optimizer, summed_loss

LOSS = functools.partial(summed_loss, GEMMA_LIKE, jnp.float32, no_sharding)
gradient_of_sum = jax.jit(jax.value_and_grad(LOSS))


def stepped(batch, microbatches=1, total_steps=10):
    t = trainer(None, microbatches)
    arrays = put_batch(t.mesh, len(batch.tokens), batch)
    return jax.device_get(t.step(t.start(random_params(GEMMA_LIKE)), arrays, total_steps))


def test_packed_equals_unpacked_in_loss_and_gradient():
    params, batch = random_params(GEMMA_LIKE), random_plan().batch_at(0)
    assert np.any(batch.segments > 1) and np.any(batch.segments == 0)
    packed = gradient_of_sum(params, batch)
    alone = [gradient_of_sum(params, one) for one in unpacked(batch)]
    assert_close(packed, jax.tree.map(lambda *parts: sum(parts), *alone), rtol=1e-3, atol=1e-4)


def test_only_supervised_tokens_count():
    batch = random_plan().batch_at(0)
    unused = batch.weights == 0
    assert np.any(unused) and np.any(batch.segments == 0)
    noise = np.random.default_rng(1)
    other = batch._replace(
        tokens=np.where(batch.segments == 0, noise.integers(0, 64, (8, 16)), batch.tokens),
        targets=np.where(unused, noise.integers(0, 64, unused.shape), batch.targets),
        supervised=np.where(unused, noise.integers(0, 16, unused.shape), batch.supervised),
    )
    other = other._replace(**{
        name: getattr(other, name).astype(np.int32) for name in ("tokens", "targets", "supervised")
    })  # fmt: skip
    ours, theirs = stepped(batch), stepped(other)
    assert ours[1]["supervised_tokens"] == batch.weights.sum()
    assert_close(ours, theirs, rtol=0, atol=0)

    supervised = batch._replace(targets=np.where(unused, batch.targets, batch.targets % 63 + 1))
    assert stepped(supervised)[1]["loss"] != ours[1]["loss"]


def test_the_loss_is_a_mean_over_the_tokens_of_the_whole_batch():
    params, batch = random_params(GEMMA_LIKE), random_plan().batch_at(0)
    _, metrics = stepped(batch)
    loss_sum, gradient = gradient_of_sum(params, batch)
    count = batch.weights.sum()
    assert metrics["loss"] == pytest.approx(float(loss_sum) / count, rel=1e-5)
    norm = np.sqrt(sum(np.sum(np.square(g / count)) for g in jax.tree.leaves(gradient)))
    assert metrics["gradient_norm"] == pytest.approx(float(norm), rel=1e-5)


def test_a_batch_without_supervised_tokens_changes_nothing_but_the_step():
    batch = random_plan().batch_at(0)
    empty = batch._replace(weights=np.zeros_like(batch.weights))
    state, metrics = stepped(empty)
    assert (metrics["loss"], metrics["gradient_norm"], state.step) == (0, 0, 1)


def test_accumulated_gradients_equal_those_of_the_large_batch():
    batch, microbatches = random_plan().batch_at(0), 4
    # Microbatches of very different numbers of supervised tokens: a mean of means would differ.
    rows = np.arange(8)[:, None]
    batch = batch._replace(
        weights=np.where(rows % microbatches == 0, batch.weights, batch.weights * (rows == 1))
    )
    counts = {int(batch.weights[start::microbatches].sum()) for start in range(microbatches)}
    assert len(counts) > 1
    whole, parts = stepped(batch), stepped(batch, microbatches)
    assert_close(parts[1], whole[1], rtol=1e-5)
    assert_close(parts[0], whole[0], rtol=1e-3, atol=2e-5)


def test_an_update_equals_that_of_optax_adamw_at_the_same_rate():
    plan, total_steps = random_plan(), 5
    params = random_params(GEMMA_LIKE)

    def is_matrix(path, leaf):
        del leaf
        return "norm" not in path_name(path) and "bias" not in path_name(path)

    def reference(rate):
        return optax.chain(
            optax.clip_by_global_norm(OPTIMIZER.clip_norm),
            optax.adamw(
                rate,
                OPTIMIZER.beta1,
                OPTIMIZER.beta2,
                OPTIMIZER.epsilon,
                weight_decay=OPTIMIZER.weight_decay,
                mask=jax.tree_util.tree_map_with_path(is_matrix, params),
            ),
        )

    @jax.jit
    def update(params, moments, gradient, rate):
        changes, moments = reference(rate).update(gradient, moments, params)
        return optax.apply_updates(params, changes), moments

    t = trainer(None, 1)
    state, moments = t.start(params), jax.device_get(reference(0.0).init(params))
    # The first batch has a gradient within rounding of zero, of which Adam makes a whole update.
    for step in range(1, 4):
        batch = plan.batch_at(step)
        state, metrics = t.step(state, put_batch(t.mesh, 8, batch), total_steps)
        # Otherwise there would be nothing to clip.
        assert metrics["gradient_norm"] > OPTIMIZER.clip_norm
        _, gradient = jax.device_get(gradient_of_sum(params, batch))
        gradient = jax.tree.map(functools.partial(np.multiply, 1 / batch.weights.sum()), gradient)
        rate = jax.device_get(metrics["learning_rate"])
        params, moments = jax.device_get(update(params, moments, gradient, rate))
        assert_close(state.params, params, rtol=1e-4, atol=1e-6)


def test_matrices_decay_and_vectors_do_not():
    params = random_params(LLAMA_LIKE)
    optimizer = make_optimizer(dataclasses.replace(OPTIMIZER, weight_decay=0.5))

    @jax.jit
    def update(params):
        nothing = jax.tree.map(jnp.zeros_like, params)
        return optimizer.update(nothing, optimizer.init(params), params)[0]

    for name, change, leaf in pairs(update(params), params):
        decay = 0.0 if "norm" in name or "bias" in name else 0.5
        np.testing.assert_allclose(change, decay * leaf, rtol=1e-6, err_msg=name)


def test_what_is_saved_for_the_backward_pass_changes_its_memory_alone():
    batch, gradients, layer_floats = random_plan().batch_at(0), {}, {}
    for policy in REMAT_POLICIES:
        sizes = []
        for layers in (3, 9):
            config = dataclasses.replace(GEMMA_LIKE, layers=layers)
            loss = functools.partial(summed_loss, config, jnp.float32, no_sharding)
            slope = jax.jit(jax.grad(functools.partial(loss, remat_policy=policy)))
            compiled = slope.lower(abstract_params(config), batch).compile()
            sizes.append(compiled.memory_analysis().temp_size_in_bytes / 4)
            if config == GEMMA_LIKE:
                gradients[policy] = compiled(random_params(config), batch)
        # What one layer more costs, for each of 8 x 16 positions.
        layer_floats[policy] = (sizes[1] - sizes[0]) / 6 / 128
    for other in ("save_everything", "save_nothing"):
        assert_close(gradients[other], gradients["save_projections"], rtol=1e-4, atol=1e-4)
    stream, projections = 16, 32 + 16 + 16 + 16 + 24 + 24 + 16
    assert layer_floats["save_nothing"] == pytest.approx(stream, rel=0.1)
    assert layer_floats["save_projections"] == pytest.approx(stream + projections, rel=0.1)
    assert layer_floats["save_everything"] > 2 * layer_floats["save_projections"]


def test_the_rate_rises_to_its_peak_and_falls_to_its_end():
    fractions = np.array([0.0, 0.125, 0.25, 0.625, 1.0])
    # Half way up, at the peak, half way down the cosine, at the end.
    expected = 0.02 * np.array([0.0, 0.5, 1.0, 0.55, 0.1])
    rates = [learning_rate(OPTIMIZER, fraction) for fraction in fractions]
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-9)


def test_no_warm_up_and_nothing_but_warm_up_are_schedules_too():
    none = dataclasses.replace(OPTIMIZER, warmup_fraction=0.0)
    assert float(learning_rate(none, 0.001)) == pytest.approx(0.02, rel=1e-4)
    only = dataclasses.replace(OPTIMIZER, warmup_fraction=1.0)
    assert float(learning_rate(only, 0.5)) == pytest.approx(0.01, rel=1e-4)


def test_a_step_takes_the_rate_of_its_middle():
    batch = random_plan().batch_at(0)
    for total_steps in (1, 2, 40):
        rate = stepped(batch, total_steps=total_steps)[1]["learning_rate"]
        assert rate == pytest.approx(float(learning_rate(OPTIMIZER, 0.5 / total_steps)), rel=1e-6)
        assert rate > 0
