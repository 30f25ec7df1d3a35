"""Folders that a run or a study keeps: there whole or not at all, and sealed by their checksums.

A folder of files has the checksums of all in its `checksums.json`, written last: in a bucket, where
nothing can be renamed, a folder without it is not there.
"""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import CHECKSUMS, LAST, copy_folder, files_below, in_bucket
from pinch_jax.storage.files import (
    UNFINISHED,
    file_checksum,
    naming,
    read_record,
    sync,
    write_record,
)


@contextlib.contextmanager
def whole_folder(
    target: Path,
    first: Callable[[str, Callable[[], None]], Any] = lambda _, call: call(),
    together: Callable[[str], None] = lambda _: None,
) -> Iterator[Path]:
    """Yields a new folder, which is called `target` once the block has ended, and not before.

    Several processes write one with `primary_alone` and `wait_for_all` of hosts/waiting.py, each
    its own files. A folder in a bucket is made on a disk of each.
    """
    if in_bucket(target):
        first(f"deleting what is left of {target}", lambda: delete_folder(target))
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)
            copy = functools.partial(copy_folder, Path(made), target)
            with naming(target):
                copy(lambda path: path.name not in LAST)
                together(f"the last of {target}")
                first(f"writing {target}", lambda: copy(lambda path: path.name in LAST))
        return
    part = target.with_name(target.name + UNFINISHED)

    def make() -> None:
        delete_folder(part)
        part.mkdir(parents=True)

    def name() -> None:
        if (part / CHECKSUMS).exists():
            for held in read_record(part / CHECKSUMS, "")["sha256"]:
                if not (part / held).exists():
                    raise UserError(
                        f"{part / held}, which another process has written, is not there; all need "
                        "one --workdir, on a disk that their hosts share or in a bucket"
                    )
        sync_folder(part)
        part.rename(target)
        sync(target.parent)

    first(f"making {part}", make)
    with naming(part):
        yield part
    first(f"writing {target}", name)


def is_there(folder: Path) -> bool:
    """Returns whether a folder that was sealed in `whole_folder` is there, whole."""
    return (folder / CHECKSUMS if in_bucket(folder) else folder).exists()


def delete_folder(folder: Path) -> None:
    """Deletes a folder and all below it, where there is one."""
    if in_bucket(folder):
        (folder / CHECKSUMS).unlink(missing_ok=True)  # from now on it is not there
        folder.rmtree(missing_ok=True)
    elif folder.exists():
        shutil.rmtree(folder)


def delete_unfinished(folder: Path) -> None:
    """Deletes what killed processes left in a folder that no other process writes into now."""
    for path in folder.glob(f"*{UNFINISHED}"):
        if path.is_dir():
            delete_folder(path)
        else:
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Returns once all that is below a folder is on disk; a bucket has it already."""
    for path in () if in_bucket(folder) else (folder, *folder.rglob("*")):
        sync(path)


def seal(
    folder: Path, names: Iterable[str] | None = None, known: Mapping[str, str] | None = None
) -> None:
    """Writes the checksums of files in a folder, by default of all below it, into it.

    Those that are `known` are not read for it.
    """
    if names is None:
        names = (path.relative_to(folder).as_posix() for path in files_below(folder))
    known = known or {}
    held = {
        name: known[name] if name in known else file_checksum(folder / name)
        for name in sorted({*names, *known} - {CHECKSUMS})
    }
    write_record(folder / CHECKSUMS, {"sha256": held})


def check_sealed(folder: Path, remedy: str) -> None:
    """Raises UserError unless all files are there that a folder was sealed with, unchanged."""
    if not (folder / CHECKSUMS).exists():
        raise UserError(f"{folder} has no {CHECKSUMS}: it is not whole, or not of today; {remedy}")
    for name, expected in read_record(folder / CHECKSUMS, remedy)["sha256"].items():
        path = folder / name
        try:
            found = file_checksum(path)
        except FileNotFoundError:
            raise UserError(f"{path} is gone; {remedy}") from None
        if found != expected:
            raise UserError(f"{path} does not match its checksum: it was damaged; {remedy}")
