"""Each attention gives the einsum's values and gradients, or is not used, and says why."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from jax.extend.core import jaxprs_in_params
from jax.interpreters.partial_eval import dce_jaxpr

from pinch_jax.data.batches import Batch
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard
from pinch_jax.errors import UserError
from pinch_jax.model import attention
from pinch_jax.model.attention import Seen, attend, check_attention, choose
from pinch_jax.model.decoder import abstract_params, forward, no_sharding
from pinch_jax.train.step import summed_loss
from tests.small import EVERY, FAMILIES, GEMMA_LIKE, random_params

# Three blocks of the kernel, and segments that neither begin nor end where blocks do.
TOKENS, BLOCK = 384, 128
LENGTHS = ((100, 200, 84), (384,), (1, 127, 130, 126), (250, 134))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", BLOCK)


def segments():
    return jnp.array([np.repeat(np.arange(1, len(n) + 1), n) for n in LENGTHS], jnp.int32)


def seen_by(is_global=True):
    first = [np.repeat(np.cumsum((0, *n[:-1])), n) for n in LENGTHS]
    return Seen(jnp.array(first, jnp.int32), jnp.arange(TOKENS), jnp.array(is_global))


def projections(heads, kv_heads):
    keys = jax.random.split(jax.random.key(0), 3)
    return tuple(
        2 * jax.random.normal(key, (len(LENGTHS), TOKENS, n, 8))
        for key, n in zip(keys, (heads, kv_heads, kv_heads), strict=True)
    )


def config_of(heads, kv_heads, window=0, cap=0.0):
    pattern = 3 if window else 1
    fields = {"heads": heads, "kv_heads": kv_heads, "window": window, "attention_softcap": cap}
    return dataclasses.replace(GEMMA_LIKE, **fields, window_pattern=pattern)


def on_devices(attention_name, *axes):
    mesh = make_mesh(MeshConfig(*axes), jax.devices()[: int(np.prod(axes))])
    return Shard(mesh, attention_name)


@functools.partial(jax.jit, static_argnums=(0, 3))
def values_and_gradients(config, qkv, seen, shard):
    """What attention returns, and the gradients of a sum in which no two terms weigh the same."""

    def weighed(qkv):
        out = attend(config, *qkv, seen, shard)
        return jnp.vdot(out, jnp.sin(jnp.arange(out.size)).reshape(out.shape)), out

    (_, out), gradients = jax.value_and_grad(weighed, has_aux=True)(qkv)
    return out, gradients


def assert_close(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), ours, theirs)


WINDOWED = config_of(4, 2, window=150, cap=3.0)
CASES = {
    "no window, one key head": (config_of(4, 1), True),
    "window": (WINDOWED, False),
    "global beside windows": (WINDOWED, True),
}


# Windows are compared where a mesh is.
@pytest.mark.parametrize("case", [case for case in CASES if case != "window"])
def test_splash_attention_gives_the_values_and_gradients_of_the_einsum(case):
    config, is_global = CASES[case]
    qkv, seen = projections(config.heads, config.kv_heads), seen_by(is_global)
    reference = values_and_gradients(config, qkv, seen, no_sharding)
    assert_close(values_and_gradients(config, qkv, seen, on_devices("splash", 1)), reference)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", CASES)
def test_tokamax_is_asked_for_what_the_einsum_computes(case, monkeypatch):
    """Its kernel for GPUs does not run here: its own reference stands in that place."""
    api = pytest.importorskip("tokamax._src.ops.attention.api")
    flags.FLAGS(["pinch"])  # which tokamax reads
    reference = api.IMPLEMENTATIONS["xla"].replace(vjp=api.base.DotProductAttentionVjp())
    monkeypatch.setattr(api, "IMPLEMENTATIONS", {"mosaic_gpu": reference})
    monkeypatch.setattr(attention, "_not_tokamax", lambda device, dtype: "")
    config, is_global = CASES[case]
    qkv, seen = projections(config.heads, config.kv_heads), seen_by(is_global)
    reference = values_and_gradients(config, qkv, seen, no_sharding)
    shard = on_devices("tokamax", 1, 1, 2, 3)
    assert_close(values_and_gradients(config, qkv, seen, shard), reference)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "axes", "window"),
    [
        (4, 2, (2, 2, 2), 150),
        # More devices than heads of keys.
        (8, 2, (2, 1, 4), 150),
        # Rows that three devices share, by heads and, where there are few, by parts.
        (6, 2, (1, 1, 2, 3), 0),
        (2, 1, (1, 1, 1, 3), 150),
    ],
)
@pytest.mark.parametrize("name", ["splash", "einsum"])
def test_a_mesh_attends_as_one_device_does(name, heads, kv_heads, axes, window):
    config = config_of(heads, kv_heads, window, cap=3.0)
    qkv, seen = projections(heads, kv_heads), seen_by(not window)
    reference = values_and_gradients(config, qkv, seen, no_sharding)
    shard = on_devices(name, *axes)
    assert choose(shard, TOKENS, TOKENS, jnp.float32)[0] == name
    assert_close(values_and_gradients(config, qkv, seen, shard), reference)


@pytest.mark.parametrize("family", [*FAMILIES, "gemma4"])
@pytest.mark.parametrize("name", ["einsum", "splash"])
def test_packed_equals_unpacked_under_every_attention(family, name):
    config = EVERY[family]
    shard = on_devices(name, 1)
    run = jax.jit(lambda *rows: forward(config, random_params(config), *rows, shard))
    lengths = LENGTHS[2]
    tokens = jax.random.randint(jax.random.key(1), (1, TOKENS), 0, config.vocab_size)
    places = np.concatenate([np.arange(n) for n in lengths])
    packed = run(tokens, jnp.array(places)[None], segments()[2:3])
    for start, length in zip(np.cumsum((0, *lengths[:-1])), lengths, strict=True):
        alone = jnp.roll(tokens, -start, axis=1)
        index = jnp.arange(TOKENS)[None]
        unpacked = run(alone, index, (index < length).astype(jnp.int32))
        assert_close(packed[:, start : start + length], unpacked[:, :length])


def equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for sub in jaxprs_in_params(equation.params):
            yield from equations(sub)


def traced(name, remat_policy="save_projections"):
    """The equations of a loss' gradient in packed rows, those of kernels too."""
    shard = on_devices(name, 2, 2, 2)
    long, few = (jnp.zeros((4, n), jnp.int32) for n in (TOKENS, 9))
    batch = Batch(long, long, long, few, few, few.astype(jnp.float32))
    loss = functools.partial(summed_loss, GEMMA_LIKE, jnp.float32, shard)
    gradient = jax.grad(lambda params: loss(params, batch, remat_policy))
    jaxpr = jax.make_jaxpr(gradient)(abstract_params(GEMMA_LIKE)).jaxpr
    # Tracing leaves what nothing uses; a compiler does not.
    used, _ = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return list(equations(used))


