"""Stops: whoever is told to stop says where it is, and ends with a code that means "go on"."""

import contextlib
import gc
import os
import signal
import threading
import types
from collections.abc import Callable, Iterator

# EX_TEMPFAIL of sysexits.h, "try again": what a launcher may start again as it was.
GO_ON = 75
# EX_SOFTWARE: what one of several processes ends with that failed otherwise than by its input. Its
# fault may be that another one is gone, and then the same call goes on.
FAULT = 70
# How soon a signal that came while a module was imported is looked at again.
POLL_SECONDS = 0.05


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came, and what was done is kept; says where it stopped."""


def listen() -> None:
    """Lets Ctrl-C, and the first SIGTERM, which schedulers send, raise KeyboardInterrupt.

    It waits where an exception would be lost, or end the process (`_is_deaf`).
    A process that was started to leave Ctrl-C unheard, such as a shell's background job, does so.
    """

    def stop(number, frame):
        if _is_deaf(frame):
            again = threading.Timer(POLL_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        if number == signal.SIGTERM:
            ignore(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def _is_deaf(frame: types.FrameType | None) -> bool:
    """Returns whether a module is imported here, or garbage collected.

    An exception would end C++ that is about to start with -6, and be dropped by the collection.
    """
    collecting = {getattr(call, "__code__", None) for call in gc.callbacks}
    while frame:
        code = frame.f_code
        if code.co_filename.startswith("<frozen importlib"):
            return True
        if code in collecting or code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def ignore(*signals: int) -> None:
    """Leaves signals unheard from now on.

    A scheduler repeats SIGTERM while all processes save and leave; and whoever has done its work
    ends as if no signal had come.
    """
    for number in signals:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def stoppable(where: str | Callable[[], str]) -> Iterator[None]:
    """Says `where` the block was stopped, unless a block in it did.

    Raises:
        Interrupted: in the place of KeyboardInterrupt.
    """
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        place = where if isinstance(where, str) else where()
        raise Interrupted(f"stopped {place}; run again to go on") from None
