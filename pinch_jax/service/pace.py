"""Many requests at a time, at a pace that the service allows.

A service that is busy is asked again, after waits with jitter and what its Retry-After says.
"""

import concurrent.futures
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import tenacity

from pinch_jax.service.faults import Busy, GaveUp, ServiceError

_LONGEST_WAIT_SECONDS = 60.0
# A service that asks for more has a quota of a day; a person had better know.
_LONGEST_RETRY_AFTER_SECONDS = 600.0

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """The work was called off before this request was made."""


class Pace:
    """Turns at a service, evenly spaced; shared by all threads."""

    def __init__(
        self, requests_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gap_seconds = 1 / requests_per_second
        self._clock = clock
        self._next = clock()
        self._lock = threading.Lock()

    def take_turn(self) -> float:
        """Returns the seconds until the turn that this call has taken."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._gap_seconds
            return turn - now

    def hold(self, seconds: float) -> None:
        """Puts off all turns that are not taken yet by at least so much from now."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


@dataclasses.dataclass(frozen=True)
class Patience:
    """Makes requests in turn and again while the service is busy; stops when `stop` is set."""

    pace: Pace
    attempts: int
    wait_seconds: float
    stop: threading.Event

    def request(self, name: str, call: Callable[[], T]) -> T:
        """Returns what a call returns, making it again after each `Busy`.

        Raises:
          Stopped: `stop` was set before the call could be made.
          GaveUp: it was busy at every attempt.
          ServiceError: it asks to be left alone for long.
          Exception: whatever else the call raises.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Busy),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=tenacity.wait_random_exponential(self.wait_seconds, _LONGEST_WAIT_SECONDS),
            sleep=self.stop.wait,
            reraise=True,
        )
        try:
            return retrying(self._attempt, name, call)
        except Busy as busy:
            raise GaveUp(f"{name}: gave up after {self.attempts} attempts ({busy})") from busy

    def _attempt(self, name: str, call: Callable[[], T]) -> T:
        if self.stop.wait(self.pace.take_turn()):
            raise Stopped
        try:
            return call()
        except Busy as busy:
            if busy.retry_after_seconds > _LONGEST_RETRY_AFTER_SECONDS:
                raise ServiceError(
                    f"{name}: asks to come back in {busy.retry_after_seconds:.0f} s ({busy})"
                ) from busy
            # Nobody is to run into the same wall before that, this call as little as the others.
            self.pace.hold(busy.retry_after_seconds)
            raise


def side_by_side(
    work: Callable[[T], R],
    items: Iterable[T],
    concurrency: int,
    stop: threading.Event,
    done: Callable[[R], object],
    leaving: Callable[[], object] = lambda: None,
) -> None:
    """Calls `done`, in this thread, with what `work` returns for each item, as it comes.

    The first error, or Ctrl-C, sets `stop`, calls `leaving` and is raised when the requests under
    way, which are paid for, have ended.
    """

    def guarded(item: T) -> R:
        try:
            return work(item)
        except BaseException:
            stop.set()  # before another thread makes a request that would fail likewise
            raise

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        try:
            futures = [pool.submit(guarded, item) for item in items]
            for future in concurrent.futures.as_completed(futures):
                # Others stop because one failed, whose own error is still to come.
                with contextlib.suppress(Stopped):
                    done(future.result())
        except BaseException:
            # Leaving the pool waits.
            stop.set()
            leaving()
            raise
