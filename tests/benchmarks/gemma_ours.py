"""Our side of gemma.py."""

import dataclasses
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from gemma_inputs import NEW_TOKENS, TRIMMED_ROWS, Case
from our_optimizer import OPTIMIZER
from sides import Turns

from pinch_jax.data.batches import Batch
from pinch_jax.devices.host_memory import listed_layers
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.evaluate.decode import make_decode
from pinch_jax.evaluate.score import make_score
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.loading import TrimmedTensors, load_params
from pinch_jax.model.source import locate, open_tensors
from pinch_jax.train.step import init_state, make_train_step


def load(trimmed: bool):
    """Returns (decoder, parameters), straight from the GGUF file."""
    tensors = open_tensors(locate("gemma3-270m"))
    decoder = tensors.decoder
    if trimmed:
        tensors = TrimmedTensors(tensors, decoder, np.arange(TRIMMED_ROWS))
        decoder = dataclasses.replace(decoder, vocab_size=TRIMMED_ROWS)
    shardings = parameter_shardings(make_mesh(MeshConfig()), abstract_params(decoder))
    return decoder, load_params(tensors, decoder, shardings=shardings)


def train(case: Case, decoder, params):
    """Returns a run: one step of full fine-tuning."""
    ids, supervised = case.ids(), case.supervised
    first = case.width - supervised
    rows = np.ones((case.rows, 1), np.int32)
    batch = Batch(
        tokens=ids,
        segments=np.ones_like(ids),
        positions=rows * np.arange(case.width, dtype=np.int32),
        supervised=rows * np.arange(first - 1, case.width - 1, dtype=np.int32),
        targets=ids[:, first:],
        weights=np.ones((case.rows, supervised), np.float32),
    )
    step = jax.jit(make_train_step(decoder, OPTIMIZER), donate_argnums=0)

    @jax.jit
    def start(params):
        return init_state(OPTIMIZER, jax.tree.map(jnp.copy, params))

    state = start(params)

    def run():
        nonlocal state
        state, metrics = step(state, batch, 1000)
        return float(jax.block_until_ready((state, metrics))[1]["loss"])

    return run


def decode(case: Case, decoder, params):
    """Returns a run: greedy answers, none of which ends early."""
    program = jax.jit(make_decode(decoder, NEW_TOKENS, stop_ids=(), pad_id=0))
    no_keys = np.zeros((case.rows, 2), np.uint32)
    params = params | {"layers": listed_layers(make_mesh(MeshConfig()), params["layers"])}
    arguments = params, case.ids(), np.zeros(case.rows, np.int32), no_keys
    return lambda: np.asarray(program(*arguments)).tolist()


def score(case: Case, decoder, params):
    """Returns a run: the log-probability of each id after the first."""
    program = jax.jit(make_score(decoder))
    arguments = params, case.ids(), np.zeros(case.rows, np.int32)
    return lambda: np.asarray(program(*arguments)).tolist()


def main() -> None:
    """Checks, and takes turns."""
    turns, case = Turns(), Case(**json.loads(sys.argv[1]))
    trimmed = case.way == "trimmed"
    make = {"train": train, "decode": decode, "score": score}[case.kind]
    # The parameters are handed on, so that training can let go of them.
    run = make(case, *load(trimmed))
    first = run()
    if case.kind == "train":
        first = [first] if trimmed else [first, run()]
    turns.ready({"trimmed" if trimmed else "whole": first})
    turns.take(run)


if __name__ == "__main__":
    main()
