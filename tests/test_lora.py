"""Low-rank adaptation: the same step, and adapters are all that it trains."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import EVERY, FAMILIES, GEMMA_LIKE, OPTIMIZER, random_params, random_plan
from trees import assert_close, pairs

from pinch_jax.devices.mesh import MeshConfig, make_mesh, path_name, put_batch
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.model.decoder import abstract_params, forward, no_sharding, unembed
from pinch_jax.model.families import DecoderConfig
from pinch_jax.train.checkpoint import Checkpoints, state_shardings
from pinch_jax.train.lora import PROJECTIONS, LoraConfig, check_rank, combine, init_adapters, merge
from pinch_jax.train.step import init_state, make_train_step, summed_loss

LORA = LoraConfig(rank=3, alpha=6.0, projections=tuple(PROJECTIONS))
TOTAL_STEPS = 10
PLAN = random_plan(vocab_size=48)
KEY = jax.random.key(0)


def test_a_rank_above_that_of_a_matrix_is_refused_before_anything_is_drawn():
    most = min(GEMMA_LIKE.embed_dim, GEMMA_LIKE.kv_heads * GEMMA_LIKE.head_dim)
    check_rank(GEMMA_LIKE, LoraConfig(most, 1.0, tuple(PROJECTIONS)))
    beyond = LoraConfig(most + 1, 1.0, tuple(PROJECTIONS))
    with pytest.raises(ValueError, match=rf"config\.lora\.rank={most + 1}: 'query' .* rank {most}"):
        check_rank(GEMMA_LIKE, beyond)


@functools.cache
def drawn_adapters(config, lora=LORA):
    """Returns adapters as a run begins with them, as numpy arrays."""
    return jax.device_get(jax.jit(init_adapters, static_argnums=(0, 1))(config, lora, KEY))


def random_adapters(config, lora=LORA):
    """Returns adapters that change something."""
    fresh = drawn_adapters(config, lora)
    noise = np.random.default_rng(4)
    return jax.tree.map(
        lambda x: x + 0.1 * noise.standard_normal(x.shape).astype(np.float32), fresh
    )


@functools.partial(jax.jit, static_argnums=0)
def scores(config, params):
    batch = PLAN.batch_at(0)
    hidden = forward(config, params, batch.tokens, batch.positions, batch.segments)
    return unembed(config, params, hidden)


def gradient(config, params):
    loss = functools.partial(summed_loss, config, jnp.float32, no_sharding)
    return jax.device_get(jax.jit(jax.grad(loss))(params, PLAN.batch_at(0)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def slope(config, scaling, base, adapters):
    """Returns the gradient of the first batch's loss by the adapters."""

    def loss(adapters):
        params = combine(base, adapters, scaling)
        return summed_loss(config, jnp.float32, no_sharding, params, PLAN.batch_at(0))

    return jax.grad(loss)(adapters)


def weights_of(params, projection):
    return params["layers"][PROJECTIONS[projection][0]][projection]


@functools.cache
def trainer(axes, microbatches=1):
    """Returns (mesh, frozen, first state, compiled step) of GEMMA_LIKE with adapters."""
    mesh = make_mesh(MeshConfig(*axes), jax.devices()[: math.prod(axes)])
    base = random_params(GEMMA_LIKE)
    frozen = jax.device_put(base, parameter_shardings(mesh, base))

    def start():
        return init_state(OPTIMIZER, init_adapters(GEMMA_LIKE, LORA, jax.random.key(1)))

    shardings = state_shardings(mesh, jax.eval_shape(start))
    step = make_train_step(
        GEMMA_LIKE,
        OPTIMIZER,
        microbatches,
        shard=Shard(mesh),
        lora_scaling=LORA.scaling,
    )
    compiled = jax.jit(step, donate_argnums=0, out_shardings=(shardings, None))
    return mesh, frozen, jax.jit(start, out_shardings=shardings), compiled


def trained(axes, steps, state=None, microbatches=1):
    mesh, frozen, start, step = trainer(axes, microbatches)
    state, losses = state or start(), []
    for index in range(int(state.step), steps):
        batch = put_batch(mesh, PLAN.shape.rows, PLAN.batch_at(index))
        state, values = step(state, batch, TOTAL_STEPS, frozen)
        losses.append(float(values["loss"]))
    return state, losses


