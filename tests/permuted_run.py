"""One process of a small run whose mesh has the devices in a drawn order, as on a torus.

python tests/permuted_run.py ADDRESS PROCESSES PROCESS OUTPUT: process 0 writes the rows that each
process holds, whether the batch arrived whole, and the losses.
"""

import functools
import json
import sys
from pathlib import Path

import numpy as np

from pinch_jax.hosts.processes import end_processes, start_processes


def main(address: str, processes: int, process: int, output: Path) -> None:
    """Joins the others and trains three steps with them."""
    start_processes(address, processes, process, 60)
    import jax
    from jax.experimental.multihost_utils import process_allgather
    from small import FAMILIES, random_params, random_plan, trainer

    from pinch_jax.devices.mesh import MeshConfig, local_rows, put_batch
    from pinch_jax.train.feed import feed

    order = np.random.default_rng(processes).permutation(jax.device_count())
    t = trainer(MeshConfig(-1, 2, context=processes // 2), 1, tuple(np.array(jax.devices())[order]))
    plan = random_plan()
    rows = plan.shape.rows
    held = [local_rows(t.mesh, rows, p).tolist() for p in range(processes)]
    state, losses, whole = t.start(random_params(FAMILIES["gemma"])), [], True
    for step, batch in enumerate(feed(plan, functools.partial(local_rows, t.mesh), 0)):
        if step == 3:
            break
        placed = put_batch(t.mesh, rows, batch)
        expected = plan.batch_at(step)
        arrived = process_allgather(placed, tiled=True)
        whole &= all(np.array_equal(a, b) for a, b in zip(arrived, expected, strict=True))
        state, values = t.step(state, placed, plan.steps)
        losses.append(float(values["loss"]))
    if process == 0:
        output.write_text(json.dumps({"held": held, "whole": whole, "losses": losses}))
    end_processes()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
