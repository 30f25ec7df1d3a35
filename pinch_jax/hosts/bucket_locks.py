"""One writer at a time in a bucket, without open files and without preconditions.

Whoever wants to write puts up a flag, an object of its own, and then looks for others: listings
show all that was written before, so that of two at least one sees the other, and takes its own
down. A flag is renewed; one that is not was left by a process that died.
"""

import contextlib
import json
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from pinch_jax.hosts.stops import GO_ON
from pinch_jax.storage.buckets import beside
from pinch_jax.storage.files import write_text

POLL_SECONDS = 1.0
SAY_SECONDS = 15.0
RENEW_SECONDS = 15.0
# Its writer stops itself when it cannot renew a flag for half of that.
EXPIRED_SECONDS = 120.0


@contextlib.contextmanager
def flag_up(lock: Path, who: str) -> Iterator[None]:
    """Holds a lock while the block runs; `who` holds it, others are told."""
    flag = lock.with_name(f"{lock.name}-{uuid.uuid4().hex[:12]}")
    told = {"by": who, "since": time.strftime("%Y-%m-%d %H:%M:%S")}

    def renew() -> None:
        write_text(flag, json.dumps(told | {"renewed": time.time()}))

    ended, over, started = threading.Event(), threading.Event(), []
    try:
        renewed = [_put_up(flag, lock, renew)]
        # The one that watches ends last, and does not depend on the other.
        for task in ((_keep_up, flag, renewed, ended, renew), (_watch, flag, renewed, over)):
            thread = threading.Thread(target=task[0], args=task[1:], daemon=True)
            thread.start()
            started.append(thread)
        yield
    finally:
        for thread, event in zip(started, (ended, over), strict=False):
            event.set()
            thread.join()
        flag.unlink(missing_ok=True)


def _put_up(flag: Path, lock: Path, renew: Callable[[], None]) -> float:
    """Returns once a flag is up, and no other one: since when, by the monotonic clock."""
    # The flags of others, and since when, by the clock of this process, they say what they say.
    seen: dict[Path, tuple[str, float]] = {}
    said = -SAY_SECONDS
    while True:
        if not (others := _alive(lock, flag, seen)):
            since = time.monotonic()
            renew()
            if not (others := _alive(lock, flag, seen)):
                return since
            flag.unlink()
        if time.monotonic() - said >= SAY_SECONDS:
            said = time.monotonic()
            say = f"waiting for {holder(others[0], lock)}"
            end = f"it counts as dead {EXPIRED_SECONDS:.0f} s after its last word; Ctrl-C ends the"
            print(f"{say} ({end} waiting)", file=sys.stderr, flush=True)
        # Two that saw each other shall not meet again.
        time.sleep(random.uniform(POLL_SECONDS, 2 * POLL_SECONDS))


def _alive(lock: Path, flag: Path, seen: dict[Path, tuple[str, float]]) -> list[str]:
    """Returns what the flags of others say, and deletes those that were left."""
    told = []
    for other in beside(lock, "-"):
        if other == flag:
            continue
        with contextlib.suppress(FileNotFoundError):  # it was taken down just now
            says, now = other.read_text(), time.monotonic()
            said, since = seen.get(other, ("", now))
            if said != says:
                seen[other] = says, now
            elif now - since > EXPIRED_SECONDS:
                other.unlink()
                continue
            told.append(says)
    return told


def _keep_up(
    flag: Path, renewed: list[float], ended: threading.Event, renew: Callable[[], None]
) -> None:
    """Renews a flag; `renewed` is since when, by the monotonic clock, it is not."""
    while not ended.wait(RENEW_SECONDS):
        try:
            if not flag.exists():
                _stop(flag)
            begun = time.monotonic()
            renew()
            renewed[0] = begun
        except Exception as error:  # the network may come back
            print(f"{flag}: not renewed yet ({error})", file=sys.stderr, flush=True)


def _watch(flag: Path, renewed: list[float], over: threading.Event) -> None:
    """Stops the process once a flag is not renewed: a request may hang, or end too late."""
    while (left := renewed[0] + EXPIRED_SECONDS / 2 - time.monotonic()) > 0:
        if over.wait(left):
            return
    _stop(flag)


def _stop(flag: Path) -> None:
    say = f"{flag}: not renewed in time, and another call may write; run again"
    print(say, file=sys.stderr, flush=True)
    os._exit(GO_ON)


def holder(told: str, lock: Path) -> str:
    """Returns who holds a lock, by what its file says."""
    try:
        held = json.loads(told)
        return f"{held['by']}, which writes {lock} since {held['since']}"
    except (ValueError, KeyError, TypeError):  # it is about to say who it is, or has just ended
        return f"another process, which writes {lock}"
