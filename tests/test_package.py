"""What is built of this repository holds all that it needs, and says of which commit it is."""

import subprocess
import sys
from pathlib import Path

from pinch_jax.version import commit_label

ROOT = Path(__file__).parent.parent
PACKAGES = ("pinch_jax", "ml_collections_configs")


def test_a_wheel_holds_every_file_of_the_packages_and_its_commit(tmp_path):
    # What the wheel would be zipped of.
    command = [sys.executable, "setup.py", "-q", "build_py", f"--build-lib={tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True)
    held = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    command = ["git", "ls-files", "-co", "--exclude-standard", "--", *PACKAGES]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    ours = {name for name in run.stdout.splitlines() if (ROOT / name).exists()}
    assert held == ours | {"pinch_jax/commit.txt"}
    assert (tmp_path / "pinch_jax/commit.txt").read_text() == commit_label()
