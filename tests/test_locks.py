"""One writer: the second says who the first is and waits; one that died holds nothing."""

import errno
import os
import re
import signal
import subprocess
import sys
import time

import made_up_study
import pytest

from pinch_jax.hosts import locks
from pinch_jax.hosts.locks import only_writer
from pinch_jax.study.workdir import results_lock

HOLD = """
import sys, time
from pathlib import Path
from pinch_jax.hosts.locks import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
COUNT = """
import sys, time
from pathlib import Path
from pinch_jax.hosts import locks
from pinch_jax.hosts.locks import only_writer
locks.POLL_SECONDS = 0.001
number = Path(sys.argv[1]).with_name("number")
for _ in range(30):
    with only_writer(Path(sys.argv[1])):
        found = int(number.read_text())
        time.sleep(0.002)
        number.write_text(str(found + 1))
"""


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.01)
    return tmp_path / "folder" / "lock"


def test_the_second_says_who_writes_and_waits_for_its_end(lock, capfd):
    with start(HOLD, lock, 2) as first:
        assert first.stdout.readline() == "held\n"
        asked = time.monotonic()
        with only_writer(lock):
            assert first.wait(10) == 0
        assert time.monotonic() - asked > 1
    said = capfd.readouterr().err
    assert re.search(
        rf"waiting for process {first.pid} on \S+: .*, which writes {lock} since", said
    )
    assert not lock.exists()


def test_a_process_that_died_holds_nothing(lock):
    with start(HOLD, lock, 600) as first:
        assert first.stdout.readline() == "held\n"
        os.kill(first.pid, signal.SIGKILL)
        first.wait(10)
    assert lock.exists()
    with only_writer(lock):
        pass


def test_no_two_are_in_it_at_once_however_often_its_file_is_made_anew(lock):
    lock.parent.mkdir()
    number = lock.with_name("number")
    number.write_text("0")
    several = [start(COUNT, lock) for _ in range(3)]
    assert [process.wait(60) for process in several] == [0, 0, 0]
    assert number.read_text() == "90"
    for process in several:
        process.communicate()


def test_two_that_come_to_the_end_of_a_study_at_once_report_one_after_the_other(tmp_path):
    """Else tables, their checksums and the page may be of two calls with other experiments."""
    made_up_study.write_workdir(tmp_path)
    command = ["-m", "pinch_jax.main", "report", f"--workdir={tmp_path}"]
    with only_writer(results_lock(tmp_path)):
        second = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
        said = next((line for line in second.stderr if "waiting for" in line), "")
        second.kill()
        second.communicate()
    assert f"which writes {tmp_path / 'results.lock'} since" in said


def test_a_disk_without_room_for_the_lock_is_named_and_no_lock_is_left(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(locks.os, "write", no_room)
    lock, told = tmp_path / "answers.jsonl.lock", r"No space left on device: .*answers\.jsonl\.lock"
    with pytest.raises(OSError, match=told), only_writer(lock):
        pytest.fail("the block ran")
    assert not list(tmp_path.iterdir())
