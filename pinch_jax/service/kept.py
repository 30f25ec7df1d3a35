"""JSON lines of what was paid for: each is on disk before anything else is asked."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.hosts.locks import lock_of, only_writer
from pinch_jax.storage.files import appending, json_line, mend_last_line

# Returns how many bytes the line has.
AddLine = Callable[[Mapping[str, Any]], int]


@contextlib.contextmanager
def open_lines(path: Path) -> Iterator[AddLine]:
    """Yields what adds a line with its checksum, on disk before it returns, from any thread.

    The file is this process's alone, which waits while another one adds to it. A truncated last
    line is repaired.
    """
    lock = threading.Lock()
    with only_writer(lock_of(path)), appending(path, on_disk=True) as write:
        mend_last_line(path)

        def add(record: Mapping[str, Any]) -> int:
            line = json_line(record)
            with lock:
                write(line)
            return len(line.encode())

        yield add
