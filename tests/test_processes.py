"""Several processes: they meet or say who is missing, and together they do what one does."""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from side_by_side import Call, free_port, none_left
from small import LLAMA_LIKE, trained

from pinch_jax.errors import UserError
from pinch_jax.hosts.meeting import meet
from pinch_jax.hosts.processes import devices_of_task, start_processes
from pinch_jax.hosts.stops import FAULT, GO_ON
from pinch_jax.model import directory
from pinch_jax.model.directory import open_directory, save_model
from pinch_jax.model.model import DrawnWeights
from pinch_jax.model.source import open_model

ROOT = Path(__file__).parent.parent
CONFIG = """
from ml_collections_configs import tiny

def get_config():
    c = tiny.get_config()
    c.languages = ("en", "fi")
    c.corpus.data_dir = "DATA_DIR"
    c.mixture.examples = 64
    c.mixture.spec = "pinch:25"
    c.model.source = ""
    c.model.tokenizer = "pinch_jax/assets/tiny/tokenizer.model"
    c.model.decoder = dict(
        vocab_size=5120, layers=1, embed_dim=16, heads=2, kv_heads=1, head_dim=8, mlp_dim=16
    )
    c.batch.rows = 2
    c.batch.examples = 2
    c.train.checkpoint_period_steps = 8
    c.evaluate.prompts = 2
    c.evaluate.rows = 4
    c.evaluate.new_tokens = 2
    c.evaluate.loss_prompts = 2
    c.study.experiments = ("monolingual",)
    return c
"""


@pytest.fixture
def address():
    return f"localhost:{free_port()}"


def meet_all(*sides):
    """Returns what becomes of meetings that start some seconds after one another."""

    async def one(wait_seconds, *arguments):
        await asyncio.sleep(wait_seconds)
        await meet(*arguments)

    async def every():
        return await asyncio.gather(*(one(*side) for side in sides), return_exceptions=True)

    return asyncio.run(every())


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


HOSTS = ["localhost", "127.0.0.1", *(["[::1]"] if has_ipv6() else [])]


@pytest.mark.parametrize("host", HOSTS)
def test_processes_meet_in_any_order(host, capfd):
    address = f"{host}:{free_port()}"
    met = meet_all((0, address, 3, 2, 20), (0.5, address, 3, 0, 20), (1, address, 3, 1, 20))
    assert met == [None, None, None]
    said = capfd.readouterr().err
    assert "process 0 of 3 waits for 1, 2; here: 0; 20 s left\n" in said
    assert f"process 1 is here: {socket.gethostname()}:{os.getpid()}\n" in said


def test_all_processes_give_up_with_the_number_of_the_missing_one(address):
    # The first to come has the least patience: as long as process 0 listens it waits for that.
    host, guest, other = meet_all(
        (0.2, address, 4, 0, 3), (0, address, 4, 1, 2), (0, address, 4, 3, 2)
    )
    missing = re.escape(f"process 0 of 4 waits for 2; here: 0, 1 ({socket.gethostname()}:")
    assert isinstance(host, TimeoutError) and re.match(f"gave up: {missing}", str(host))
    for error in (guest, other):
        assert isinstance(error, ValueError)
        assert re.match(f"process 0 at {address} gave up: {missing}", str(error))


def test_a_process_that_cannot_reach_process_0_says_so(address):
    (error,) = meet_all((0, address, 2, 1, 1.5))
    assert isinstance(error, TimeoutError)
    assert re.match(f"gave up: process 1 waits for process 0 at {address}: ", str(error))
    assert not str(error).endswith("not there yet")


