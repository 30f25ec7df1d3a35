"""Meshes of real TPU topologies, where a libtpu is installed that describes them."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.skipif(not importlib.util.find_spec("libtpu"), reason="no libtpu")
def test_every_shape_of_mesh_can_be_made_of_real_slices():
    command = [sys.executable, TESTS / "tpu_topologies.py", "v5e:4x4", "v6e:8x8", "v5p:4x4x4"]
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}:{os.environ.get('PYTHONPATH', '')}"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
