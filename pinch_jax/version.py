"""Which code this is: its version, and the commit behind it where that is known."""

import functools
import hashlib
import importlib.metadata
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).parent
# In what setup.py builds, which has no repository around it any more.
BUILT_FROM = PACKAGE / "commit.txt"


@functools.cache
def code_version() -> str:
    """Returns such as "0.1.0+g1c9e...": the version, and what `commit_label` says (PEP 440)."""
    version, label = importlib.metadata.version("pinch_jax"), commit_label()
    return f"{version}+{label}" if label else version


def commit_label() -> str:
    """Returns "g" and the commit of this package, or "" where it is unknown.

    Where files of the package or of the configs are not as in the commit, ".changed" and the first
    digits of the sha256 of all of them stand behind it: two changes are not taken for one.
    """
    if BUILT_FROM.exists():
        return BUILT_FROM.read_text("utf-8")
    try:
        # Around an installed package may be the repository of something else, without these files.
        _git("ls-files", "--error-unmatch", str(PACKAGE / "__init__.py"))
        commit = _git("rev-parse", "HEAD").strip()
        folders = (PACKAGE, PACKAGE.with_name("ml_collections_configs"))
        changed = _git("status", "--porcelain", "--untracked-files=all", "--", *map(str, folders))
        if not changed:
            return f"g{commit}"
        names = _git("ls-files", "-z", "-co", "--exclude-standard", "--", *map(str, folders))
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return ""
    digest = hashlib.sha256()
    for name in sorted(filter(None, names.split("\0"))):
        path = PACKAGE / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.exists() else b"gone"))
    return f"g{commit}.changed.{digest.hexdigest()[:12]}"


def _git(*arguments: str) -> str:
    # Without locks: another git may be at work in the same checkout.
    command = ["git", "--no-optional-locks", *arguments]
    run = subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True, text=True)
    return run.stdout
