"""A side of gpu.py is a process of its own, which works through cases and never outlives its time.

    python gpu_worker.py gpu_ours

answers lines of JSON with lines of JSON; the module has `hello()`, `prepare(case)` -> (check, run)
and `peak_gib()`. What goes wrong in a case is an answer too, and the next case is tried.
"""

import gc
import importlib
import json
import os
import select
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

OUT_OF_TIME = "out of time"


class Measured:
    """What a side made of a case.

    Attributes:
        check: what it computed before it was timed.
        seconds: of each turn.
        peak_gib: its memory on the device, at most, so far.
        error: why there is no more.
    """

    def __init__(self, check: Any = None, error: str = ""):
        self.check, self.error = check, error
        self.seconds: list[float] = []
        self.peak_gib = 0.0


class Worker:
    """A side, seen from the one who tells it what to do.

    Attributes:
        hello: what it says of its device; {} where it did not start.
        error: why it does no more.
        failed: whether a case has gone wrong in it, which may have left the device unusable.
    """

    def __init__(self, module: str, environment: dict[str, str]):
        command = [sys.executable, __file__, module]
        pipe, inherited = subprocess.PIPE, os.environ | environment
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=inherited)
        self.hello: dict[str, Any] = {}
        self.error, self.failed = "", False

    def greet(self, deadline: float) -> None:
        """Waits until it has started."""
        self.hello = self._hear(deadline)
        self.error = self.error or self.hello.pop("error", "")

    def begin(self, case: dict[str, Any]) -> None:
        """Tells it to prepare a case, and does not wait."""
        self._tell({"case": case})

    def prepared(self, deadline: float) -> Measured:
        """Returns what `begin` led to."""
        answer = self._hear(deadline)
        return Measured(answer.get("check"), answer.get("error", ""))

    def turn(self, measured: Measured, deadline: float) -> None:
        """Has it run once; adds to what was measured."""
        if measured.error:
            return
        self._tell({"turn": True})
        answer = self._hear(deadline)
        if "error" in answer:
            measured.error = answer["error"]
            return
        measured.seconds.append(answer["seconds"])
        measured.peak_gib = answer["peak_gib"]

    def close(self) -> None:
        """Ends the process; waits until its memory is free."""
        self._process.kill()
        self._process.wait()

    def _tell(self, message: dict[str, Any]) -> None:
        if not self.error:
            try:
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                self.error = f"the process ended with {self._process.wait()}"

    def _hear(self, deadline: float) -> dict[str, Any]:
        """Returns an answer, {"error": ...} where there is none."""
        answer = self._answer(deadline)
        self.failed |= "error" in answer
        return answer

    def _answer(self, deadline: float) -> dict[str, Any]:
        if self.error:
            return {"error": self.error}
        # An answer is written at once, and the next one is not asked for before it is read.
        ready, _, _ = select.select([self._process.stdout], [], [], max(deadline - time.time(), 0))
        if not ready:
            self.error = OUT_OF_TIME
            self.close()
        elif line := self._process.stdout.readline():
            return json.loads(line)
        else:
            self.error = f"the process ended with {self._process.wait()}"
        return {"error": self.error}


def _serve(module_name: str) -> None:
    # What libraries print goes to standard error: the answers have standard output to themselves.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    def failed(error: Exception) -> None:
        traceback.print_exc()
        say({"error": f"{type(error).__name__}: {error}"[:500]})

    try:
        module = importlib.import_module(module_name)
        say(module.hello())
    except Exception as error:
        failed(error)
        return
    run = None
    for line in sys.stdin:
        told = json.loads(line)
        try:
            if "case" in told:
                run = None
                gc.collect()
                check, run = module.prepare(module.Case(**told["case"]))
                say({"check": check})
            else:
                start = time.perf_counter()
                run()
                seconds = time.perf_counter() - start
                say({"seconds": seconds, "peak_gib": module.peak_gib()})
        except Exception as error:
            failed(error)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    _serve(sys.argv[1])
