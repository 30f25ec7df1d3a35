"""Checkpoints by Orbax: whole states, restored onto whatever mesh the run has now.

Orbax and TensorStore do not notice a changed byte of an array, so that each checkpoint is sealed.
Orbax writes to disks and to gs://; what is kept in s3:// it writes on a disk, which is mirrored.
"""

import contextlib
import tempfile
from pathlib import Path

import jax
import orbax.checkpoint as ocp
from absl import logging

from pinch_jax.devices.mesh import check_finite, replicated
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.hosts.goodput import doing
from pinch_jax.hosts.waiting import WAIT_SECONDS, agreed, is_primary
from pinch_jax.storage.buckets import copy_folder, in_bucket, kvstore
from pinch_jax.storage.files import naming
from pinch_jax.storage.folders import check_sealed, delete_folder, seal, sync_folder
from pinch_jax.train.step import TrainState

# How Orbax calls the state inside of a checkpoint's directory.
ITEM = "default"


def state_shardings(mesh: jax.sharding.Mesh, state: TrainState) -> TrainState:
    """Returns the sharding of every leaf, array or shape: moments lie where parameters do."""
    params, whole = parameter_shardings(mesh, state.params), replicated(mesh)
    structure = jax.tree.structure(state.params)

    def is_params(tree):
        return jax.tree.structure(tree) == structure

    def place(tree):
        return params if is_params(tree) else whole

    return TrainState(whole, params, jax.tree.map(place, state.opt_state, is_leaf=is_params))


class Checkpoints(contextlib.AbstractContextManager):
    """The two newest checkpoints of a run, in one directory: one may be damaged."""

    def __init__(self, directory: Path):
        """Opens a directory; UserError where it is in s3:// and several processes would write."""
        self.directory, self._mirror, self._saving = directory, None, -1
        if kvstore(directory)["driver"] == "s3":
            if jax.process_count() > 1:
                raise UserError(
                    f"{directory}: one process alone can keep checkpoints in s3://, and there are "
                    f"{jax.process_count()}; name a --workdir in gs://, or on a disk that all share"
                )
            self._disk = tempfile.TemporaryDirectory()
            self.directory, self._mirror = Path(self._disk.name), directory
            copy_folder(directory, self.directory)
        # Orbax calls it when all is written, and only then gives the directory its name.
        # The others wait for that: the first reads all that was written, of a pod's model for long.
        sealing = ocp.AsyncOptions(WAIT_SECONDS, post_finalization_callback=self._seal)
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True, async_options=sealing)
        self._manager = ocp.CheckpointManager(self.directory.absolute(), options=options)

    @doing("saving")
    def save(self, state: TrainState) -> None:
        """Writes a state in the background; UserError, and nothing written, if it is not finite."""
        step = int(state.step)
        if not agreed("looking for it", lambda: self._manager.latest_step() == step):
            check_finite(state, f"the state after step {step} is not kept")
            with naming(self.directory):
                self._manager.wait_until_finished()
                self._saving = step
                self._manager.save(step, args=ocp.args.StandardSave(state))

    @doing("saving")
    def restore(self, mesh: jax.sharding.Mesh, like: TrainState) -> TrainState | None:
        """Returns the newest whole state, laid out on this mesh; None where there is none.

        Damaged ones that are newer are named and deleted: the run comes by them again; UserError if
        all are damaged. `like` has arrays or shapes of the state that is wanted.
        """
        if (step := self._newest_whole()) is None:
            return None
        wanted = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
            like,
            state_shardings(mesh, like),
        )
        return self._manager.restore(step, args=ocp.args.StandardRestore(wanted))

    def _seal(self) -> None:
        if not is_primary():
            return
        # In a bucket it has its name before it is whole.
        name = self._saving if in_bucket(self.directory) else f"{self._saving}.*"
        (unfinished,) = self.directory.glob(f"{name}/{ITEM}")
        seal(unfinished)
        sync_folder(unfinished)
        if self._mirror:
            copy_folder(unfinished.parent, self._mirror / str(self._saving))
            here = {path.name.partition(".")[0] for path in self.directory.iterdir()}
            for old in self._mirror.iterdir():
                if old.name not in here:
                    delete_folder(old)

    def _newest_whole(self) -> int | None:
        damaged: dict[int, str] = {}
        # A host may list for a while what was there before, as those of NFS do.
        steps = agreed(f"listing {self.directory}", lambda: sorted(self._manager.all_steps()))
        for step in reversed(steps):
            if fault := self._fault(step):
                damaged[step] = fault
                continue
            for newer, why in damaged.items():
                logging.warning("%s; that was deleted, the run goes on from step %d", why, step)
                self._manager.delete(newer)
            return step
        if damaged:
            why = next(iter(damaged.values()))
            raise UserError(f"{why}; delete {self.directory}, and the run begins anew")
        return None

    def _fault(self, step: int) -> str:
        """Returns what is wrong with a checkpoint, "" being nothing; no process differs in that."""
        path = self.directory / str(step)

        def fault():
            try:
                check_sealed(path / ITEM, "this checkpoint cannot be used")
            except ValueError as error:
                return str(error)
            return ""

        return agreed(f"checking {path}", fault)

    @doing("saving")
    def close(self) -> None:
        """Waits for what is being written."""
        with naming(self.directory):
            self._manager.close()
        if self._mirror:
            self._disk.cleanup()

    def __exit__(self, *exception: object) -> None:
        self.close()
