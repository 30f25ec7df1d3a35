"""Two real processes, joined by jax.distributed, against one."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINCH = Path(sys.executable).with_name("pinch")
RUN = (
    "train",
    f"--config={ROOT}/ml_collections_configs/tiny.py",
    "--config.languages=('en','fi')",
    "--config.mixture.spec=pinch:50",
    "--config.mixture.examples=45",
    "--config.evaluate.prompts=8",
    "--config.evaluate.rows=8",
    "--config.evaluate.loss_prompts=4",
    "--config.study.experiments=('monolingual',)",
)


def environment(devices):
    own = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return own | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu", "PINCH": str(PINCH)}


def run(command, devices):
    return subprocess.run(
        command, cwd=ROOT, env=environment(devices), capture_output=True, text=True, timeout=300
    )


def files(workdir):
    """Returns what a run leaves, but for its times: {path: bytes}."""
    kept = [
        *workdir.rglob("metrics.jsonl"),
        *workdir.rglob("responses/*"),
        *workdir.rglob("model/*"),
    ]
    return {path.relative_to(workdir): path.read_bytes() for path in kept}


def test_two_processes_do_what_one_does_to_the_bit(tmp_path):
    shared = f"--config.corpus.data_dir={tmp_path}/corpora"
    alone = run([PINCH, *RUN, shared, f"--workdir={tmp_path}/one"], devices=2)
    assert alone.returncode == 0, alone.stderr
    local = ["bash", "launch/local.sh", "2", *RUN, shared, f"--workdir={tmp_path}/two"]
    together = run(local, devices=1)
    assert together.returncode == 0, together.stderr
    assert "process 1 is here" in together.stdout
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert {path.name for path in one} >= {"metrics.jsonl", "weights.safetensors", "fi.jsonl"}
    assert one == two


def test_a_process_that_does_not_come_is_named(tmp_path):
    start = ["--coordinator=localhost:0", "--processes=3", "--process=0"]
    port = run(
        [sys.executable, "-c", "import socket; s = socket.create_server(('', 0)); "
         "print(s.getsockname()[1])"], devices=1
    ).stdout.strip()  # fmt: skip
    start[0] = f"--coordinator=localhost:{port}"
    ended = run(
        [PINCH, *RUN, *start, "--start_timeout_seconds=1", f"--workdir={tmp_path}"], devices=1
    )
    assert ended.returncode == 1
    assert "waits for 1, 2" in ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("pinch train: ") and "1, 2" in last
    assert not (tmp_path / "runs").exists()
