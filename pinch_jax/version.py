"""Which code this is: its version, and the commit behind it where that is known."""

import functools
import hashlib
import importlib.metadata
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).parent
# In what setup.py builds, which has no repository around it any more.
BUILT_FROM = PACKAGE / "commit.txt"
# In the package, where `git archive` writes the commit: workers of a pod and images have its tree.
ARCHIVE = "archive.txt"
# The libraries that decide the last bits of a result.
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def library_versions() -> dict[str, str]:
    """Returns the versions of LIBRARIES, by their names."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


@functools.cache
def code_version() -> str:
    """Returns such as "0.1.0+g1c9e...": the version, and what `commit_label` says (PEP 440)."""
    return "+".join(filter(None, (importlib.metadata.version("pinch_jax"), commit_label())))


def commit_label() -> str:
    """Returns "g" and the commit of this package, or "" where it is unknown.

    Where the package or the configs are not as in the commit, ".changed" and the first digits of
    the sha256 of all their files stand behind it: two changes are not taken for one.
    """
    if BUILT_FROM.exists():
        return BUILT_FROM.read_text("utf-8")
    folders = [PACKAGE, PACKAGE.with_name("ml_collections_configs")]

    def git(*arguments):
        # Without locks: another git may be at work in the same checkout.
        command = ["git", "--no-optional-locks", *arguments, "--", *map(str, folders)]
        return subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True).stdout

    try:
        # Around an installed package may be the repository of something else, without these files.
        git("ls-files", "--error-unmatch")
        commit = git("rev-parse", "HEAD").split()[0].decode()
        changed = git("status", "--porcelain", "--untracked-files=all")
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        archive = PACKAGE / ARCHIVE
        label = archive.read_text("utf-8").strip() if archive.exists() else ""
        return "" if "$" in label else label
    if not changed:
        return f"g{commit}"
    files = sorted(file for folder in folders for file in folder.rglob("*.*") if file.is_file())
    held = (file.name.encode() + file.read_bytes() for file in files if file.suffix != ".pyc")
    return f"g{commit}.changed.{hashlib.sha256(b''.join(held)).hexdigest()[:12]}"
