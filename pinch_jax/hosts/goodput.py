"""Where the time of a study goes: one activity at each moment of its first process.

Each call keeps a small file of its own and writes it anew every few seconds: calls may be killed,
or run at once on several hosts, and a bucket cannot append.
"""

import collections
import contextlib
import functools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pinch_jax import BEGAN
from pinch_jax.storage.files import read_record, write_record

SAVE_SECONDS = 5.0
FOLDER = "goodput"
# What a study is run for, and what else takes time; `redoing` is of steps that a kill had lost.
USEFUL = ("training", "evaluating", "answering", "judging")
OTHERS = ("preparing", "compiling", "waiting", "saving", "redoing", "reporting", "stopped")
# What other processes do for a call, and count themselves.
DELEGATING = "delegating"


class _Clock:
    """The seconds of this call by activity, and how far its runs have come."""

    def __init__(self) -> None:
        self.started, self.last = time.time() - (time.monotonic() - BEGAN), BEGAN
        self.doing = ["preparing"]
        self.seconds: collections.Counter[str] = collections.Counter()
        self.steps: dict[str, int] = {}
        self.path: Path | None = None
        self.lock = threading.RLock()
        # Of each compilation its begin and seconds; what is compiled within another ends first.
        self._compiled: list[tuple[float, float]] = []

    def settle(self) -> None:
        """Gives the time since the last call to the activity of now."""
        with self.lock:
            now = time.monotonic()
            self.seconds[self.doing[-1]] += now - self.last
            self.last = now

    def save(self) -> None:
        """Writes the file of this call, if it has one."""
        with self.lock:
            self.settle()
            seconds = {name: round(value, 3) for name, value in self.seconds.items()}
            if self.path:
                told = {"started": self.started, "seconds": seconds, "steps": self.steps}
                write_record(self.path, told)

    def compiled(self, event: str, seconds: float) -> None:
        """Takes the seconds of a compilation that JAX tells of from the activity of now."""
        if event.startswith("/jax/core/compile/") and _is_main_thread():
            with self.lock:
                self.settle()
                begin, whole = self.last - seconds, seconds
                while self._compiled and self._compiled[-1][0] >= begin:
                    seconds -= self._compiled.pop()[1]
                self._compiled.append((begin, whole))
                self.seconds[self.doing[-1]] -= seconds
                self.seconds["compiling"] += seconds


_clock = _Clock()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def doing(activity: str) -> Iterator[None]:
    """Counts the time of a block as that of an activity, but for what blocks in it count.

    Other threads than the main one count nothing.
    """
    depth = len(_clock.doing)
    if counted := _is_main_thread():
        _clock.settle()
        _clock.doing.append(activity)
    try:
        yield
    finally:
        if counted:
            _clock.settle()
            del _clock.doing[depth:]


@contextlib.contextmanager
def training(run: str, progress: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Counts a block as training; yields a `progress` that hears how many more steps are done."""
    calls = _read_calls(_clock.path.parent) if _clock.path else []
    before = max((call["steps"].get(run, 0) for call in calls), default=0)
    _clock.steps[run] = 0
    with doing("training"):

        def hear(steps: int) -> None:
            progress(steps)
            _clock.settle()
            _clock.steps[run] += steps
            _clock.doing[-1] = "redoing" if _clock.steps[run] < before else "training"

        yield hear


@functools.cache
def _hear_of_compilations() -> None:
    import jax.monitoring

    def hear(event: str, seconds: float, **_: Any) -> None:
        _clock.compiled(event, seconds)

    jax.monitoring.register_event_duration_secs_listener(hear)


@contextlib.contextmanager
def kept(workdir: Path) -> Iterator[None]:
    """Keeps in a work directory where the time of this call goes, from its first moment on."""
    _hear_of_compilations()
    _clock.path = workdir / FOLDER / f"{uuid.uuid4().hex[:12]}.json"
    _clock.path.parent.mkdir(parents=True, exist_ok=True)
    ended = threading.Event()

    def save_regularly() -> None:
        while not ended.wait(SAVE_SECONDS):
            _clock.save()

    _clock.save()
    saving = threading.Thread(target=save_regularly, daemon=True)
    saving.start()
    try:
        yield
    finally:
        ended.set()
        saving.join()
        _clock.save()
        _clock.path = None


def _read_calls(folder: Path) -> list[dict[str, Any]]:
    """Returns what each call kept, in the order in which they began."""
    remedy = "delete it, and only where the time of that call went is lost"
    calls = [read_record(path, remedy) for path in folder.glob("*.json")]
    return sorted(calls, key=lambda call: call["started"])


def read_goodput(workdir: Path) -> tuple[int, dict[str, float]]:
    """Returns how many calls a study had until now, and the seconds of each activity.

    They add up to the time from the start of the first call to the end of the last, but for what is
    behind a page: then a study was at its end, until it was given more. Of calls that ran at once,
    each counts.
    """
    _clock.save()
    seconds, ended, at_page = dict.fromkeys(USEFUL + OTHERS, 0.0), 0.0, True
    calls = _read_calls(workdir / FOLDER)
    for call in calls:
        if not at_page:
            seconds["stopped"] += max(0.0, call["started"] - ended)
        end = call["started"] + sum(call["seconds"].values())
        if end >= ended:
            ended, at_page = end, "reporting" in call["seconds"]
        for activity, took in call["seconds"].items():
            if activity != DELEGATING:
                seconds[activity] += took
    return len(calls), seconds


def goodput_table(workdir: Path) -> dict[str, str]:
    """Returns what a study did -> how much of its time that took; nothing where none was kept."""
    calls, seconds = read_goodput(workdir)
    if not calls:
        return {}
    whole = sum(seconds.values())
    useful = 100 * sum(seconds[name] for name in USEFUL) / whole
    told = {"goodput": f"{useful:.1f} % of {whole / 60:,.1f} minutes in {calls} calls"}
    return told | {name: f"{t:,.1f} s, {100 * t / whole:.1f} %" for name, t in seconds.items()}
