"""JSON lines of what was paid for: each is on disk before anything else is asked."""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pinch_jax.files import json_line, mend_last_line, naming
from pinch_jax.locks import lock_of, only_writer


class KeptLines:
    """A file that threads add lines to; made by `open_lines`."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path, self._file, self._lock = path, file, threading.Lock()

    def add(self, record: Mapping[str, Any]) -> None:
        """Adds a line with its checksum, which is on disk before this returns."""
        line = json_line(record)
        with self._lock, naming(self._path):
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())


@contextlib.contextmanager
def open_lines(path: Path) -> Iterator[KeptLines]:
    """Opens a file to add to, for this process alone, and repairs a truncated last line.

    It waits while another process adds to the file.
    """
    with only_writer(lock_of(path)), path.open("a", encoding="utf-8", newline="\n") as file:
        mend_last_line(path)
        yield KeptLines(path, file)