def test_strangers_and_doubles_hold_up_nobody(address, capfd):
    port = int(address.split(":")[1])

    async def everyone():
        host = asyncio.create_task(meet(address, 3, 0, 20))
        await asyncio.sleep(0.3)
        _, silent = await asyncio.open_connection("localhost", port)
        for line in (b"GET / HTTP/1.1\r\n\r\n", b"pinch one of 3, x\n", bytes(200_000)):
            _, stranger = await asyncio.open_connection("localhost", port)
            with contextlib.suppress(OSError):
                stranger.write(line)
                await stranger.drain()
            stranger.close()
        gone = asyncio.create_task(meet(address, 3, 1, 20))
        await asyncio.sleep(0.3)
        for processes, process, refusal in (
            (3, 1, "--process=1 is .*; give each its own number"),
            (2, 1, "--process=1 --processes=2 in a run of 3"),
        ):
            with pytest.raises(ValueError, match=f"process 0 at {address} refused: {refusal}"):
                await meet(address, processes, process, 20)
        # A process that is started again takes its own place.
        gone.cancel()
        await asyncio.sleep(0.3)
        assert not host.done()
        await asyncio.gather(host, meet(address, 3, 1, 20), meet(address, 3, 2, 20))
        silent.close()

    asyncio.run(everyone())
    said = capfd.readouterr().err
    assert said.count("process 1 is here") == 2 and said.count("process 1 has gone") == 1


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        (error,) = meet_all((0, address, 2, 0, 5))
    assert isinstance(error, ValueError)
    assert re.match(f"--coordinator={address}: .*in use.*; choose another port", str(error))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((None, 2, None), "--processes=2 .* need --coordinator=HOST:PORT"),
        ((None, None, 1), "--process=1: several processes need --coordinator"),
        (("a:1", 2, None), "--processes=2 --process=None: .* give both"),
        (("a:1", 2, 2), "--processes=2 --process=2: .* 0 <= process < processes"),
        (("nonsense", 2, 0), "--coordinator=nonsense: write HOST:PORT"),
        (("a:70000", 2, 0), "--coordinator=a:70000: write HOST:PORT"),
        (("auto", None, None), "--coordinator=auto: JAX finds no cluster here"),
    ],
)
def test_flags_that_contradict_each_other_are_an_error(flags, message):
    with pytest.raises(ValueError, match=message):
        start_processes(*flags, timeout_seconds=1)


@pytest.mark.parametrize(
    ("told", "gpus", "expected"),
    [
        ({}, "0,1,2,3", None),
        # One task on a node has all that it sees; JAX would give it the first.
        ({"SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_LOCALID": "0"}, "0,1,2,3", None),
        ({"SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_LOCALID": "2"}, "0,1,2,3", [2]),
        ({"SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_LOCALID": "1"}, "4,5,6,7", [2, 3]),
        # --gpus-per-task=1: Slurm has bound one, and its number is 0 whatever the task's.
        ({"SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_LOCALID": "3"}, "0", None),
        ({"SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_LOCALID": "3"}, "", None),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x2),1", "SLURM_NODEID": "2"}, "0,1", None),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}, "0,1", [1]),
    ],
)
def test_a_task_has_the_gpus_that_are_its_own(told, gpus, expected, monkeypatch):
    for name, value in ({"SLURM_LOCALID": "0", "SLURM_NODEID": "0"} | told).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    assert devices_of_task() == expected


def test_gpus_that_cannot_be_shared_out_are_an_error(monkeypatch):
    for name, value in as_slurm(1, 0).items() | {("SLURM_STEP_TASKS_PER_NODE", "2")}:
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_NODEID", "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(UserError, match="2 tasks on this node see 3 GPUs"):
        devices_of_task()


