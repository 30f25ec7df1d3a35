"""One writer at a time, on a disk that several hosts may share, or in a bucket.

On a disk a lock is held by an open file: whoever dies, or whose host dies, holds it no more.
"""

import contextlib
import errno
import fcntl
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from absl import logging

from pinch_jax.hosts.bucket_locks import SAY_SECONDS, flag_up, holder
from pinch_jax.hosts.goodput import doing
from pinch_jax.hosts.waiting import primary_alone
from pinch_jax.storage.buckets import in_bucket
from pinch_jax.storage.files import naming

POLL_SECONDS = 0.5
# Of a file system; two of them are one number on Linux, and two on macOS.
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Holds a lock while the block runs: waits for whoever holds it, and says who that is.

    `path` is the lock's file, and gone afterwards.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    who = f"process {os.getpid()} on {socket.gethostname()}: {command}"
    if in_bucket(path):
        with flag_up(path, who):
            yield
        return
    with _acquired(path) as file:
        told = {"by": who, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        try:
            with naming(path):
                file.truncate(0)
                # Not through its buffer, which would be written once more when it is closed.
                os.write(file.fileno(), json.dumps(told).encode())
            yield
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def one_writer(path: Path, prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds a lock in the first process while the block runs in all of them.

    `prepare` is called in the first, with the lock held, before any goes on.
    """
    with contextlib.ExitStack() as held:

        def hold() -> None:
            held.enter_context(only_writer(path))
            prepare()

        primary_alone(f"waiting for {path}", hold)
        yield


def lock_of(output: Path) -> Path:
    """Returns the lock of a file that a call writes."""
    return output.with_name(f"{output.name}.lock")


def _acquired(path: Path) -> IO[str]:
    """Returns the file of a lock that is held."""
    while True:
        file = path.open("a+", encoding="utf-8")
        _acquire(path, file)
        # Whoever held it may have deleted it meanwhile, and somebody else made a new one.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


@doing("waiting")
def _acquire(path: Path, file: IO[str]) -> None:
    started, said = time.monotonic(), -SAY_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - started
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            logging.warning(
                "%s: this file system has no locks; see that one process alone writes here", path
            )
            return
        if waited - said >= SAY_SECONDS:
            said = waited
            file.seek(0)
            say = f"waiting for {holder(file.read(), path)} (Ctrl-C ends the waiting)"
            print(say, file=sys.stderr, flush=True)
        time.sleep(POLL_SECONDS)
