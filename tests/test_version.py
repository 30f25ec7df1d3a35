"""Which commit the code is of, and when it is not said to be of one."""

import subprocess

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


def test_a_repository_that_does_not_hold_the_package_is_not_its_own(checkout, tmp_path):
    assert version.commit_label() == "", "there is no commit yet"
    (tmp_path / ".gitignore").write_text("pinch_jax/\n")
    commit(checkout)
    assert version.commit_label() == "", "as in a virtual environment inside a project"
    (tmp_path / "pinch_jax/commit.txt").write_text("g0123")
    assert version.commit_label() == "g0123"
