"""Events of a run for TensorBoard, in a folder or a bucket."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import directory_check, register_writer_factory
from tensorboardX.summary import scalar

from pinch_jax.storage.buckets import LIBRARIES, as_path
from pinch_jax.storage.files import naming
from pinch_jax.train.config import TENSORBOARD


class TensorBoard:
    """Writes events where they come: of SummaryWriter a thread does, which a full disk would end.

    Whoever logs then waits for it for good.
    """

    def __init__(self, directory: Path, done_steps: int):
        self._folder = directory / TENSORBOARD
        directory_check(str(self._folder))
        # Two that are opened in one second would have one name.
        suffix = f".{done_steps}"
        with naming(self._folder):
            self._events = EventsWriter(str(self._folder / "events"), suffix)
        if done_steps:  # what another call wrote of later steps is not shown
            self._write(done_steps + 1, session_log=SessionLog(status=SessionLog.START))

    def _write(self, step: int, **what: Any) -> None:
        with naming(self._folder):
            self._events.write_event(Event(wall_time=time.time(), step=step, **what))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Writes the scalars of a step."""
        for name, value in values.items():
            self._write(step, summary=scalar(name, value))

    def flush(self) -> None:
        """Hands the events to the file system."""
        with naming(self._folder):
            self._events.flush()

    def close(self) -> None:
        """Closes the file."""
        with naming(self._folder):
            self._events.close()


class _EventObject:
    """A file of events in a bucket, written whole at each flush; what tensorboardX writes into."""

    def __init__(self, path: str):
        self._path, self._events = as_path(path), io.BytesIO()

        self.write = self._events.write

    @classmethod
    def open(cls, path: str) -> "_EventObject":
        return cls(path)

    @staticmethod
    def directory_check(path: str) -> None:
        """Does nothing: there are no folders."""

    def flush(self) -> None:
        self._path.write_bytes(self._events.getvalue())

    def close(self) -> None:
        self.flush()


for _scheme in LIBRARIES:
    # Its own need another library for each kind of bucket.
    register_writer_factory(_scheme, _EventObject)
