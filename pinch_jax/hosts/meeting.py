"""Processes meet before JAX joins them: who is there, and who is awaited.

JAX joins processes by itself, but aborts where one is missing, and does not say which. So they
meet first, on the same port: each reports to process 0, which says who is missing until
everyone is there, and then leaves the port to JAX.
"""

import asyncio
import contextlib
import os
import re
import socket
import sys

from pinch_jax.errors import UserError

SAY_SECONDS = 5.0
RETRY_SECONDS = 0.5


class GaveUp(TimeoutError, ValueError):
    """Process 0 did not wait for all: they may come the next time."""


async def meet(coordinator: str, processes: int, process: int, timeout_seconds: float) -> None:
    """Returns, in every process, once all of them have come.

    Raises:
        UserError: an address that is none, a port that is taken, another process of the same
            number or of another run.
        TimeoutError: names the processes that did not come.
    """
    match = re.fullmatch(r"\[?(.+?)\]?:(\d{1,5})", coordinator)
    if not match or not 0 < int(match[2]) < 1 << 16:
        raise UserError(f"--coordinator={coordinator}: write HOST:PORT, such as 10.0.0.2:8476")
    side = _Host(processes) if process == 0 else _Guest(coordinator, processes, process)
    try:
        async with asyncio.timeout(timeout_seconds) as limit:
            ticker = asyncio.create_task(_say_regularly(side, limit))
            try:
                await side.meet(match[1], int(match[2]), limit)
            finally:
                ticker.cancel()
    except GaveUp:
        raise
    except TimeoutError:
        raise TimeoutError(f"gave up: {side.awaited()}") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _say_regularly(side: "_Host | _Guest", limit: asyncio.Timeout) -> None:
    while True:
        left = limit.when() - asyncio.get_running_loop().time()
        _say(f"{side.awaited()}; {left:.0f} s left")
        await asyncio.sleep(SAY_SECONDS)


class _Host:
    """Process 0: takes one line from each of the others, and answers once all are there."""

    def __init__(self, processes: int):
        self._processes = processes
        self._here: dict[int, tuple[str, asyncio.StreamWriter]] = {}
        self._complete = asyncio.Event()
        self._connections: set[asyncio.Task] = set()

    def awaited(self) -> str:
        missing = [str(n) for n in range(1, self._processes) if n not in self._here]
        here = ["0", *(f"{n} ({name})" for n, (name, _) in sorted(self._here.items()))]
        return (
            f"process 0 of {self._processes} waits for {', '.join(missing)}; "
            f"here: {', '.join(here)}"
        )

    async def meet(self, host: str, port: int, limit: asyncio.Timeout) -> None:
        def take(*streams):
            self._connections.add(asyncio.create_task(self._take(*streams)))

        try:
            server = await asyncio.start_server(take, port=port)
        except OSError as error:
            raise UserError(
                f"--coordinator={host}:{port}: {error.strerror}; choose another port"
            ) from None
        answer = "go"
        try:
            await self._complete.wait()
        except asyncio.CancelledError:
            answer = f"gave up: {self.awaited()}"
            raise
        finally:
            server.close()
            for _, writer in self._here.values():
                writer.write(f"{answer}\n".encode())
                writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Listens to one connection while it is open; a stranger's holds up nobody."""
        with contextlib.suppress(OSError, ValueError), contextlib.closing(writer):
            match = re.fullmatch(rb"pinch (\d+) of (\d+), (\S+)\n", await reader.readline())
            if not match:
                return
            number, processes, name = int(match[1]), int(match[2]), match[3].decode()
            if refusal := self._refusal(number, processes):
                _say(f"process 0 refused {name}: {refusal}")
                writer.write(f"refused: {refusal}\n".encode())
                return
            self._here[number] = name, writer
            _say(f"process {number} is here: {name}")
            if len(self._here) == self._processes - 1:
                self._complete.set()
            with contextlib.suppress(OSError):
                await reader.read()
            if not self._complete.is_set():
                del self._here[number]
                _say(f"process {number} has gone: {name}")

    def _refusal(self, number: int, processes: int) -> str | None:
        if processes != self._processes or not 0 < number < processes:
            return f"--process={number} --processes={processes} in a run of {self._processes}"
        if number in self._here:
            return f"--process={number} is {self._here[number][0]}; give each its own number"
        return None


class _Guest:
    """Any other process: reports to process 0, which may not be there yet, until it answers."""

    def __init__(self, coordinator: str, processes: int, process: int):
        self._greeting = f"pinch {process} of {processes}, {socket.gethostname()}:{os.getpid()}\n"
        self._process = process
        self._host = f"process 0 at {coordinator}"
        self._status = "not there yet"

    def awaited(self) -> str:
        return f"process {self._process} waits for {self._host}: {self._status}"

    async def meet(self, host: str, port: int, limit: asyncio.Timeout) -> None:
        now = asyncio.get_running_loop().time
        deadline = limit.when()
        patience_seconds = deadline - now()
        while True:
            try:
                connecting = asyncio.open_connection(host, port)
                reader, writer = await asyncio.wait_for(connecting, SAY_SECONDS)
                with contextlib.closing(writer):
                    writer.write(self._greeting.encode())
                    # As long as it listens it is process 0 that gives up, and says who is missing.
                    limit.reschedule(now() + patience_seconds + SAY_SECONDS)
                    self._status = "it waits for the others"
                    answer = (await reader.readline()).decode().strip()
            except (OSError, ValueError) as error:
                self._status = getattr(error, "strerror", None) or "no answer"
            else:
                if answer == "go":
                    return
                if answer.startswith("refused: "):
                    raise UserError(f"{self._host} {answer}")
                if answer.startswith("gave up: "):
                    raise GaveUp(f"{self._host} {answer}")
                self._status = "it hung up" if not answer else "something else is there"
            limit.reschedule(deadline)
            await asyncio.sleep(RETRY_SECONDS)
