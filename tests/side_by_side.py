"""Calls of this Python that begin with the package imported, which takes seconds.

Each is a process of its own, forked from one that has imported much and computed nothing. What a
call imports, and when, is for tests to ask that start one from nothing.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pinch_jax.commands.studies", "pinch_jax.study.completing", "pinch_jax.report.page"]
)


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


class Call:
    """A process that has begun, with what `subprocess.Popen` has of it.

    `call` is what a command line has behind "python", `devices` what JAX takes a CPU for, and
    `environment` what differs from that of this process. The file `output` has what it says.
    """

    def __init__(self, call, output, devices=1, **environment):
        Path(output).write_text("")
        given = list(map(str, call)), str(output), devices, os.environ | environment
        self._process = FORKS.Process(target=_become, args=given)
        self._process.start()

    @property
    def returncode(self):
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, seconds=None):
        self._process.join(seconds)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, seconds)
        return self.returncode

    def send_signal(self, number):
        # One that has ended may not have been told of yet.
        with contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                os.kill(self._process.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def _become(call, output, devices, environment):
    """Runs a module, code or a file as Python does."""
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    # A shell's background jobs ignore it, and so would what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import jax  # has read the environment of the process that this one is forked from

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", devices)
    how = call[0] if call[0] in ("-m", "-c") else ""
    what, *arguments = call[bool(how) :]
    sys.argv = [how if how == "-c" else what, *arguments]
    code = None
    try:
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        elif how == "-c":
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_path(what, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        code = traceback.format_exc().rstrip()
    # In this order: what runs at the end may end the process. multiprocessing would not run it.
    if isinstance(code, str):
        print(code, file=sys.stderr, flush=True)
        code = 1
    atexit._run_exitfuncs()
    sys.exit(code)


@contextlib.contextmanager
def none_left(*processes):
    """Leaves no process behind, whatever the test found."""
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def ended(*calls):
    """Returns the exit codes and the outputs of calls made at once."""
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / str(number) for number in range(len(calls))]
        run = [Call(call, log) for call, log in zip(calls, logs, strict=True)]
        with none_left(*run):
            return [process.wait(150) for process in run], [log.read_text() for log in logs]
