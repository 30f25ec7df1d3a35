"""Many pieces at a time, at a pace that the service allows, into the file of their language.

A service that is busy is asked again, after waits with jitter and what its Retry-After says.
"""

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import tenacity
from tqdm import tqdm

from pinch_jax.corpus.translation.pieces import Answer, PieceFile
from pinch_jax.corpus.translation.services import Busy, Refused, TranslationError
from pinch_jax.corpus.translation.translators import TranslationConfig, Translator

_LONGEST_WAIT_SECONDS = 60.0
# A service that asks for more has a quota of a day; a person had better know.
_LONGEST_RETRY_AFTER_SECONDS = 600.0

T = TypeVar("T")


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


class Patience:
    """Makes requests in turn and again while the service is busy; stops when `stop` is set."""

    def __init__(
        self, pace: Pace, attempts: int, wait_seconds: float, stop: threading.Event
    ) -> None:
        self._pace = pace
        self._attempts = attempts
        self._wait_seconds = wait_seconds
        self._stop = stop

    def request(self, name: str, call: Callable[[], T]) -> T:
        """Returns what a call returns, making it again after each `Busy`.

        Raises:
          Stopped: `stop` was set before the call could be made.
          TranslationError: it was busy at every attempt, or asks to be left alone for long.
          Exception: whatever else the call raises.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Busy),
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=tenacity.wait_random_exponential(self._wait_seconds, _LONGEST_WAIT_SECONDS),
            sleep=self._stop.wait,
            reraise=True,
        )
        try:
            return retrying(self._attempt, call)
        except Busy as busy:
            raise TranslationError(
                f"{name}: gave up after {self._attempts} attempts ({busy})"
            ) from busy

    def _attempt(self, call: Callable[[], T]) -> T:
        if self._stop.wait(self._pace.take_turn()):
            raise Stopped
        try:
            return call()
        except Busy as busy:
            if busy.retry_after_seconds > _LONGEST_RETRY_AFTER_SECONDS:
                raise TranslationError(
                    f"the service asks to come back in {busy.retry_after_seconds:.0f} s ({busy})"
                ) from busy
            # Nobody is to run into the same wall before that, this call as little as the others.
            self._pace.hold(busy.retry_after_seconds)
            raise


def translate_pieces(
    pieces: Sequence[str],
    target: str,
    translator: Translator,
    config: TranslationConfig,
    file: PieceFile,
    progress: bool,
) -> None:
    """Puts into the file what it lacks of some pieces, each as soon as it is there.

    Many are translated at a time. Ctrl-C and errors end it when the requests under way are done.

    Raises:
      TranslationError: the translator cannot go on.
    """
    missing = [piece for piece in pieces if file.get(piece) is None]
    stop = threading.Event()
    pace = Pace(config.requests_per_second)
    patience = Patience(pace, config.attempts, config.wait_seconds, stop)

    def translate(piece: str) -> int:
        try:
            file.add(
                piece,
                patience.request(
                    translator.name, lambda: ask(translator, piece, config.source, target)
                ),
            )
        except BaseException:
            stop.set()  # before another thread makes a request that would fail likewise
            raise
        return len(piece)

    bar = tqdm(
        desc=f"translate into {target}",
        total=sum(map(len, missing)),
        unit="character",
        unit_scale=True,
        disable=not progress,
    )
    with bar, concurrent.futures.ThreadPoolExecutor(config.concurrency) as pool:
        try:
            futures = [pool.submit(translate, piece) for piece in missing]
            for future in concurrent.futures.as_completed(futures):
                # Others stop because one failed, whose own error is still to come.
                with contextlib.suppress(Stopped):
                    bar.update(future.result())
        except BaseException:
            # What is under way is paid for: leaving the pool waits until it is in the file.
            stop.set()
            bar.set_postfix_str("waiting for what is under way")
            raise


def ask(translator: Translator, text: str, source: str, target: str) -> Answer:
    """Returns what a translator has to say to a text, also where it refuses."""
    try:
        return Answer(translator.translate(text, source, target), None)
    except Refused as refused:
        return Answer(None, str(refused))
