"""The scripts of launch/: real bash, on stand-ins for `pinch` and `gcloud`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parent.parent / "launch"

# What it does is its first argument; what it is, its last: --process=N. Each says by a file in the
# directory of the second argument that it is ready for signals.
PINCH = f"""#!{sys.executable}
import pathlib, signal, sys, time
number = int(sys.argv[-1].removeprefix("--process="))
print("arguments", sys.argv[1:-1], flush=True)

def leave(*_):
    print("leaving", flush=True)
    time.sleep(0.5 + number)
    print("left", flush=True)
    sys.exit(3)

if sys.argv[1] == "end":
    sys.stderr.write("\\r 1/2\\r 2/2\\nno newline")
    sys.exit()
signal.signal(signal.SIGINT, leave)
if sys.argv[1] == "fail":
    signal.signal(signal.SIGTERM, leave if number == 0 else signal.SIG_IGN)
pathlib.Path(sys.argv[2], str(number)).touch()
while not (sys.argv[1] == "fail" and number == 1 and pathlib.Path(sys.argv[2], "go").exists()):
    time.sleep(0.05)
sys.exit(7)
"""


@pytest.fixture
def local(tmp_path):
    """Starts local.sh with a stand-in for `pinch`."""
    pinch = tmp_path / "pinch"
    pinch.write_text(PINCH)
    pinch.chmod(0o755)

    started = []

    def start(*arguments):
        process = subprocess.Popen(
            # A background shell ignores SIGINT, and bash cannot trap what was ignored.
            ["env", "--default-signal=INT", LAUNCH / "local.sh", *map(str, arguments)],
            env=os.environ | {"PINCH": str(pinch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            while process.poll() is None:
                process.terminate()
                time.sleep(0.2)


def told(process, code):
    """Returns what a script says until it ends, with this exit code."""
    output = process.communicate(timeout=30)[0]
    assert process.returncode == code, output
    return output


def test_local_starts_n_processes_and_numbers_their_lines(local):
    process = local(3, "end", "--name=a  b")
    lines = told(process, 0).splitlines()
    for number in range(3):
        mine = [line.split("] ", 1)[1] for line in lines if line.startswith(f"[{number}]")]
        assert re.fullmatch(
            r"arguments \['end', '--name=a  b', '--coordinator=localhost:\d+', '--processes=3'\]",
            mine[0],
        )
        assert mine[1:] == [" 1/2", " 2/2", "no newline"]
    assert len({line.split("] ", 1)[1] for line in lines if "arguments" in line}) == 1


def await_ready(directory, count):
    while not all((directory / str(number)).exists() for number in range(count)):
        time.sleep(0.05)


def test_local_ends_all_when_one_fails(local, tmp_path):
    process = local(3, "fail", tmp_path)
    await_ready(tmp_path, 3)
    (tmp_path / "go").touch()
    output = told(process, 7)
    assert "process 1 ended with exit code 7; ending all" in output
    # Process 2 ignores that it should end, and is killed.
    assert "[0] left\n" in output


def test_local_passes_ctrl_c_on_and_waits_for_all_to_save(local, tmp_path):
    process = local(2, "wait", tmp_path)
    await_ready(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    output = told(process, 3)
    for number in range(2):
        assert output.count(f"[{number}] leaving\n") == output.count(f"[{number}] left\n") == 1


def test_local_kills_all_at_a_second_ctrl_c(local, tmp_path):
    process = local(2, "wait", tmp_path)
    await_ready(tmp_path, 2)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert "left" not in told(process, 128 + signal.SIGKILL)


@pytest.mark.parametrize("arguments", [("x", "train"), ("0", "train"), ("2",)])
def test_local_says_what_is_wrong_with_its_arguments(local, arguments):
    assert "see --help" in told(local(*arguments), 2)


# The tools of a worker that are not those of this machine. Its `pinch` works until it is told to
# finish, with which exit code; each of its starts is told once.
TOOLS = {
    "hostname": "echo t1v-n-0123abcd-w-${HOME##*-}",
    "uv": """
        echo "$@" >>$HOME/uv
        if [ "$1" = pip ]; then cp $HOME/bin/job .venv/bin/pinch; else mkdir -p .venv/bin; fi""",
    "job": """
        echo start >>$HOME/starts
        echo "working:$(printf ' <%s>' "$@")"
        until mv $HOME/finish $HOME/finished 2>/dev/null; do sleep 0.05; done
        exit $(cat $HOME/finished)""",
}


class Cloud:
    """A project on Google Cloud whose slices have two workers, and a checkout to launch from."""

    def __init__(self, directory):
        self.directory = directory
        self.workers = [directory / f"worker-{number}" for number in range(2)]
        for home in self.workers:
            for name, text in TOOLS.items():
                self._tool(home / "bin" / name, text)
        gcloud = Path(__file__).with_name("fake_gcloud.py")
        self._tool(directory / "bin" / "gcloud", f'exec {sys.executable} {gcloud} "$@"')
        self.checkout = directory / "checkout"
        shutil.copytree(LAUNCH, self.checkout / "launch")
        for command in ("init -q", "add .", "commit -q -m all"):
            self.git(*command.split())
        self.commit = self.git("rev-parse", "HEAD")
        self.started = []

    def _tool(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def git(self, *arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", *identity, *arguments]
        return subprocess.check_output(command, cwd=self.checkout, text=True).strip()

    def futures(self, *states_of_each_request):
        (self.directory / "futures.json").write_text(json.dumps(states_of_each_request))

    def launch(self, *arguments, **environment):
        """Starts tpu_pod.sh, in a group of its own."""
        settings = {
            "NAME": "pinch",
            "ZONE": "us-east5-a",
            "ACCELERATOR_TYPE": "v5p-16",
            "RUNTIME_VERSION": "v2-alpha-tpuv5",
            "POLL_SECONDS": "0.05",
            "CLOUD": str(self.directory),
            "PATH": f"{self.directory}/bin:{os.environ['PATH']}",
        }
        process = subprocess.Popen(
            [self.checkout / "launch/tpu_pod.sh", *arguments],
            env=os.environ | settings | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def calls(self, verb):
        lines = (self.directory / "calls.jsonl").read_text().splitlines()
        return [call for call in map(json.loads, lines) if call["verb"] == verb]

    def starts(self):
        """Returns how often the job was started on each worker."""
        files = [home / "starts" for home in self.workers]
        return [len(f.read_text().split()) if f.exists() else 0 for f in files]

    def await_starts(self, *wanted):
        deadline = time.monotonic() + 30
        while self.starts() != list(wanted):
            assert time.monotonic() < deadline, self.starts()
            time.sleep(0.05)

    def finish(self, *codes):
        for home, code in zip(self.workers, codes, strict=True):
            (home / "finish").write_text(str(code))

    def close(self):
        self.finish(0, 0)
        for process in self.started:
            lose(process)


def lose(process):
    """Ends a launch as a lost connection does: nobody is told."""
    with process:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def cloud(tmp_path):
    cloud = Cloud(tmp_path)
    yield cloud
    cloud.close()


STUDY = ("study", "--config=a b.py", "--workdir=gs://bucket/some/where")


def leave_running(cloud):
    """Starts the study on both workers, and loses the connection to them."""
    cloud.futures(["ACTIVE"])
    process = cloud.launch(*STUDY)
    cloud.await_starts(1, 1)
    lose(process)


def test_a_pod_is_asked_for_awaited_set_up_and_started(cloud):
    cloud.futures(["WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"])
    process = cloud.launch(*STUDY, SPOT="1", PROJECT="mine")
    cloud.await_starts(1, 1)
    cloud.finish(0, 0)
    output = told(process, 0)
    (created,) = cloud.calls("create")
    assert created == {
        "group": "queued-resources", "verb": "create", "name": "pinch", "zone": "us-east5-a",
        "project": "mine", "spot": True, "node_id": "pinch", "accelerator_type": "v5p-16",
        "runtime_version": "v2-alpha-tpuv5",
    }  # fmt: skip
    assert "pinch is WAITING_FOR_RESOURCES" in output and "pinch is PROVISIONING" in output
    for number, home in enumerate(cloud.workers):
        flags = "<--workdir=gs://bucket/some/where> <--coordinator=auto>"
        assert f"[{number}] working: <study> <--config=a b.py> {flags}\n" in output
        assert (home / f"pinch/{cloud.commit}/launch/tpu_pod.sh").exists()
        assert ".[buckets] jax[tpu]" in (home / "uv").read_text()


def test_called_again_it_joins_the_workers_that_are_running(cloud):
    leave_running(cloud)
    second = cloud.launch(*STUDY)
    while len(cloud.calls("ssh")) < 6:
        time.sleep(0.05)
    cloud.finish(0, 4)
    output = told(second, 4)
    assert "it is running" in output
    assert "[0] working: <study>" in output and "[1] working: <study>" in output
    assert cloud.starts() == [1, 1] and len(cloud.calls("create")) == 1
    # What has ended, in whatever way, is started again, and not installed again.
    cloud.finish(0, 0)
    third = cloud.launch(*STUDY)
    assert third.wait(30) == 0
    assert cloud.starts() == [2, 2]
    assert (cloud.workers[0] / "uv").read_text().count("pip install") == 1


def test_a_job_that_lost_a_worker_is_started_anew_on_all(cloud):
    leave_running(cloud)
    os.killpg(int((cloud.workers[1] / "pinch/job/pid").read_text()), signal.SIGKILL)
    second = cloud.launch(*STUDY)
    cloud.await_starts(2, 2)
    cloud.finish(0, 0)
    output = told(second, 0)
    assert "running on some workers only: starting anew on all" in output


@pytest.mark.parametrize("state", ["FAILED", "SUSPENDED"])
def test_a_slice_that_is_lost_is_asked_for_anew(cloud, state):
    cloud.futures(["CREATING", "ACTIVE"])
    (cloud.directory / "request.json").write_text(
        json.dumps({"name": "pinch", "states": ["SUSPENDING", state]})
    )
    cloud.finish(0, 0)
    output = told(cloud.launch(*STUDY), 0)
    assert f"pinch is {state}: deleting it to ask anew" in output
    assert len(cloud.calls("delete")) == len(cloud.calls("create")) == 1


def test_a_job_that_is_told_to_stop_or_loses_its_slice_goes_on(cloud):
    cloud.futures(["ACTIVE"], ["ACTIVE"])
    process = cloud.launch(*STUDY)
    cloud.await_starts(1, 1)
    cloud.finish(75, 75)
    cloud.await_starts(2, 2)
    # Told to stop: the same slice. Then the slice is gone, and with it the connection.
    request = {"name": "pinch", "states": ["SUSPENDING", "SUSPENDED"]}
    (cloud.directory / "gone.json").write_text(json.dumps(request))
    (cloud.directory / "gone.json").rename(cloud.directory / "request.json")
    cloud.finish(255, 255)
    cloud.await_starts(3, 3)
    cloud.finish(0, 0)
    output = told(process, 0)
    assert "it was told to stop: going on" in output
    assert "pinch was taken away: asking for another" in output
    assert len(cloud.calls("create")) == 2 and len(cloud.calls("delete")) == 1


def test_a_request_that_fails_at_once_is_not_repeated(cloud):
    cloud.futures(["PROVISIONING", "FAILED"], ["ACTIVE"])
    output = told(cloud.launch(*STUDY), 2)
    assert "no more capacity" in output and "call again to ask anew" in output
    assert len(cloud.calls("create")) == 1


def test_a_slice_that_does_something_else_is_left_alone(cloud):
    leave_running(cloud)
    output = told(cloud.launch("train", STUDY[-1]), 2)
    assert f"pinch is busy:\nrunning {cloud.commit} {' '.join(STUDY)}\n" in output
    assert cloud.starts() == [1, 1]


def test_a_pod_is_not_asked_for_when_the_command_is_wrong(cloud):
    for arguments, environment, message in (
        (STUDY, {"ZONE": ""}, "set ZONE"),
        (("study", "--workdir=here"), {}, "give --workdir=gs://BUCKET/PATH"),
    ):
        assert message in told(cloud.launch(*arguments, **environment), 2)
    (cloud.checkout / "launch/slurm.sh").write_text("changed")
    assert "commit your changes first" in told(cloud.launch(*STUDY), 2)
    assert not (cloud.directory / "calls.jsonl").exists()
