"""Our side of gpu.py. It imports the model, the train step and decoding, and nothing else."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import sides
from gpu_inputs import Case, draw_all
from our_optimizer import OPTIMIZER

from pinch_jax.devices.mesh import (
    MeshConfig,
    batch_sharding,
    jit_on,
    make_mesh,
    path_name,
    replicated,
)
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.evaluate.decode import make_decode
from pinch_jax.model.attention import Seen, attend, choose, einsum
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.layout import places
from pinch_jax.model.loading import load_params, tensor_names
from pinch_jax.model.stacks import listed
from pinch_jax.train.step import init_state, make_train_step

DTYPE = jnp.bfloat16
MANY_STEPS = 1000


def hello() -> dict:
    """Returns what JAX finds."""
    device = jax.devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit", 0)
    return {"device": device.device_kind, "platform": device.platform, "limit_gib": limit / 2**30}


def peak_gib() -> float:
    """Returns the device's memory at its peak, since the process began; on a CPU, the process's."""
    stats = jax.devices()[0].memory_stats()
    return stats["peak_bytes_in_use"] / 2**30 if stats else sides.peak_gib()


def one_device() -> jax.sharding.Mesh:
    """Returns a mesh of the first device, whatever others there are."""
    return make_mesh(MeshConfig(), jax.devices()[:1])


class Drawn:
    """The tensors of a model from nothing, as if they were in a file."""

    path, places = "a model from nothing", staticmethod(places)

    def __init__(self, decoder):
        where, leaves = (
            places(decoder),
            jax.tree_util.tree_leaves_with_path(abstract_params(decoder)),
        )
        self.shapes = {}
        for path, leaf in leaves:
            self.shapes |= tensor_names(where[path_name(path)], leaf.shape)
        self.dtypes = dict.fromkeys(self.shapes, np.dtype(np.float32))
        self._held = draw_all(self.shapes)

    def read(self, name, index):
        return self._held[name][index]


def parameters(decoder, mesh, dtype):
    """Returns drawn parameters on the device."""
    shardings = parameter_shardings(mesh, abstract_params(decoder))
    return load_params(Drawn(decoder), decoder, dtype, shardings)


def train(case: Case):
    """Returns (check, run): losses and gradient norms of two steps; steps of full fine-tuning."""
    mesh = one_device()
    shard = Shard(mesh, case.way)
    step = make_train_step(case.decoder, OPTIMIZER, dtype=DTYPE, shard=shard)
    step = jit_on(mesh, step, donate_argnums=0)
    batch = jax.device_put(case.batch(), batch_sharding(mesh))
    state = init_state(OPTIMIZER, parameters(case.decoder, mesh, np.float32))

    def run(calls=case.calls):
        nonlocal state
        for _ in range(calls):
            state, metrics = step(state, batch, MANY_STEPS)
        return [float(metrics["loss"]), float(metrics["gradient_norm"])]

    name, why_not = choose(shard, case.width, case.width, DTYPE)
    return {"steps": [run(1), run(1)], "attention": name, "why": why_not}, run


def decode(case: Case):
    """Returns (check, run): greedy answers, none of which ends early."""
    mesh = one_device()
    shard = Shard(mesh, case.way)
    program = make_decode(case.decoder, case.new, stop_ids=(), pad_id=0, shard=shard)
    program = jit_on(mesh, program)
    told = case.prompts(), np.zeros(case.rows, np.int32), np.zeros((case.rows, 2), np.uint32)
    params, told = listed(case.decoder, parameters(case.decoder, mesh, DTYPE)), jax.device_put(told)

    def run():
        return [np.asarray(program(params, *told)) for _ in range(case.calls)][-1]

    return {"ids": run().tolist()}, run


def attention(case: Case):
    """Returns (check, run): errors against the reference; values and gradients of one layer."""
    mesh, model = one_device(), case.decoder
    shard = Shard(mesh, case.way)
    segments, index = case.batch().segments, np.arange(case.width, dtype=np.int32)
    begins = segments != np.pad(segments, ((0, 0), (1, 0)))[:, :-1]
    first = np.maximum.accumulate(np.where(begins, index, 0), axis=1)
    seen = Seen(first, index, np.array(not model.window))
    # Rounded first, so that the reference is given the very same numbers.
    told = tuple(np.asarray(jnp.asarray(x, DTYPE)) for x in case.projections())

    def both(function, told, seen):
        out, pull = jax.vjp(lambda *qkv: function(*qkv, seen), *told[:3])
        return out, *pull(told[3])

    if not Path(case.reference).exists():
        # On the CPU, where float32 is float32, and which takes nothing of the GPU's memory.
        with jax.default_device(jax.devices("cpu")[0]):
            program = jax.jit(functools.partial(both, functools.partial(einsum, model)))
            np.savez(case.reference, *program([x.astype(np.float32) for x in told], seen))
    program = functools.partial(both, lambda *x: attend(model, *x, shard))
    program = jit_on(mesh, program)
    told, seen = jax.device_put((told, seen), replicated(mesh))

    def run():
        for _ in range(case.calls):
            found = program(told, seen)
        return jax.block_until_ready(found)

    found = [np.asarray(x, np.float32) for x in run()]
    name, why_not = choose(shard, case.width, case.width, DTYPE)
    return {"errors": case.errors(found), "attention": name, "why": why_not}, run


def prepare(case: Case):
    """Returns (check, run) of a case."""
    return {"attention": attention, "train": train, "decode": decode}[case.kind](case)