@pytest.mark.parametrize("family", FAMILIES)
def test_fresh_adapters_change_nothing(family):
    config = FAMILIES[family]
    base, adapters = random_params(config), drawn_adapters(config)
    ours = scores(config, combine(base, adapters, LORA.scaling))
    np.testing.assert_allclose(ours, scores(config, base), rtol=1e-5, atol=2e-6)
    first = set()
    for name, (_, inputs) in PROJECTIONS.items():
        drawn = np.asarray(weights_of(adapters, name)["lora_a"])
        fan_in = math.prod(weights_of(base, name).shape[1 : 1 + inputs])
        assert drawn.shape[1:-1] == weights_of(base, name).shape[1 : 1 + inputs]
        assert drawn.std() == pytest.approx(fan_in**-0.5, rel=0.15)
        assert not np.array_equal(drawn[0], drawn[1])
        first.add(round(float(drawn.flat[0]) * fan_in**0.5, 5))
    assert len(first) == len(PROJECTIONS)  # each has a draw of its own
    few = dataclasses.replace(LORA, projections=("down", "value"))
    alone = drawn_adapters(config, few)
    assert len(jax.tree.leaves(alone)) == 4
    # What one projection draws does not depend on the others.
    for name in few.projections:
        assert np.array_equal(
            weights_of(alone, name)["lora_a"], weights_of(adapters, name)["lora_a"]
        )


@pytest.mark.parametrize("family", [*FAMILIES, "gemma4"])
def test_merged_weights_make_the_same_scores(family):
    config = EVERY[family]
    base, adapters = random_params(config), random_adapters(config)
    merged = merge(base, adapters, LORA.scaling)
    ours = scores(config, combine(base, adapters, LORA.scaling))
    np.testing.assert_allclose(ours, scores(config, merged), rtol=1e-4, atol=1e-4)
    assert np.abs(ours - scores(config, base)).max() > 0.1
    changed = {name for name, x, y in pairs(base, merged) if not np.array_equal(x, y)}
    adapted = {f"{part}/{name}" for name, (part, _) in PROJECTIONS.items()}
    paths = (path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(base))
    assert changed == {path for path in paths if path.partition("/")[2] in adapted}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_is_that_of_the_whole_weights_by_the_chain_rule(family):
    config = FAMILIES[family]
    base, adapters = random_params(config), random_adapters(config)
    found = slope(config, LORA.scaling, base, adapters)
    whole = gradient(config, merge(base, adapters, LORA.scaling))
    for name in PROJECTIONS:
        a, b = (weights_of(adapters, name)[part] for part in ("lora_a", "lora_b"))
        layers, rank = len(a), a.shape[-1]
        d_weight = weights_of(whole, name).reshape(layers, -1, math.prod(b.shape[2:]))
        flat_a, flat_b = a.reshape(layers, -1, rank), b.reshape(layers, rank, -1)
        expected = {
            "lora_a": LORA.scaling * d_weight @ flat_b.swapaxes(1, 2),
            "lora_b": LORA.scaling * flat_a.swapaxes(1, 2) @ d_weight,
        }
        for part, value in expected.items():
            one = weights_of(found, name)[part]
            value = value.reshape(one.shape)
            scale = np.abs(value).max()
            np.testing.assert_allclose(one, value, rtol=1e-3, atol=1e-4 * scale, err_msg=name)


def test_at_full_rank_a_plain_step_is_that_of_full_tuning():
    """A = 1 and B = 0 make d B the gradient of the weight itself."""
    config, rate, names = GEMMA_LIKE, 1e-2, ("query", "gate")
    base = random_params(config)
    full = gradient(config, base)
    lora = LoraConfig(rank=config.embed_dim, alpha=config.embed_dim, projections=names)
    adapters = jax.tree.map(np.array, drawn_adapters(config, lora))
    for name in names:
        weights_of(adapters, name)["lora_a"][:] = np.eye(config.embed_dim)
    slopes = slope(config, lora.scaling, base, adapters)
    moved = jax.tree.map(lambda p, g: p - rate * np.asarray(g), adapters, slopes)
    merged = merge(base, moved, lora.scaling)
    for name in names:
        ours, before = weights_of(merged, name), weights_of(base, name)
        theirs = before - rate * weights_of(full, name)
        assert np.abs(theirs - before).max() > 0.01
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_step_trains_adapters_and_nothing_else():
    base = random_params(GEMMA_LIKE)
    mesh, frozen, start, step = trainer((1, 1, 1))
    before = jax.device_get(start().params)
    state, _ = trained((1, 1, 1), 4)
    names = {path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(state.params)}
    assert names == {
        f"layers/{part}/{name}/{matrix}"
        for name, (part, _) in PROJECTIONS.items()
        for matrix in ("lora_a", "lora_b")
    }
    for name, x, y in pairs(state.params, before):
        assert np.abs(x - y).max() > 1e-3, name
    # Moments are those of the adapters; the frozen weights survive donation, as they were.
    moments = sum(leaf.size for leaf in jax.tree.leaves(state.opt_state))
    assert moments <= 2 * sum(leaf.size for leaf in jax.tree.leaves(state.params)) + 2
    assert all(map(np.array_equal, jax.tree.leaves(frozen), jax.tree.leaves(base)))
    # The step's gradient is the one of the tests above, scaled as there.
    batch = PLAN.batch_at(0)
    _, metrics = step(start(), put_batch(mesh, PLAN.shape.rows, batch), TOTAL_STEPS, frozen)
    slopes = jax.device_get(slope(GEMMA_LIKE, LORA.scaling, base, before))
    norm = math.hypot(*map(np.linalg.norm, jax.tree.leaves(slopes))) / batch.weights.sum()
    assert float(metrics["gradient_norm"]) == pytest.approx(norm, rel=1e-5)


