"""Files that a run or a study keeps: written whole, and held against a checksum when they are read.

A JSON object carries its checksum as its last field, in a file of its own or in a line of many, so
that a file may grow by lines and is at no moment without. A folder of files of other kinds has them
all in its `checksums.json`, written last.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.json_input import read_object, read_objects

CHECKSUM = "checksum"
CHECKSUMS = "checksums.json"
UNFINISHED = ".unfinished"


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, also where the power is cut."""
    # Several hosts may write it at once, and have processes of one number.
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{UNFINISHED}")
    try:
        with naming(path), part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Lets an error of the system say which file it is about: of a full disk it does not know.

    What a library says of one in an error of its own becomes that of the system.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    except Exception as error:
        if (full := os.strerror(errno.ENOSPC)) in str(error):
            raise OSError(errno.ENOSPC, full, str(path)) from error
        raise


@contextlib.contextmanager
def whole_folder(
    target: Path, first: Callable[[str, Callable[[], None]], Any] = lambda _, call: call()
) -> Iterator[Path]:
    """Yields a new folder, which is called `target` once the block has ended, and not before.

    Several processes write one with `first=waiting.primary_alone`; the block ends with all of them.
    """
    part = target.with_name(target.name + UNFINISHED)

    def make() -> None:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)

    def name() -> None:
        sync_folder(part)
        part.rename(target)
        _sync(target.parent)

    first(f"making {part}", make)
    with naming(part):
        yield part
    first(f"writing {target}", name)


def delete_unfinished(folder: Path) -> None:
    """Deletes what killed processes left in a folder that no other process writes into now."""
    for path in folder.glob(f"*{UNFINISHED}"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Returns once all that is below a folder is on disk."""
    for path in (folder, *folder.rglob("*")):
        _sync(path)


def _sync(path: Path) -> None:
    """Returns once a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Writes a file of text, whole or not at all."""
    write_bytes(path, text.encode())


def digest(value: Any) -> str:
    """Returns 64 bits of the SHA-256 of what JSON can say, as 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def with_checksum(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a JSON object with its checksum as its last field."""
    return {**record, CHECKSUM: digest(record)}


def without_checksum(place: Any, record: Mapping[str, Any], remedy: str) -> dict[str, Any]:
    """Returns what `with_checksum` was given; `place` and `remedy` are for the message.

    Raises:
        UserError: the object has no checksum, or another one's.
    """
    plain = dict(record)
    found = plain.pop(CHECKSUM, None)
    if found != digest(plain):
        trouble = "has no checksum" if found is None else f"does not match its {CHECKSUM}={found!r}"
        raise UserError(f"{place} {trouble}: it was damaged or changed; {remedy}")
    return plain


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Writes a JSON object with its checksum, whole or not at all."""
    write_text(path, _json(with_checksum(record), indent=1) + "\n")


def read_record(path: Path, remedy: str) -> dict[str, Any]:
    """Returns the object that `write_record` wrote; raises UserError if it is not that one."""
    return without_checksum(path, read_object(path, remedy), remedy)


def json_line(record: Mapping[str, Any]) -> str:
    """Returns a line of JSON with its checksum, for a file that `read_kept_lines` reads."""
    return _json(with_checksum(record)) + "\n"


def _json(value: Any, indent: int | None = None) -> str:
    # Not a number is not JSON.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def read_kept_lines(path: Path, remedy: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, object) for each line of `json_line`; raises UserError for another line."""
    for place, record in read_objects(path, remedy):
        yield place, without_checksum(place, record, remedy)


def mend_last_line(path: Path) -> None:
    """Completes a last line without its newline if it is whole, and cuts it off if it is not."""
    content = path.read_bytes()
    start = content.rfind(b"\n") + 1
    if start == len(content):
        return
    with path.open("r+b") as file:
        if is_whole(content[start:]):
            file.seek(len(content))
            file.write(b"\n")
        else:
            file.truncate(start)


def is_whole(line: bytes) -> bool:
    """Returns whether a line is a JSON object from its first brace to its last."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def seal(
    folder: Path, names: Iterable[str] | None = None, known: Mapping[str, str] | None = None
) -> None:
    """Writes the checksums of files in a folder, by default of all below it, into it.

    Those that are `known` are not read for it.
    """
    if names is None:
        below = (path for path in folder.rglob("*") if path.is_file())
        names = (path.relative_to(folder).as_posix() for path in below)
    known = known or {}
    held = {
        name: known.get(name) or file_checksum(folder / name)
        for name in sorted(names)
        if name != CHECKSUMS
    }
    write_record(folder / CHECKSUMS, {"sha256": held})


def check_sealed(folder: Path, remedy: str) -> None:
    """Raises UserError unless all files are there that a folder was sealed with, unchanged."""
    if not (folder / CHECKSUMS).exists():
        raise UserError(f"{folder} has no {CHECKSUMS}: it is not whole, or not of today; {remedy}")
    for name, expected in read_record(folder / CHECKSUMS, remedy)["sha256"].items():
        path = folder / name
        if not path.exists():
            raise UserError(f"{path} is gone; {remedy}")
        if file_checksum(path) != expected:
            raise UserError(f"{path} does not match its checksum: it was damaged; {remedy}")


def file_checksum(path: Path) -> str:
    """Returns the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
