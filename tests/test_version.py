"""Which commit the code is of, and when it is not said to be of one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pinch_jax import version


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a package and its configs; returns how to call git in it."""
    for name in ("pinch_jax/__init__.py", "ml_collections_configs/tiny.py", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n")
    monkeypatch.setattr(version, "PACKAGE", tmp_path / "pinch_jax")
    monkeypatch.setattr(version, "BUILT_FROM", tmp_path / "pinch_jax/commit.txt")

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    return git


def commit(git):
    git("add", "-A")
    git("commit", "-qm", "all")
    return "g" + git("rev-parse", "HEAD")


def test_what_is_not_as_in_the_commit_is_told_apart(checkout, tmp_path):
    clean = commit(checkout)
    assert version.commit_label() == clean
    (tmp_path / "README.md").write_text("2\n")
    assert version.commit_label() == clean, "it decides nothing"
    labels = []
    for name in ("pinch_jax/__init__.py", "ml_collections_configs/new.py"):
        for text in ("3\n", "4\n"):
            (tmp_path / name).write_text(text)
            labels.append(version.commit_label())
    (tmp_path / "ml_collections_configs/tiny.py").unlink()
    labels.append(version.commit_label())
    assert len(set(labels)) == 5 and all(x.startswith(f"{clean}.changed.") for x in labels)


def test_the_tree_that_a_worker_or_an_image_gets_is_of_a_commit(checkout, tmp_path, monkeypatch):
    """launch/tpu_pod.sh and docs/launch_gke.md ship `git archive`, which has no repository."""
    for name in (".gitattributes", "pinch_jax/archive.txt"):
        shutil.copyfile(Path(__file__).parent.parent / name, tmp_path / name)
    clean = commit(checkout)
    assert version.commit_label() == clean
    checkout("archive", f"--output={tmp_path / 'tree.tar'}", "HEAD")
    for name, label in (("shipped", clean), ("cloned", "")):
        folder = tmp_path.with_name(f"{tmp_path.name}-{name}")
        shutil.copytree(tmp_path / "pinch_jax", folder / "pinch_jax")
        if name == "shipped":
            shutil.unpack_archive(tmp_path / "tree.tar", folder, filter="data")
        monkeypatch.setattr(version, "PACKAGE", folder / "pinch_jax")
        assert version.commit_label() == label


def test_a_repository_that_does_not_hold_the_package_is_not_its_own(checkout, tmp_path):
    assert version.commit_label() == "", "there is no commit yet"
    (tmp_path / ".gitignore").write_text("pinch_jax/\n")
    commit(checkout)
    assert version.commit_label() == "", "as in a virtual environment inside a project"
    (tmp_path / "pinch_jax/commit.txt").write_text("g0123")
    assert version.commit_label() == "g0123"
