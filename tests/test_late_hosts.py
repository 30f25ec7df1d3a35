"""Processes whose hosts differ: in what they list, how long they take, and what they begin with."""

import re

from side_by_side import ended, free_port

CODE = """
import sys, time
from pathlib import Path
import orbax.checkpoint as ocp
from pinch_jax.hosts.processes import end_processes, start_processes
start_processes(sys.argv[1], 2, int(sys.argv[2]), 60)
import jax
import jax.numpy as jnp
from small import GEMMA_LIKE, OPTIMIZER, random_params
from pinch_jax.devices.mesh import MeshConfig, make_mesh
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
    path, where = tmp_path / "checkpoints", f"localhost:{free_port()}"
    codes, told = ended(*(["-c", CODE, where, process, path] for process in range(2)))
    assert codes == [0, 0], told
    assert ["restored 2" in said for said in told] == [True, True], told


def test_hosts_that_have_other_weights_or_examples_under_one_name_are_told_apart(tmp_path):
    """They would train one model of both: each its own rows, on its own weights."""
    call = ["-m", "pinch_jax.main", "train", "--config=tiny", f"--workdir={tmp_path / 'w'}"]
    call += [f"--config.corpus.data_dir={tmp_path / 'data'}"]
    call += ["--config.languages=('en', 'fi')", "--config.mixture.spec=pinch:25"]
    call += [
        "--config.mixture.examples=8",
        f"--coordinator=localhost:{free_port()}",
        "--processes=2",
    ]
    hosts = [], ["--config.model.dtype=bfloat16"]
    codes, told = ended(*([*call, f"--process={i}", *other] for i, other in enumerate(hosts)))
    assert codes == [1, 1], told
    for said in told:
        assert re.search("the fingerprint of 'pinch:25' of process 1 is [0-9a-f]{64}, and", said)
    assert not (tmp_path / "w").exists()


OTHER_FIELDS = """
import sys
from pinch_jax.hosts.processes import end_processes, start_processes
start_processes(sys.argv[1], 2, int(sys.argv[2]), 60)
import jax
from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.study.run import check_runs_alike
c = tiny.get_config()
c.corpus.data_dir = f"/disk{jax.process_index()}"
check_runs_alike(from_config_dict(c), [])
c.evaluate.period_steps += jax.process_index()
try:
    check_runs_alike(from_config_dict(c), [])
except UserError as error:
    print("refused:", error)
end_processes()
"""


def test_processes_of_other_flags_are_refused_before_they_hang_or_sum_what_does_not_belong(
    tmp_path,
):
    where = f"localhost:{free_port()}"
    codes, told = ended(*(["-c", OTHER_FIELDS, where, process] for process in range(2)))
    assert codes == [0, 0], told
    for said in told:
        assert "refused: config.evaluate.period_steps of process 1 is 51, and that of" in said
    call = ["-m", "pinch_jax.main", "study", "--config=tiny", f"--workdir={tmp_path / 'w'}"]
    call += [f"--coordinator=localhost:{free_port()}", "--processes=2"]
    codes, told = ended(*([*call, f"--process={i}", f"--shard={i}/2"] for i in range(2)))
    assert codes == [1, 1], told
    for said in told:
        assert "pinch study: --shard of process 1 is 1/2, and that of process 0 0/2; give" in said
