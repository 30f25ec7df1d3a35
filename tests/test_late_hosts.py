"""Checkpoints of processes of which one is late: it lists what was there before, or seals long."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(ROOT)}
CODE = """
import sys, time
from pathlib import Path
import orbax.checkpoint as ocp
from pinch_jax.processes import end_processes, start_processes
start_processes(sys.argv[1], 2, int(sys.argv[2]), 60)
import jax
import jax.numpy as jnp
from small import GEMMA_LIKE, OPTIMIZER, random_params
from pinch_jax.mesh import MeshConfig, make_mesh
from pinch_jax.train import checkpoint
from pinch_jax.train.step import init_state
# What Orbax waits unless told, in seconds; and a first process that reads for longer.
ocp.AsyncOptions.__init__.__defaults__ = (2, *ocp.AsyncOptions.__init__.__defaults__[1:])
seal = checkpoint.seal
checkpoint.seal = lambda folder: (time.sleep(4), seal(folder))
like = init_state(OPTIMIZER, random_params(GEMMA_LIKE))
mesh = make_mesh(MeshConfig())
start = jax.jit(lambda: like, out_shardings=checkpoint.state_shardings(mesh, like))()
with checkpoint.Checkpoints(Path(sys.argv[3])) as checkpoints:
    for step in (1, 2):
        checkpoints.save(start._replace(step=start.step + step))
with checkpoint.Checkpoints(Path(sys.argv[3])) as checkpoints:
    if jax.process_index():
        checkpoints._manager.all_steps = lambda: [1]
        checkpoints._manager.latest_step = lambda: 1
    restored = checkpoints.restore(mesh, like)
    print("restored", int(restored.step))
    checkpoints.save(restored)
end_processes()
"""


def test_a_host_that_lists_less_restores_what_the_first_does_and_a_long_seal_is_awaited(tmp_path):
    with socket.create_server(("", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
    call = [sys.executable, "-c", CODE, address]
    run = [
        subprocess.Popen(
            [*call, str(process), tmp_path / "checkpoints"],
            env=os.environ | ENVIRONMENT,
            cwd=ROOT / "tests",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]
    try:
        told = [process.communicate(timeout=150) for process in run]
    finally:
        for process in run:
            process.kill()
    assert [process.returncode for process in run] == [0, 0], told
    assert ["restored 2" in said for said, _ in told] == [True, True], told
