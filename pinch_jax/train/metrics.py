"""Metrics: pulled from the device late, checked, written as JSON lines and to trackers."""

import collections
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.storage.files import appending, json_line, mended_lines, write_text
from pinch_jax.train.trackers import Tracker

# Steps that may run ahead of the metrics that are read: reading one waits for its step.
LAG_STEPS = 2


class MetricWriter:
    """Writes `metrics.jsonl` into a run's directory, and what it holds to trackers.

    The process that is not the first passes `directory=None` and writes nothing. A run that
    resumes after `done_steps` drops the lines of later ones, so that no step is there twice.
    """

    def __init__(
        self, directory: Path | None, done_steps: int = 0, trackers: Sequence[Tracker] = ()
    ):
        # (step, metrics, whether they are written)
        self._waiting: collections.deque[tuple[int, Mapping[str, Any], bool]] = collections.deque()
        # Those that are not on disk yet, and what adds them: a file of a million steps is long.
        self._lines: list[str] = []
        self._add: Callable[[str], None] | None = None
        self._file, self._trackers = contextlib.ExitStack(), trackers
        if directory is not None:
            path = directory / "metrics.jsonl"
            write_text(path, "".join(_lines_until(path, done_steps)))
            self._add = self._file.enter_context(appending(path, on_disk=True))

    def write(self, step: int, metrics: Mapping[str, Any], logged: bool = True) -> None:
        """Takes scalars of a step, also such as the device has not computed yet.

        Those of a step that is not logged are only checked, when the next logged one is read.
        Raises UserError, which names the step, where one of an earlier step is NaN or infinite.
        """
        self._waiting.append((step, metrics, logged))
        while logged and self._waiting and self._waiting[0][0] <= step - LAG_STEPS:
            self._pull()

    def flush(self) -> None:
        """Reads, checks and writes all that is waiting; raises UserError as `write` does."""
        while self._waiting:
            self._pull()
        if self._add and self._lines:
            self._add("".join(self._lines))
            self._lines.clear()
        for tracker in self._trackers:
            tracker.flush()

    def close(self) -> None:
        """Flushes and closes the files."""
        with self._file:
            self.flush()
        for tracker in self._trackers:
            tracker.close()

    def _pull(self) -> None:
        step, metrics, logged = self._waiting.popleft()
        values = {name: float(value) for name, value in metrics.items()}
        if not all(map(math.isfinite, values.values())):
            self._waiting.clear()  # what follows from numbers that are lost
            raise UserError(_not_finite(step, values))
        if self._add and logged:
            self._lines.append(json_line({"step": step} | values))
            for tracker in self._trackers:
                tracker.log(values, step)


def _not_finite(step: int, values: Mapping[str, float]) -> str:
    lost = ", ".join(f"{name}={v}" for name, v in values.items() if not math.isfinite(v))
    return (
        f"step {step}: {lost}, so the run ends, and its checkpoint before this step is kept; lower "
        "config.train.learning_rate, warm up longer, or look at the examples of this step: "
        f"pinch mixture --steps={step - 1}:{step}"
    )


def _lines_until(path: Path, done_steps: int) -> list[str]:
    held = mended_lines(path, "delete the file, and only what it tells of those steps is lost")
    return [json_line(line) for line in held if line["step"] <= done_steps]
