"""Where the time of a study goes: it adds up, within a call and over calls that were killed."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from pinch_jax.hosts import goodput
from pinch_jax.storage.files import write_record

ROOT = Path(__file__).parent.parent


@pytest.fixture
def clock(monkeypatch):
    """A call that begins now."""
    monkeypatch.setattr(goodput, "BEGAN", time.monotonic())
    clock = goodput._Clock()
    monkeypatch.setattr(goodput, "_clock", clock)
    return clock


def test_each_moment_is_one_activity_and_all_of_them_are_the_time(clock, tmp_path):
    @goodput.doing("waiting")
    def wait():
        time.sleep(0.2)

    began = time.monotonic()
    with goodput.kept(tmp_path), goodput.doing("answering"):
        time.sleep(0.1)
        wait()
        with pytest.raises(KeyError), goodput.doing("saving"):
            raise KeyError
        time.sleep(0.1)
        other = threading.Thread(target=wait)
        other.start()
        other.join()
    calls, seconds = goodput.read_goodput(tmp_path)
    assert calls == 1
    assert sum(seconds.values()) == pytest.approx(time.monotonic() - began, abs=0.1)
    # A thread beside the main one takes no time from it.
    assert 0.4 <= seconds["answering"] < 0.4 + seconds["waiting"] + 0.1
    assert 0.2 <= seconds["waiting"] < 0.39


def test_what_is_compiled_within_a_compilation_counts_once(clock):
    with goodput.doing("training"):
        time.sleep(0.3)
        clock.compiled("/jax/core/compile/backend_compile_duration", 0.1)
        clock.compiled("/jax/core/compile/jaxpr_trace_duration", 0.25)
        clock.compiled("/jax/another/duration", 0.1)
        time.sleep(0.1)
        clock.compiled("/jax/core/compile/backend_compile_duration", 0.05)
    assert clock.seconds["compiling"] == pytest.approx(0.3)
    assert clock.seconds["training"] >= 0.1


def test_jax_tells_of_compilations(clock, tmp_path):
    with goodput.kept(tmp_path):
        jax.jit(lambda x: x * 3 + 1)(jnp.ones(3))
    assert clock.seconds["compiling"] > 0
    assert clock.seconds["preparing"] >= 0


CALL = """
import sys, time
import pinch_jax
print(time.time(), flush=True)
from pathlib import Path
from pinch_jax.hosts import goodput
goodput.SAVE_SECONDS = 0.1
with goodput.kept(Path(sys.argv[1])), goodput.training("a run", lambda steps: None) as hear:
    hear(int(sys.argv[2]))
    for step in range(int(sys.argv[2]), 20):
        time.sleep(0.1)
        hear(1)
        if step == int(sys.argv[3]):
            time.sleep(0.3)
            print("there", flush=True)
            time.sleep(60)
    print(time.time())
"""


def test_time_adds_up_over_calls_that_were_killed_and_lost_steps_are_redone(tmp_path):
    """The first call comes to step 10; the second goes on from step 4, and is killed too."""
    times = []
    for first, last in ((0, 9), (4, 14), (15, 20)):
        command = [sys.executable, "-c", CALL, tmp_path, str(first), str(last)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            times.append(float(process.stdout.readline()))
            if last < 20:
                assert process.stdout.readline() == "there\n"
                process.send_signal(signal.SIGKILL)
            else:
                times.append(float(process.stdout.readline()))
    calls, seconds = goodput.read_goodput(tmp_path)
    assert calls == 3
    assert sum(seconds.values()) == pytest.approx(times[-1] - times[0], abs=1)
    # Steps 5 to 9, the tenth of which brings it level.
    assert 0.5 <= seconds["redoing"] < seconds["training"]
    assert seconds["training"] >= 2 and seconds["stopped"] > 0
    table = goodput.goodput_table(tmp_path)
    assert table["goodput"].endswith("in 3 calls")


def test_calls_at_once_are_not_stopped_between_them(tmp_path):
    (tmp_path / goodput.FOLDER).mkdir()
    for number, (started, training) in enumerate(((100.0, 50.0), (120.0, 10.0), (160.0, 5.0))):
        record = {"started": started, "seconds": {"training": training}, "steps": {}}
        write_record(tmp_path / goodput.FOLDER / f"{number}.json", record)
    _, seconds = goodput.read_goodput(tmp_path)
    assert seconds["stopped"] == 10.0
    assert sum(seconds.values()) == 75.0


def test_a_study_that_came_to_its_page_was_not_stopped_until_it_is_given_more(tmp_path):
    (tmp_path / goodput.FOLDER).mkdir()
    whole = {"training": 50.0, "reporting": 5.0}
    for number, (started, seconds) in enumerate(((100.0, whole), (9000.0, {"training": 10.0}))):
        record = {"started": started, "seconds": seconds, "steps": {}}
        write_record(tmp_path / goodput.FOLDER / f"{number}.json", record)
    assert goodput.read_goodput(tmp_path)[1]["stopped"] == 0.0
    write_record(tmp_path / goodput.FOLDER / "2.json", record | {"started": 9090.0})
    assert goodput.read_goodput(tmp_path)[1]["stopped"] == 80.0
