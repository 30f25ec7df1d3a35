"""The two sides of a benchmark: each a process of its own, which runs once when it is told.

Both stay alive between their turns, so that neither loads or compiles while the other is timed,
and each has its own peak of memory. What a side prints goes to standard error; its answers have
standard output to themselves.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

CORES = len(os.sched_getaffinity(0))
# A run begins when others take less than this fraction of the machine; if it turns out that they
# took more, it is made again.
FOREIGN_FRACTION = 0.1
MAX_REPEATS = 40


class Turn(NamedTuple):
    """One run: its seconds, the CPU's in this process, peak memory so far, and what came of it."""

    seconds: float
    cpu_seconds: float
    peak_gib: float
    result: Any


class Turns:
    """What a side is told, and what it answers; a side that is told nothing more ends."""

    def __init__(self):
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def ready(self, check: dict[str, Any]) -> None:
        """Says that all is compiled, and what was computed so far."""
        self._say(check)

    def begin(self) -> None:
        """Waits until the side is told to run."""
        if not sys.stdin.readline():
            raise SystemExit
        self._start, self._cpu_start = time.perf_counter(), sum(os.times()[:2])

    def end(self) -> None:
        """Stops the clock."""
        self._seconds = time.perf_counter() - self._start
        self._cpu_seconds = sum(os.times()[:2]) - self._cpu_start

    def tell(self, result: Any = None) -> None:
        """Says how long it took."""
        self._say(Turn(self._seconds, self._cpu_seconds, peak_gib(), result))

    def take(self, run: Callable[[], Any]) -> None:
        """Runs once a turn, until there are no more."""
        while True:
            self.begin()
            run()
            self.end()
            self.tell()

    def _say(self, value: Any) -> None:
        self._answers.write(json.dumps(value) + "\n")
        self._answers.flush()


class Side:
    """A side, seen from the one who tells it to run.

    Attributes:
        check: what it has computed before its first turn.
    """

    def __init__(self, program: str, case: dict[str, Any]):
        command = [sys.executable, str(Path(__file__).parent / program), json.dumps(case)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.check: dict[str, Any] = self._hear()

    def run(self) -> Turn:
        """Returns a run of it that others have not disturbed."""
        for _ in range(MAX_REPEATS):
            _wait_until_quiet()
            busy = _busy_seconds()
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
            turn = Turn(*self._hear())
            foreign = _busy_seconds() - busy - turn.cpu_seconds
            if foreign <= FOREIGN_FRACTION * CORES * turn.seconds:
                return turn
            print(f"again: others took {foreign:.1f} s of {turn.seconds:.1f} s", file=sys.stderr)
        raise SystemExit(f"the machine was never quiet in {MAX_REPEATS} runs")

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()

    def _hear(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[1:]} ended with {self._process.wait()}")
        return json.loads(line)


def peak_gib() -> float:
    """Returns the peak of this process; `ru_maxrss` begins with that of the one that started it."""
    with open("/proc/self/status") as file:
        kib = next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    return kib / 2**20


def _wait_until_quiet() -> None:
    busy, seconds = _busy_seconds(), 1.0
    time.sleep(seconds)
    while _busy_seconds() - busy > FOREIGN_FRACTION * CORES * seconds:
        busy = _busy_seconds()
        time.sleep(seconds)


def _busy_seconds() -> float:
    """Returns the CPU seconds of all processes, and those that a host took from this machine."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, *interrupts_and_stolen = map(int, file.readline().split()[1:9])
    ticks = user + nice + system + sum(interrupts_and_stolen)
    return ticks / os.sysconf("SC_CLK_TCK")
