"""Where metrics of a run are shown beside its own metrics.jsonl: TensorBoard, and services.

A service is a library with `init`, `log` and `finish`, as Weights & Biases made them the custom.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pinch_jax.errors import UserError
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
            # tensorboardX loads the libraries of all buckets that are installed, half a second.
            from pinch_jax.train.tensorboard import TensorBoard

            made.append(TensorBoard(directory, done_steps))
        else:
            made.append(_Service(kind, name, directory.name, told))
    return made