def test_processes_whose_rows_lie_apart_train_as_one_does(address, tmp_path):
    """On a TPU pod the mesh follows the torus: a process's rows are no stretch of the batch.

    Several have a part of a row's tokens each.
    """
    processes = 4
    output, logs = tmp_path / "found", [tmp_path / str(i) for i in range(processes)]
    script = ROOT / "tests/permuted_run.py"
    arguments = [[script, address, processes, i, output] for i in range(processes)]
    run = [Call(a, log, devices=8 // processes) for a, log in zip(arguments, logs, strict=True)]
    with none_left(*run):
        assert [p.wait(120) for p in run] == processes * [0], [log.read_text() for log in logs]
    found = json.loads(output.read_text())
    assert any(rows != list(range(rows[0], rows[-1] + 1)) for rows in found["held"])
    held = [row for rows in found["held"] for row in rows]
    assert set(held) == set(range(8)) and len(held) > 8
    assert found["whole"]
    alone = [values["loss"] for values in trained(None, 3)[0]]
    assert found["losses"] == pytest.approx(alone, rel=1e-5)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A model directory of 92 MB that one process has written, in files of 16 MB."""
    tiny = open_model("tiny")
    decoder = dataclasses.replace(
        LLAMA_LIKE, vocab_size=5120, layers=6, embed_dim=256, heads=8, kv_heads=4, head_dim=32,
        mlp_dim=4096, qkv_bias=False,
    )  # fmt: skip
    model = dataclasses.replace(tiny, decoder=decoder, weights=DrawnWeights(decoder, 0))
    path = tmp_path_factory.mktemp("large") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "MAX_SHARD_BYTES", 16_000_000)
        save_model(path, model, model.weights.load())
    return path


def sharded(processes, address, source, tmp_path, how=lambda process: []):
    """Returns processes that read a model and write it to `target`, and their logs."""
    script, logs = ROOT / "tests/sharded_run.py", [tmp_path / f"log{i}" for i in range(processes)]
    arguments = [[script, address, processes, i, source, tmp_path / "target", tmp_path, *how(i)]
                 for i in range(processes)]  # fmt: skip
    return [Call(a, log) for a, log in zip(arguments, logs, strict=True)], logs


# What the system says of a process' memory.
linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux' /proc")


@linux
def test_a_model_is_written_by_all_and_whole_in_none(address, large, tmp_path):
    """A host that gathered it would grow by all of its bytes, whatever its share."""
    processes = 2
    run, logs = sharded(processes, address, large, tmp_path)
    with none_left(*run):
        assert [p.wait(300) for p in run] == processes * [0], [log.read_text() for log in logs]
    # They have the checksums of all other files, which are checked when the model is opened.
    assert open_directory(tmp_path / "target").decoder == open_directory(large).decoder
    for name in ("checksums.json", "model.safetensors.index.json"):
        assert (tmp_path / "target" / name).read_bytes() == (large / name).read_bytes()
    found = [json.loads((tmp_path / str(i)).read_text()) for i in range(processes)]
    # Norms are on all.
    whole = sum(path.stat().st_size for path in large.glob("*.safetensors"))
    assert sum(told["shards"] for told in found) == pytest.approx(whole, rel=0.01)
    for told in found:
        assert told["read"] == told["shards"] and told["grown"] < 0.7 * whole, (found, whole)


@linux
def test_a_model_whose_writer_dies_is_not_there_and_can_be_written_again(address, large, tmp_path):
    run, _ = sharded(2, address, large, tmp_path, lambda process: ["killed"] * process)
    with none_left(*run) as (first, second):
        assert second.wait(300) == -signal.SIGKILL and first.wait(300) not in (0, None)
    assert not (tmp_path / "target").exists() and (tmp_path / "target.unfinished").exists()
    run, logs = sharded(2, f"localhost:{free_port()}", large, tmp_path)
    with none_left(*run):
        assert [p.wait(300) for p in run] == [0, 0], [log.read_text() for log in logs]
    assert not (tmp_path / "target.unfinished").exists()
    ours, theirs = (d / "checksums.json" for d in (tmp_path / "target", large))
    assert ours.read_bytes() == theirs.read_bytes()


TWO = """
import time
from pinch_jax.hosts.processes import end_processes, start_processes
start_processes("auto", None, None, 60)
import jax
assert jax.process_count() == jax.device_count() == 2
{}
end_processes()
print("ended", flush=True)
"""


def as_slurm(task, port):
    """Returns the environment of a task of a Slurm job, as far as JAX looks at it."""
    return {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(task),
        "SLURM_LOCALID": str(task),
        "JAX_COORDINATOR_PORT": str(port),
    }


def two_tasks(code, logs):
    """Returns the two tasks of such a job, which have begun."""
    port = free_port()
    return [Call(["-c", code], log, **as_slurm(task, port)) for task, log in enumerate(logs)]


def test_a_cluster_says_who_is_who_and_the_first_to_end_waits_for_the_last(tmp_path):
    logs = [tmp_path / "0", tmp_path / "1"]
    code = TWO.format("time.sleep(4 * (1 - jax.process_index())); print('worked', flush=True)")
    with none_left(*two_tasks(code, logs)) as (first, second):
        while "worked" not in logs[1].read_text():
            assert second.poll() is None, logs[1].read_text()
            time.sleep(0.1)
        assert "worked" not in logs[0].read_text() and "ended" not in logs[1].read_text()
        assert first.wait(60) == second.wait(60) == 0
    assert all("ended" in log.read_text() for log in logs)


def test_a_process_that_fails_ends_at_once(tmp_path):
    code = TWO.format("if jax.process_index(): raise SystemExit('a fault')")
    with none_left(*two_tasks(code, [tmp_path / "0", tmp_path / "1"])) as (first, second):
        assert second.wait(60) == 1
        assert first.poll() is None
    assert (tmp_path / "1").read_text().endswith("a fault\n")


def test_a_fault_of_one_of_several_is_told_from_input_that_cannot_be_used(tmp_path):
    code = """
import sys
from pinch_jax import errors, main
def fail():
    raise {error}
main.COMMANDS["train"] = fail, main.COMMANDS["train"][1]
main.main(["pinch", "train", *sys.argv[1:]])
"""
    several = ["--processes=1", "--process=0"]
    for error, flags, expected in (
        ("ValueError('Connection reset by peer')", several, FAULT),
        ("ValueError('Connection reset by peer')", [], 1),
        ("errors.UserError('a field')", several, 1),
    ):
        (tmp_path / "failing.py").write_text(code.format(error=error))
        process = Call([tmp_path / "failing.py", *flags], tmp_path / "log")
        with none_left(process):
            assert process.wait(60) == expected, (tmp_path / "log").read_text()
        assert ("Traceback" in (tmp_path / "log").read_text()) == ("reset" in error)


def test_all_wait_for_the_first_and_hear_of_its_fault(tmp_path):
    """A collective of a CPU has a deadline of 30 s: the others wait in none."""
    logs = [tmp_path / "0", tmp_path / "1"]
    code = TWO.format(
        """
from pinch_jax.hosts import waiting
waiting.SAY_SECONDS = 1
def work():
    if not jax.process_index():
        time.sleep(4)
    return jax.process_index()
assert waiting.primary_first("slow work", work) == jax.process_index()
assert waiting.agreed("what is there", lambda: 7 + jax.process_index()) == 7
if jax.process_index():
    time.sleep(3)
waiting.wait_for_all("a step")
def fail():
    raise ValueError("a file is missing")
try:
    waiting.primary_alone("writing", fail)
except ValueError as error:
    print("heard:", error, flush=True)
"""
    )
    run = two_tasks(code, logs)
    with none_left(*run):
        assert [p.wait(60) for p in run] == [0, 0], [log.read_text() for log in logs]
    first, second = (log.read_text() for log in logs)
    assert re.search(r"process 1 waits for process 0 \(slow work\): \d s so far", second)
    assert re.search(r"process 0 waits for process 1 before a step: \d s so far", first)
    assert "heard: a file is missing\n" in first
    assert "heard: process 0 failed at writing: a file is missing\n" in second


def contents(workdir):
    """Returns what a study came to: everything that does not tell of time or place."""
    kept = ("metrics.jsonl", "model.safetensors", "scores.csv", "findings.json", "mixture.json")
    return {
        str(path.relative_to(workdir)): path.read_bytes()
        for path in workdir.rglob("*")
        if path.is_file() and (path.name in kept or {"responses", "verdicts"} & {*path.parts})
    }


def test_a_study_of_two_processes_stopped_and_resumed_equals_that_of_one(tmp_path):
    """All three build the corpus at once; Ctrl-C comes to one of the two only."""
    config = tmp_path / "config.py"
    config.write_text(CONFIG.replace("DATA_DIR", str(tmp_path / "corpora")))

    def study(workdir):
        return ["study", f"--config={config}", f"--workdir={tmp_path / workdir}"]

    pinch = ["-m", "pinch_jax.main"]

    logs = [tmp_path / "0", tmp_path / "1"]
    join = [f"--coordinator=localhost:{free_port()}", "--processes=2"]
    alone = Call([*pinch, *study("one")], tmp_path / "alone", devices=2)
    both = [Call([*pinch, *study("two"), *join, f"--process={i}"], logs[i]) for i in range(2)]
    with none_left(alone, *both):
        while not list(tmp_path.glob("two/runs/*/checkpoints/[0-9]")):
            assert both[0].poll() is None, logs[0].read_text()
            time.sleep(0.05)
        both[1].send_signal(signal.SIGINT)
        # Schedulers tell all that one has stopped, and tell them again while they save and leave.
        while any(process.poll() is None for process in both):
            for process in both:
                process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert [process.wait(60) for process in both] == [GO_ON, GO_ON]
        stops = [re.findall(r"stopped after step (\d+) of (\d+); run", p.read_text()) for p in logs]
        assert stops[0] == stops[1] and len(stops[0]) == 1
        step, steps = map(int, stops[0][0])
        assert step < steps
        (stopped,) = tmp_path.glob("two/runs/*")
        assert max(int(path.name) for path in (stopped / "checkpoints").iterdir()) == step
        assert len((stopped / "metrics.jsonl").read_text().splitlines()) == step
        assert alone.wait(60) == 0, (tmp_path / "alone").read_text()
    again = subprocess.run(
        [ROOT / "launch/local.sh", "2", *study("two")],
        env=os.environ | {"PINCH": str(Path(sys.executable).with_name("pinch"))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert again.returncode == 0, again.stdout
    assert f"[0] report: {tmp_path}/two/report/index.html" in again.stdout
    ours, theirs = contents(tmp_path / "two"), contents(tmp_path / "one")
    assert sum(name.endswith("model.safetensors") for name in theirs) == 2
    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert ours[name] == theirs[name], name
    losses = [json.loads(line) for line in ours[f"runs/{stopped.name}/metrics.jsonl"].splitlines()]
    assert [line["step"] for line in losses if "loss" in line] == list(range(1, steps + 1))
