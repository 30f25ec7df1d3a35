"""Processes of this Python that run beside each other, to their ends."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(ROOT)}


def free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def ended(*calls):
    """Returns the exit codes and the outputs of calls of this Python, made at once."""
    run = [
        subprocess.Popen(
            [sys.executable, *map(str, call)],
            env=os.environ | ENVIRONMENT,
            cwd=ROOT / "tests",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for call in calls
    ]
    try:
        told = [process.communicate(timeout=150)[0] for process in run]
    finally:
        for process in run:
            process.kill()
    return [process.returncode for process in run], told
