"""Signals that come at a bad moment."""

import subprocess
import sys

import pytest

# A module that a signal comes to while it is imported, and what goes on behind it.
MODULE = """
import os, signal, sys
os.kill(os.getpid(), signal.{name})
for _ in range(100_000):
    pass
print("imported", flush=True)
"""
CALL = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pinch_jax.hosts.stops import listen
listen()
try:
    import told_while_imported
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped after", "told_while_imported" in sys.modules)
    time.sleep(0.2)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_waits_for_the_end_of_an_import(tmp_path, name):
    (tmp_path / "told_while_imported.py").write_text(MODULE.format(name=name))
    run = subprocess.run(
        ["env", f"--default-signal={name[3:]}", sys.executable, "-c", CALL, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "imported\nstopped after True\n"), run.stderr


def test_a_background_job_leaves_ctrl_c_unheard(tmp_path):
    (tmp_path / "told_while_imported.py").write_text(MODULE.format(name="SIGINT"))
    call = CALL.replace("time.sleep(60)", "print('heard nothing')")
    command = ["env", "--ignore-signal=INT", sys.executable, "-c", call, tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout == "imported\nheard nothing\n", run.stderr


# What Python calls when it collects garbage, an object's end or a callback such as JAX has one.
COLLECTED = """
import gc, os, signal, sys, time
from pinch_jax.hosts.stops import listen

def tell():
    os.kill(os.getpid(), signal.{name})
    for _ in range(1000):
        pass

class Told:
    def __del__(self):
        tell()

def collecting(phase, info):
    if phase == "start":
        tell()

listen()
try:
    if sys.argv[1] == "object":
        Told()
    else:
        gc.callbacks.append(collecting)
        gc.collect()
        gc.callbacks.clear()
    time.sleep(2)
    print("heard nothing")
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize("where", ["object", "callback"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_while_garbage_is_collected_is_not_lost(name, where):
    command = ["env", f"--default-signal={name[3:]}", sys.executable, "-c"]
    run = subprocess.run(
        [*command, COLLECTED.format(name=name), where], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "stopped\n", "")
