"""JSON that anybody may have written, read in one way: every fault is named with file and line.

UTF-8, with or without a byte-order mark; lines end at "\\n" alone, so that a text may hold the line
separators of Unicode; numbers are finite; texts can be written as UTF-8 again.
"""

import io
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import in_bucket

REPAIR = "repair or delete it"
# How a file begins that Git LFS has not brought yet.
LFS_POINTER = "version https://git-lfs"
# By what other encodings begin with.
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def parse_json(place: Any, content: bytes | str, remedy: str = REPAIR) -> Any:
    """Returns what a JSON text says; `place` and `remedy` are for the message.

    Raises:
        UserError: it is not JSON, or holds a number or a text that could not be written back.
    """
    text = content if isinstance(content, str) else _decoded(place, content, remedy)
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        pointer = text.startswith(LFS_POINTER)
        why = "a pointer of Git LFS" if pointer else error
        way_out = "run `git lfs pull`" if pointer else remedy
        raise UserError(f"{place}: not JSON ({why}); {way_out}") from error
    if "\\u" in text:
        _check_texts(place, "", value)
    return value


def parse_object(place: Any, content: bytes | str, remedy: str = REPAIR) -> dict[str, Any]:
    """Returns the JSON object of a text; raises UserError as `parse_json` does, or for another."""
    value = parse_json(place, content, remedy)
    if not isinstance(value, dict):
        raise UserError(f"{place}: not a JSON object; {remedy}")
    return value


def read_object(path: Path, remedy: str = REPAIR) -> dict[str, Any]:
    """Returns the JSON object of a file; raises UserError as `parse_object` does."""
    return parse_object(path, path.read_bytes(), remedy)


def read_objects(path: Path, remedy: str = REPAIR) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, object) of a file as `read_values` does; UserError for what is no object."""
    try:
        # An object at once: it is of one content, and each request takes its time.
        file = io.BytesIO(path.read_bytes()) if in_bucket(path) else path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; correct the path") from None
    with file:
        for place, value in read_values(path, file, remedy):
            if not isinstance(value, dict):
                raise UserError(f"{place}: not a JSON object; {remedy}")
            yield place, value


def read_values(path: Any, file: BinaryIO, remedy: str = REPAIR) -> Iterator[tuple[str, Any]]:
    """Yields (place, value) for each JSON line, or each entry of a file that is one list or object.

    Blank lines are left out. Raises UserError as `parse_json` does.
    """
    lines = enumerate(file, start=1)
    first = next(((number, line) for number, line in lines if line.strip(_BLANK)), None)
    if first is None:
        return
    if _begins_whole(first[1]):
        content = first[1] + file.read()
        whole = parse_json(path, content, remedy)
        entries = whole if isinstance(whole, list) else [whole]
        yield from ((f"{path}, entry {n}", entry) for n, entry in enumerate(entries, start=1))
        return
    for number, line in itertools.chain([first], lines):
        if line.strip(_BLANK):
            place = f"{path}:{number}"
            yield place, parse_json(place, line, remedy)


def check_fields(
    place: Any, record: Mapping[str, Any], fields: tuple[str, ...], empty: tuple[str, ...] = ()
) -> None:
    """Raises UserError unless all these fields are there, and are texts.

    Only those of `empty` may have nothing in them.
    """
    for name in fields:
        if name not in record:
            raise UserError(f"{place}: no field {name!r}, only {sorted(record)}; add it")
        if not isinstance(record[name], str):
            raise UserError(f"{place}: {name}={_short(record[name])} is no text; put it in quotes")
        if name not in empty and not record[name].strip():
            raise UserError(f"{place}: {name}={_short(record[name])} is empty; fill it")


def check_encodable(where: str, text: str) -> None:
    """Raises UserError, which begins with `where`, for a text that cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where}character {error.start} is half of a surrogate pair, no text; replace it"
        ) from None


_BLANK = b" \t\r\n\xef\xbb\xbf"


def _begins_whole(line: bytes) -> bool:
    """Returns whether a file that begins so is one JSON value over several lines, or a list."""
    begin = line.strip(_BLANK)
    if begin[:1] != b"{":
        return begin[:1] == b"["
    try:
        json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return False
    except json.JSONDecodeError as error:
        return error.pos >= len(line.decode("utf-8-sig").rstrip())
    return False


def _decoded(place: Any, content: bytes, remedy: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        named = _MARKS.get(content[:2])
        why = f"but {named}; save it as UTF-8" if named else f"({error}); {remedy}"
        raise UserError(f"{place}: not UTF-8 {why}") from error


def _finite(text: str) -> float:
    # Python reads NaN, Infinity and 1e999 without a word; no other reader would read them back.
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is no number")
    return float(text)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)  # made once, not a line


def _check_texts(place: Any, field: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            _check_texts(place, f"{field}{name}: ", part)
            _check_texts(place, f"{field}a name: ", name)
    elif isinstance(value, list):
        for part in value:
            _check_texts(place, field, part)
    elif isinstance(value, str):
        check_encodable(f"{place}: {field}", value)


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 40 else f"{shown[:40]}..."
