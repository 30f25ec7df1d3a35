"""Checkpoints by Orbax: whole states, restored onto whatever mesh the run has now.

Orbax and TensorStore do not notice a changed byte of an array, so each checkpoint holds sums of all
bits beside the state: made on the devices, the same on every mesh, and there at the same moment.
"""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from absl import logging

from pinch_jax.mesh import any_process, parameter_shardings, path_name, replicated
from pinch_jax.model.finite import check_finite
from pinch_jax.train.step import TrainState


def state_shardings(mesh: jax.sharding.Mesh, state: TrainState) -> TrainState:
    """Returns the sharding of every leaf: moments lie where their parameters do.

    `state` may be arrays or shapes.
    """
    params = parameter_shardings(mesh, state.params)
    whole = replicated(mesh)
    structure = jax.tree.structure(state.params)

    def is_params(tree):
        return jax.tree.structure(tree) == structure

    def place(tree):
        return params if is_params(tree) else jax.tree.map(lambda _: whole, tree)

    return TrainState(whole, params, jax.tree.map(place, state.opt_state, is_leaf=is_params))


@jax.jit
def bit_sums(tree: Any) -> Any:
    """Returns for each array a uint32 that changes when any one of its elements does."""
    return jax.tree.map(_bit_sum, tree)


def _bit_sum(x: jax.Array) -> jax.Array:
    words = jax.lax.bitcast_convert_type(x, jnp.dtype(f"uint{8 * x.dtype.itemsize}"))
    weights = jnp.zeros(x.shape, jnp.uint32)
    for axis in range(x.ndim):
        place = jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis)
        weights += place * (math.prod(x.shape[axis + 1 :]) % 2**32)
    # Odd factors of all words modulo 2^32: no change of a single one is lost.
    return jnp.sum(words.astype(jnp.uint32) * (2 * weights + 1), dtype=jnp.uint32)


def _named_sums(state: TrainState) -> dict[str, int]:
    leaves = jax.tree_util.tree_leaves_with_path(bit_sums(state))
    return {path_name(path): int(total) for path, total in leaves}


class Checkpoints:
    """The two newest checkpoints of a run, in one directory: one may be damaged.

    Attributes:
        directory: where they are kept.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def save(self, state: TrainState) -> None:
        """Writes a state in the background; `close` waits for it.

        Raises:
            ValueError: it has a NaN or an infinity; nothing is written.
        """
        step = int(state.step)
        if self._manager.latest_step() != step:
            check_finite(state, f"the state after step {step} is not kept")
            sums = ocp.args.JsonSave(_named_sums(state))
            both = ocp.args.Composite(state=ocp.args.StandardSave(state), sums=sums)
            self._manager.save(step, args=both)

    def restore(self, mesh: jax.sharding.Mesh, like: TrainState) -> TrainState | None:
        """Returns the newest whole state, laid out on this mesh; None where there is none.

        Damaged ones that are newer are named and deleted: the run comes by them again.
        `like`: arrays or shapes of the state that is wanted.

        Raises:
            ValueError: all are damaged.
        """
        wanted = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
            like,
            state_shardings(mesh, like),
        )
        damaged: dict[int, str] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            state, damaged[step] = self._read(step, wanted)
            if not any_process(bool(damaged[step])):
                del damaged[step]
                self._leave_out(damaged, f"the run goes on from step {step}")
                return state
        if damaged:
            step, why = next(iter(damaged.items()))
            raise ValueError(
                f"{self.directory}: no checkpoint can be read, that of step {step} because of: "
                f"{why}; delete the directory, and the run begins anew"
            )
        return None

    def _read(self, step: int, wanted: TrainState) -> tuple[TrainState | None, str]:
        """Returns a state, and what is wrong with it, "" being nothing."""
        args = {"state": ocp.args.StandardRestore(wanted), "sums": ocp.args.JsonRestore()}
        try:
            held = self._manager.restore(step, args=ocp.args.Composite(**args))
        # Where a file is broken, Orbax and TensorStore raise errors of every kind.
        except Exception as error:
            return None, str(error).partition("\n")[0] or repr(error)
        found = _named_sums(held["state"])
        changed = [name for name in found if found[name] != (held["sums"] or {}).get(name)]
        return held["state"], f"{changed[0]} is not what was saved" if changed else ""

    def _leave_out(self, damaged: dict[int, str], instead: str) -> None:
        for step, why in damaged.items():
            path = self.directory / str(step)
            logging.warning("%s is damaged (%s) and was deleted; %s", path, why, instead)
            self._manager.delete(step)

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
