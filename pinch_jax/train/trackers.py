"""Where metrics of a run are shown beside its own metrics.jsonl: TensorBoard, and services.

A service is a library with `init`, `log` and `finish`, as Weights & Biases made them the custom.
"""

import importlib
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import directory_check, register_writer_factory
from tensorboardX.summary import scalar

from pinch_jax.buckets import LIBRARIES, as_path
from pinch_jax.errors import UserError
from pinch_jax.files import naming
from pinch_jax.train.config import TENSORBOARD

PROJECT = "pinch_jax"


class Tracker(Protocol):
    """Shows the scalars of one run."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Takes the scalars of a step."""

    def flush(self) -> None:
        """Hands on what waits, as far as that can be asked for."""

    def close(self) -> None:
        """Ends the run."""


class _TensorBoard:
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
        for name, value in values.items():
            self._write(step, summary=scalar(name, value))

    def flush(self) -> None:
        with naming(self._folder):
            self._events.flush()

    def close(self) -> None:
        with naming(self._folder):
            self._events.close()


class _Service:
    def __init__(self, library: str, name: str, run: str, told: Mapping[str, Any]):
        try:
            service = importlib.import_module(library)
        except ImportError as error:
            raise UserError(
                f"config.track: {library!r} does not load ({error}); pip install {library}"
            ) from error
        # A run that goes on is the same one there: known by its directory, which its fingerprint
        # ends. trackio knows runs by their names alone: those of other studies would be one.
        known = {"id": run, "name": name} if library == "wandb" else {"name": f"{name} ({run})"}
        self._run = service.init(project=PROJECT, config=dict(told), resume="allow", **known)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """It sends by itself."""

    def close(self) -> None:
        self._run.finish()


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


def open_trackers(
    kinds: Sequence[str], directory: Path, name: str, told: Mapping[str, Any], done_steps: int
) -> list[Tracker]:
    """Returns the trackers of a run, each open.

    `kinds` are those of config.track. The name of a run's directory is its own for good, `name` is
    what the page calls it, and `told` what is told of it beside its metrics, such as its mixture.
    What steps after `done_steps` left is dropped, where a tracker can.

    Raises:
        UserError: a library is not installed.
    """
    made: list[Tracker] = []
    for kind in kinds:
        if kind == TENSORBOARD:
            made.append(_TensorBoard(directory, done_steps))
        else:
            made.append(_Service(kind, name, directory.name, told))
    return made
