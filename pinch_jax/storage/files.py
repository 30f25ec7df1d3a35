"""Files that a run or a study keeps: written whole, and held against a checksum when they are read.

A JSON object carries its checksum as its last field, in a file of its own or in a line of many, so
that a file may grow by lines and is at no moment without. Folders of other files: folders.py.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.errors import FULL, UserError
from pinch_jax.storage.buckets import beside, in_bucket
from pinch_jax.storage.json_input import read_object, read_objects

CHECKSUM = "checksum"
UNFINISHED = ".unfinished"
# What is added to a file of lines in a bucket, until that is written whole again.
ADDED = ".added-"
# Of a file that is read from its start to its end.
PART_BYTES = 1 << 18


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, also where the power is cut."""
    if in_bucket(path):
        with naming(path):
            path.write_bytes(content)
        return
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
    sync(path.parent)


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
        for number in FULL:
            if (said := os.strerror(number)) in str(error):
                raise OSError(number, said, str(path)) from error
        raise


def sync(path: Path) -> None:
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


def without_checksum(place: Any, record: Mapping[str, Any], remedy: str) -> dict[str, Any]:
    """Returns an object without its checksum; `place` and `remedy` are for the message.

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
    write_text(path, json_line(record, indent=1))


def read_record(path: Path, remedy: str) -> dict[str, Any]:
    """Returns the object that `write_record` wrote; raises UserError if it is not that one."""
    return without_checksum(path, read_object(path, remedy), remedy)


def json_line(record: Mapping[str, Any], indent: int | None = None) -> str:
    """Returns a line of JSON with its checksum, for a file that `read_kept_lines` reads."""
    told = {**record, CHECKSUM: digest(record)}
    # Not a number is not JSON.
    return json.dumps(told, ensure_ascii=False, allow_nan=False, indent=indent) + "\n"


def read_kept_lines(path: Path, remedy: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, object) for each line of `json_line`; raises UserError for another line."""
    for place, record in read_objects(path, remedy):
        yield place, without_checksum(place, record, remedy)


def mended_lines(path: Path, remedy: str) -> Iterator[dict[str, Any]]:
    """Yields the objects of `read_kept_lines`, the last line mended first; none without a file."""
    if path.exists():
        mend_last_line(path)
        for _, record in read_kept_lines(path, remedy):
            yield record


@contextlib.contextmanager
def appending(path: Path, on_disk: bool = False) -> Iterator[Callable[[str], None]]:
    """Yields what adds lines to a file; they outlast a kill, and `on_disk` a power cut too.

    In a bucket what is added at once is an object, until the block ends or `mend_last_line` is
    called: then the file is written whole.
    """
    if in_bucket(path):
        size = len(_joined(path))

        def add(lines: str) -> None:
            nonlocal size
            content = lines.encode()
            write_bytes(path.with_name(f"{path.name}{ADDED}{size:015}"), content)
            size += len(content)

        try:
            yield add
        finally:
            _joined(path)
        return
    with path.open("a", encoding="utf-8", newline="\n") as file:

        def write(lines: str) -> None:
            with naming(path):
                file.write(lines)
                file.flush()
                if on_disk:
                    os.fsync(file.fileno())

        yield write


def _joined(path: Path) -> bytes:
    """Returns the content of a file of lines in a bucket, which is one object from then on."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = None
        write_bytes(path, b"")
    added, prefix = beside(path, ADDED), f"{path.name}{ADDED}"
    # Somebody has deleted the file; or a kill came before what is in it was deleted below.
    first = math.inf if content is None else len(content)
    whole = bytearray(content or b"")
    for part in added:
        if (start := int(part.name.removeprefix(prefix))) >= first:
            if start != len(whole):
                raise UserError(
                    f"{part} does not go on where {path} ends, at byte {len(whole)}: lines are "
                    f"gone, or not listed yet; run again, or delete all {prefix}*"
                )
            whole += part.read_bytes()
    if len(whole) > first:
        write_bytes(path, bytes(whole))
    for part in added:
        part.unlink()
    return bytes(whole)


def mend_last_line(path: Path) -> None:
    """Completes a last line without its newline if it is whole, and cuts it off if it is not."""
    if in_bucket(path):
        _joined(path)
        return
    with naming(path), path.open("r+b") as file:
        size, part, end = file.seek(0, os.SEEK_END), PART_BYTES, b""
        while b"\n" not in end and len(end) < size:  # of a long file no more than the last line
            file.seek(max(0, size - part))
            end, part = file.read(), 2 * part
        last = end[end.rfind(b"\n") + 1 :]
        if is_whole(last):
            file.write(b"\n")
        elif last:
            file.truncate(size - len(last))


def is_whole(line: bytes) -> bool:
    """Returns whether a line is a JSON object from its first brace to its last."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes what `read_array` reads."""
    content = io.BytesIO()
    np.save(content, array)  # into a file, it would lose what the system says of a full disk
    with naming(path):
        path.write_bytes(content.getvalue())


def read_array(path: Path) -> np.ndarray:
    """Returns the array of a .npy file, mapped from a disk; one in a bucket is read whole."""
    if in_bucket(path):
        return np.load(io.BytesIO(path.read_bytes()))
    return np.load(path, mmap_mode="r")


def file_checksum(path: Path) -> str:
    """Returns the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
