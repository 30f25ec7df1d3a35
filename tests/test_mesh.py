"""The mesh: where parameters lie, and that a result does not depend on it."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import EVERY, FAMILIES, random_params, random_plan, trained, trainer
from torus import SLICES, chips, shapes
from trees import assert_close

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.devices import sharding
from pinch_jax.devices.mesh import (
    MeshConfig,
    check_rows,
    local_rows,
    make_mesh,
    path_name,
    put_batch,
)
from pinch_jax.devices.sharding import PARAMETER_AXES, Shard, parameter_shardings, parameter_spec
from pinch_jax.errors import UserError
from pinch_jax.model.decoder import abstract_params, no_sharding
from pinch_jax.model.stacks import stacks
from pinch_jax.study.inputs import Inputs
from pinch_jax.study.preflight import preflight
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.lora import PROJECTIONS, LoraConfig, init_adapters
from pinch_jax.train.step import summed_loss

STEPS = 3


@pytest.fixture(scope="module")
def on_one_device():
    lines, state = trained(None, STEPS)
    return lines, jax.device_get(state)


@pytest.mark.parametrize(
    ("mesh_config", "query_shard", "key_shard"),
    [
        (MeshConfig(2, 4, 1), (3, 4, 4, 8), (3, 4, 2, 8)),
        (MeshConfig(2, 2, 2), (3, 8, 2, 8), (3, 8, 1, 8)),
        # Two key-value heads on four devices.
        (MeshConfig(1, 2, 4), (3, 8, 1, 8), (3, 8, 2, 8)),
        # Parts of rows that are longer and shorter than the window of four tokens.
        (MeshConfig(1, 2, 2, context=2), (3, 4, 2, 8), (3, 4, 1, 8)),
        (MeshConfig(1, 1, 1, context=8), (3, 2, 4, 8), (3, 2, 2, 8)),
    ],
    ids=str,
)
def test_eight_devices_train_as_one_does(mesh_config, query_shard, key_shard, on_one_device):
    lines, state = trained(mesh_config, STEPS)
    # Split, not copied: otherwise there would be nothing to compare.
    for tree in (state.params, state.opt_state[1].mu, state.opt_state[1].nu):
        for name, shape in {"query": query_shard, "key": key_shard}.items():
            leaf = tree["layers"]["attention"][name]
            assert leaf.addressable_shards[0].data.shape == shape
    for ours, theirs in zip(lines, on_one_device[0], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    # Adam divides tiny gradients by their size: their rounding shows, scaled to the rate.
    assert_close(state, on_one_device[1], rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("family", ["olmo", "cohere", "gemma4"])
def test_eight_devices_give_the_loss_and_the_gradient_of_one(family):
    """Also where a norm is over all heads, which `tensor` splits."""
    c, mesh = EVERY[family], make_mesh(MeshConfig(2, 2, 2))
    params, batch = random_params(c), random_plan(c.vocab_size).batch_at(0)
    loss = functools.partial(summed_loss, c, jnp.float32)
    on_one = jax.jit(jax.value_and_grad(functools.partial(loss, no_sharding)))(params, batch)
    placed = jax.device_put(params, parameter_shardings(mesh, params))
    for kind in stacks(c):
        query = placed[kind.name]["attention"]["query"]
        assert query.addressable_shards[0].data.shape[2] == c.heads / 2
    on_all = jax.jit(jax.value_and_grad(functools.partial(loss, Shard(mesh))))(
        placed, put_batch(mesh, 8, batch)
    )
    for ours, theirs in zip(jax.tree.leaves(on_all), jax.tree.leaves(on_one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_a_program_is_compiled_once_whatever_the_number_of_steps(on_one_device):
    t, plan = trainer(None, 1), random_plan()
    state = t.start(random_params(FAMILIES["gemma"]))
    for total_steps in (plan.steps, 7):
        batch = put_batch(t.mesh, plan.shape.rows, plan.batch_at(0))
        state, _ = t.step(state, batch, total_steps)
    assert t.step._cache_size() == 1


@pytest.mark.parametrize("family", EVERY)
def test_every_parameter_matches_exactly_one_row(family):
    mesh = make_mesh(MeshConfig(2, 2, 2))
    paths = jax.tree_util.tree_leaves_with_path(abstract_params(EVERY[family]))
    for path, leaf in paths:
        rows = [spec for row, spec in PARAMETER_AXES if re.fullmatch(row, path_name(path))]
        assert len(rows) == 1, path_name(path)
        assert len(rows[0]) == leaf.ndim
        if path[0].key.endswith("layers"):
            # Layers are run one after the other by every device.
            assert rows[0][0] is None
    parameter_shardings(mesh, abstract_params(EVERY[family]))


def test_a_row_that_no_parameter_needs_is_not_there():
    lora = LoraConfig(1, 1.0, tuple(PROJECTIONS))
    trees = [abstract_params(config) for config in EVERY.values()]
    trees.append(init_adapters(FAMILIES["llama"], lora, jax.random.key(0)))
    paths = {
        path_name(path) for tree in trees for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    }
    for row, _ in PARAMETER_AXES:
        assert any(re.fullmatch(row, path) for path in paths), row


def test_an_unknown_path_or_one_of_two_rows_raises(monkeypatch):
    with pytest.raises(ValueError, match="'layers/attention/gate' matches 0 rows"):
        parameter_spec("layers/attention/gate")
    with pytest.raises(ValueError, match="'embedding/more' matches 0 rows"):
        parameter_spec("embedding/more")
    monkeypatch.setattr(sharding, "PARAMETER_AXES", (*PARAMETER_AXES, PARAMETER_AXES[0]))
    with pytest.raises(ValueError, match="'head' matches 2 rows"):
        parameter_spec("head")


def test_what_a_mesh_cannot_divide_says_so():
    params = abstract_params(FAMILIES["llama"])
    told = r"mesh.tensor=4 cannot .* 6 .*'layers/attention/output'.* divisor of 6, such as 2"
    with pytest.raises(ValueError, match=told):
        parameter_shardings(make_mesh(MeshConfig(tensor=4)), params)
    keys = {"layers": {"attention": {"key": jnp.zeros((2, 25, 1, 4))}}}
    told = r"mesh.fsdp=1 x config.mesh.context=2 cannot .* 25 .*'layers/attention/key'"
    with pytest.raises(ValueError, match=told):
        parameter_shardings(make_mesh(MeshConfig(context=2, tensor=4)), keys)
    check_rows(8, "config.batch.rows", 16)
    with pytest.raises(ValueError, match=r"config.batch.rows=12 .* 8 devices.* such as 16"):
        check_rows(8, "config.batch.rows", 12)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((3, 1, 1), "data=3 x fsdp=1 x context=1 x tensor=1 does not make 8 devices"),
        ((-1, 3, 1), "fsdp=3 x context=1 x tensor=1 does not make 8 devices"),
        ((-1, 1, 1, 16), "fsdp=1 x context=16 x tensor=1 does not make 8 devices"),
        ((-1, 0, 1), "config.mesh.fsdp=0: must be above 0"),
        ((-1, 1, -1), "config.mesh.tensor=-1: must be above 0"),
        ((0, 1, 1), "config.mesh.data=0: must be above 0, or -1"),
        ((-8, -1, 1), "config.mesh.data=-8: must be at least -1"),
    ],
)
def test_axes_that_do_not_make_the_devices_are_an_error(axes, message):
    with pytest.raises(ValueError, match=message):
        make_mesh(MeshConfig(*axes))


def test_data_takes_the_devices_that_the_other_axes_leave():
    mesh = make_mesh(MeshConfig(tensor=2, context=2))
    assert dict(mesh.shape) == {"data": 2, "fsdp": 1, "context": 2, "tensor": 2}


def test_a_batch_arrives_whole_each_device_with_its_own_rows():
    mesh, batch = make_mesh(MeshConfig(2, 2, 1, 2)), random_plan().batch_at(0)
    assert local_rows(mesh, 8).tolist() == list(range(8))
    for ours, theirs in zip(put_batch(mesh, 8, batch), batch, strict=True):
        assert np.array_equal(ours, theirs) and ours.dtype == theirs.dtype
        assert [shard.data.shape[0] for shard in ours.addressable_shards] == 8 * [2]


def test_an_activation_is_split_along_the_axes_of_its_letters():
    mesh = make_mesh(MeshConfig(2, 2, 2))
    place = jax.jit(Shard(mesh), static_argnums=1)
    assert place(jnp.zeros((4, 3, 6)), "BTF").addressable_shards[0].data.shape == (1, 3, 3)
    assert place(jnp.zeros((8, 3, 4, 5)), "BTNH").addressable_shards[0].data.shape == (2, 3, 2, 5)
    rows = jax.jit(Shard(make_mesh(MeshConfig(1, 1, 2, 4))), static_argnums=1)
    assert rows(jnp.zeros((1, 8, 4, 5)), "BTNH").addressable_shards[0].data.shape == (1, 2, 2, 5)
    assert rows(jnp.zeros((1, 8, 8, 5)), "BSMH").addressable_shards[0].data.shape == (1, 8, 1, 5)
    # A token at a time, as answers are written: all devices that share a row do the same.
    assert rows(jnp.zeros((1, 1, 6)), "BTD").addressable_shards[0].data.shape == (1, 1, 6)
    # One key-value head on two devices of an axis is held by both.
    assert place(jnp.zeros((4, 3, 1, 5)), "BSKH").addressable_shards[0].data.shape == (1, 3, 1, 5)


@pytest.mark.parametrize(("kind", "torus"), SLICES, ids=str)
def test_every_shape_of_mesh_can_be_made_of_every_slice_and_each_row_has_its_hosts(kind, torus):
    devices = chips(kind, torus)
    hosts = range(len(devices) // 4)
    for data, fsdp, tensor, context in shapes(len(devices)):
        mesh = make_mesh(MeshConfig(data, fsdp, tensor, context), devices)
        assert mesh.devices.shape == (data, fsdp, context, tensor)
        assert set(mesh.devices.flat) == set(devices)
        # The tokens of a row lie on all of these, which may be those of several hosts.
        blocks = mesh.devices.reshape(-1, context * tensor)
        rows = 2 * len(blocks)
        hosts_of = np.vectorize(lambda device: device.process_index)(blocks)
        for host in hosts:
            held = np.repeat((hosts_of == host).any(axis=1), 2)
            assert np.array_equal(local_rows(mesh, rows, host), np.flatnonzero(held))


def test_only_data_leaves_a_slice():
    torus = (4, 4, 1)
    one = chips("v5e", torus)
    two = [dataclasses.replace(chip, slice_index=1, id=chip.id + len(one)) for chip in one]
    for data, *inside in shapes(len(one)):
        mesh = make_mesh(MeshConfig(2 * data, *inside), [*two, *one])
        slices = np.vectorize(lambda chip: chip.slice_index)(mesh.devices)
        # Each slice has one half of `data`, laid out as it is alone.
        assert np.array_equal(slices, np.arange(2 * data)[:, None, None, None] // data + 0 * slices)
        alone = make_mesh(MeshConfig(data, *inside), one)
        assert np.array_equal(mesh.devices[:data], alone.devices)
    with pytest.raises(UserError, match=r"data=1 cannot be shared by 2 slices.* the 16 devices"):
        make_mesh(MeshConfig(1, 8, 1, 4), one + two)


@pytest.mark.parametrize("error", [RuntimeError("no such backend"), AssertionError()])
def test_a_platform_that_jax_cannot_start_is_told_with_what_was_asked(error, monkeypatch):
    def devices():
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UserError, match="JAX_PLATFORMS='cuda'"):
        make_mesh(MeshConfig(data=-1, fsdp=1, tensor=1))


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "jax_enable_x64": True,
        "jax_default_prng_impl": "rbg",
        "jax_threefry_partitionable": False,
        "jax_random_seed_offset": 7,
        "jax_disable_jit": True,
        "jax_numpy_rank_promotion": "raise",
        "jax_numpy_dtype_promotion": "strict",
    }.items(),
)
def test_what_the_environment_has_set_jax_to_makes_no_other_numbers(name, value):
    """A fingerprint would not tell them: half of a study would be of another world."""
    usual = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        with pytest.raises(UserError, match=rf"^{name.upper()}={value}: .*; unset it"):
            make_mesh(MeshConfig())
    finally:
        jax.config.update(name, usual)
    make_mesh(MeshConfig())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"mesh.tensor": 8},
            r"config\.mesh\.tensor=8 cannot divide an axis of 3 .*attention/output'.* such as 1",
        ),
        (
            {"mesh.fsdp": 2, "mesh.context": 5, "batch.row_tokens": 100, "batch.rows": 8},
            r"config\.mesh\.fsdp=2 x config\.mesh\.context=5 cannot divide .* such as 2",
        ),
        ({"mesh.context": 8}, r"config\.batch\.row_tokens=108 .* 8 devices \(mesh context\).* 112"),
    ],
)
def test_what_a_mesh_cannot_divide_is_said_before_anything_is_read(fields, told, monkeypatch):
    config = tiny.get_config()
    config.update_from_flattened_dict(fields | {"mesh.data": 1})
    monkeypatch.setattr(jax, "devices", None)  # nor is a device asked for
    with pytest.raises(UserError, match=told):
        Inputs(from_config_dict(config))


def test_a_judge_that_a_mesh_cannot_divide_is_told_before_the_runs():
    config = tiny.get_config()
    decoder = dataclasses.replace(FAMILIES["gemma"], vocab_size=5120)
    config.model.source, config.model.decoder = "", dataclasses.asdict(decoder)
    config.model.tokenizer = "pinch_jax/assets/tiny/tokenizer.model"
    config.study.judge, config.judges.model.model, config.mesh.tensor = "model", "tiny", 2
    bench = Workbench(from_config_dict(config), progress=False)
    told = r"config\.judges\.model\.model: config\.mesh\.tensor=2 cannot divide an axis of 3"
    with pytest.raises(UserError, match=told):
        preflight(bench, {}, ())
