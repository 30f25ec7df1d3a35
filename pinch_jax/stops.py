"""Stops: whoever is told to stop says where it is, and ends with a code that means "go on"."""

import contextlib
import signal
from collections.abc import Callable, Iterator

# EX_TEMPFAIL of sysexits.h, "try again": what a launcher may start again as it was.
GO_ON = 75


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came, and what was done is kept; says where it stopped."""


def listen() -> None:
    """Lets the first SIGTERM, which schedulers send, do what Ctrl-C does."""

    def stop(number, frame):
        ignore(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


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