@pytest.mark.parametrize(("name", "made"), [("einsum", True), ("splash", False)])
def test_no_array_has_all_pairs_of_positions_where_a_kernel_runs(name, made):
    shapes = {v.aval.shape for e in traced(name) for v in e.outvars if hasattr(v.aval, "shape")}
    assert any(shape.count(TOKENS) > 1 for shape in shapes) == made


def test_the_kernel_runs_again_only_where_nothing_is_saved():
    """One forward and two backward kernels, with the window and without it."""
    count = {
        policy: sum(e.primitive.name == "pallas_call" for e in traced("splash", policy))
        for policy in ("save_everything", "save_projections", "save_nothing")
    }
    assert count == {"save_everything": 6, "save_projections": 6, "save_nothing": 8}


@pytest.mark.parametrize("head_dim", [64, 128, 256])
def test_splash_attention_lowers_for_a_tpu_with_its_gradient(head_dim):
    q, k = (jax.ShapeDtypeStruct((1, TOKENS, n, head_dim), jnp.bfloat16) for n in (4, 2))
    seen = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), seen_by())
    seen = seen._replace(first=jax.ShapeDtypeStruct((1, TOKENS), jnp.int32))

    def total(q, k, v, seen):
        return attention.splash(WINDOWED, q, k, v, seen).astype(jnp.float32).sum()

    step = jax.jit(jax.grad(total, argnums=(0, 1, 2))).trace(q, k, k, seen)
    assert "tpu_custom_call" in step.lower(lowering_platforms=("tpu",)).as_text()


def test_an_attention_that_would_be_wrong_is_not_used_and_a_reason_is_given():
    splash, tokamax = on_devices("splash", 1), on_devices("tokamax", 1)
    half = jnp.dtype(jnp.bfloat16)
    assert choose(splash, 256, 256, half) == ("splash", "")
    assert choose(on_devices("auto", 1), 256, 256, half) == ("einsum", "")
    assert choose(no_sharding, 256, 256, half) == ("einsum", "")
    assert choose(splash, 1, 256, half) == ("einsum", "keys come from a cache")
    assert choose(splash, 200, 200, half)[1] == "rows of 200 tokens are no multiple of 128"
    assert "not for cpu" in choose(tokamax, 256, 256, half)[1]
    check_attention(splash, 256, "bfloat16")
    with pytest.raises(
        UserError, match=r"config\.mesh\.attention='splash' cannot run: rows of 200"
    ):
        check_attention(splash, 200, "bfloat16")
