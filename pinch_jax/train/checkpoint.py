"""Checkpoints by Orbax: whole states, restored onto whatever mesh the run has now."""

from pathlib import Path

import jax
import orbax.checkpoint as ocp

from pinch_jax.mesh import parameter_shardings, replicated
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


class Checkpoints:
    """The newest checkpoint of a run, in one directory.

    Attributes:
        directory: where they are kept.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def save(self, state: TrainState) -> None:
        """Writes a state in the background; `close` waits for it.

        Raises:
            ValueError: it has a NaN or an infinity; nothing is written.
        """
        step = int(state.step)
        if self._manager.latest_step() != step:
            check_finite(state, f"the state after step {step} is not kept")
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore(self, mesh: jax.sharding.Mesh, like: TrainState) -> TrainState | None:
        """Returns the newest state, laid out on this mesh; None where there is none.

        `like`: arrays or shapes of the state that is wanted.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        wanted = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
            like,
            state_shardings(mesh, like),
        )
        return self._manager.restore(step, args=ocp.args.StandardRestore(wanted))

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
