"""Files of JSON lines: read with the place of every mistake, mended where a stop cut them off."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (place, object) for each line; the place is for messages.

    Raises:
        ValueError: a line is no JSON object.
    """
    # Not `splitlines`, which would cut a text at the line separators of Unicode too.
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path}:{number}"
            try:
                record = json.loads(line, parse_float=_finite, parse_constant=_finite)
            except ValueError as error:
                raise ValueError(f"{place}: not JSON ({error}); repair or delete it") from error
            if not isinstance(record, dict):
                raise ValueError(f"{place}: not a JSON object; repair or delete it")
            yield place, record


def _finite(text: str) -> float:
    # Python reads NaN, Infinity and 1e999 without a word; no other reader would read them back.
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is no number")
    return float(text)


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
