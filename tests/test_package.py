"""What is built of this repository holds all that it needs, and says of which commit it is."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from pinch_jax.version import commit_label

ROOT = Path(__file__).parent.parent
PACKAGES = ("pinch_jax", "ml_collections_configs")
# What stands in no folder, and below all of them.
LOOSE = ("", "version", "errors", "languages", "config_fields")


def imported_parts(path):
    """Yields the folders and loose modules of the package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            of = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for package, _, within in ((of + alias.name).partition(".") for alias in node.names):
                if package == "pinch_jax":
                    yield within.partition(".")[0] if within != "BEGAN" else ""


def part_of(path):
    """Returns the folder of a file of the package, or its own name where it is in none."""
    part = path.relative_to(ROOT / "pinch_jax").parts[0].removesuffix(".py")
    return "" if part == "__init__" else part


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


def test_no_folder_imports_one_that_stands_below_it_in_the_readme():
    told = re.findall(r"^\| `pinch_jax/(\w+)/`", (ROOT / "README.md").read_text(), re.MULTILINE)
    held = {path.parent.name for path in ROOT.glob("pinch_jax/*/__init__.py")}
    assert {*told} == held
    # config.py gathers the fields of all folders, those of study/ too, before a study reads them.
    order = [*LOOSE, *told[: told.index("study")], "config", *told[told.index("study") :], "main"]
    wrong = [
        f"{path.relative_to(ROOT)}: {other}"
        for path in ROOT.glob("pinch_jax/**/*.py")
        for other in sorted({*imported_parts(path)})
        if order.index(other) > order.index(part_of(path))
    ]
    assert wrong == ["pinch_jax/config.py: study"]