def test_accumulated_gradients_equal_those_of_the_large_batch():
    whole, parts = trained((1, 1, 1), 2), trained((1, 1, 1), 2, microbatches=4)
    assert parts[1] == pytest.approx(whole[1], rel=1e-5)
    assert_close(parts[0], whole[0], rtol=1e-3, atol=2e-5)


# On four devices of an axis, the two key-value heads are whole on each.
@pytest.mark.parametrize(
    ("axes", "gate_shard"), [((2, 2, 1), 8), ((1, 1, 2, 2), 8), ((1, 1, 4), 16)]
)
def test_four_devices_train_as_one_does(axes, gate_shard):
    one, many = trained((1, 1, 1), 3), trained(axes, 3)
    assert many[1] == pytest.approx(one[1], rel=1e-5)
    assert_close(many[0], one[0], rtol=1e-3, atol=2e-5)
    a = weights_of(many[0].params, "gate")["lora_a"]
    assert a.addressable_shards[0].data.shape == (3, gate_shard, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_adapter_lies_where_its_weight_does(family):
    config, mesh = FAMILIES[family], make_mesh(MeshConfig(2, 2, 2))
    whole = parameter_shardings(mesh, abstract_params(config))
    adapters = drawn_adapters(config)
    placed = parameter_shardings(mesh, adapters)
    for name, (_, inputs) in PROJECTIONS.items():
        spec, found = weights_of(whole, name).spec, weights_of(placed, name)
        assert tuple(found["lora_a"].spec) == (*spec[: 1 + inputs], None)
        assert tuple(found["lora_b"].spec) == (None, None, *spec[1 + inputs :])


def test_an_interrupted_run_goes_on_from_a_checkpoint_of_its_adapters(tmp_path):
    whole, _ = trained((1, 1, 2, 2), 4)
    half, _ = trained((1, 1, 2, 2), 2)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(half)
    like = jax.eval_shape(trainer((1, 1, 2, 2))[2])
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        restored = checkpoints.restore(trainer((1, 1, 2, 2))[0], like)
    resumed, losses = trained((1, 1, 2, 2), 4, restored)
    assert len(losses) == 2
    assert all(map(np.array_equal, jax.tree.leaves(resumed), jax.tree.leaves(whole)))


def test_adapters_save_memory_and_arithmetic():
    config = DecoderConfig(
        vocab_size=64, layers=6, embed_dim=128, heads=4, kv_heads=2, head_dim=32, mlp_dim=512
    )
    batch = PLAN.batch_at(0)
    costs = {}
    for name, lora in {"full": dataclasses.replace(LORA, rank=0), "lora": LORA}.items():
        base = abstract_params(config)
        adapters = jax.eval_shape(lambda c=lora: init_adapters(config, c, jax.random.key(0)))
        frozen, params = (base, adapters) if lora.rank else ({}, base)
        state = jax.eval_shape(functools.partial(init_state, OPTIMIZER), params)
        step = make_train_step(config, OPTIMIZER, lora_scaling=lora.scaling)
        compiled = jax.jit(step, donate_argnums=0).lower(state, batch, 10, frozen).compile()
        memory = compiled.memory_analysis()
        whole = sum(4 * leaf.size for leaf in jax.tree.leaves(base))
        # In units of the model: what goes in, and what the step needs beside it.
        costs[name] = (
            memory.argument_size_in_bytes / whole,
            memory.temp_size_in_bytes / whole,
            compiled.cost_analysis()["flops"],
        )
    assert costs["full"][0] == pytest.approx(3, abs=0.1)
    assert costs["lora"][0] < 1.2
    # No gradient of a frozen weight is there, nor the third of the arithmetic that makes it.
    assert costs["lora"][1] < costs["full"][1] - 0.5
    assert costs["lora"][2] < 0.8 * costs["full"][2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": -1}, r"config\.lora\.rank=-1: must be at least 0"),
        ({"alpha": 0.0}, r"config\.lora\.alpha=0\.0: must be above 0"),
        ({"projections": ("quer",)}, r"config\.lora\.projections: 'quer' .* mean 'query'"),
        ({"projections": ("up", "up")}, r"config\.lora\.projections=.*'up' stands twice"),
        ({"projections": ()}, r"config\.lora\.projections=\(\): name some"),
    ],
)
def test_a_mistake_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(LORA, **changes)
