"""Files of JSON lines that grow: what a stop in the middle of a line leaves behind is mended."""

import json
from pathlib import Path


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
