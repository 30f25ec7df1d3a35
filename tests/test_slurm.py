"""launch/slurm.sh on a real Slurm, where one is installed and may be started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PINCH = Path(sys.executable).with_name("pinch")


@pytest.mark.skipif(
    not (shutil.which("slurmctld") and shutil.which("munged")) or os.geteuid() != 0,
    reason="no Slurm, or not root",
)
def test_a_slurm_job_of_one_and_two_tasks_ends_and_one_that_is_stopped_is_queued_again():
    script = Path(__file__).with_name("slurm.sh")
    environment = os.environ | {"PINCH": str(PINCH)}
    run = subprocess.run([script], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
