"""The lines of gpu.py: whether both sides computed the same, and what was measured."""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

from gpu_inputs import Case
from gpu_worker import OUT_OF_TIME, Measured, Worker

from pinch_jax.forecast.chips import CHIPS

# Of bf16: relative for losses and gradient norms, a fraction of the rows for the first new tokens
# (one near tie changes all that follow), and the norm of an error over that of what is right.
LOSS_TOLERANCE, NORM_TOLERANCE, EQUAL_FIRST, ERROR_TOLERANCE = 1e-2, 5e-2, 0.9, 2e-2
HEAD = f"{'':48}{'tokens/s':>20}{'':7}{'MFU':>14}{'peak GiB':>16}"


def name_of(case: Case) -> str:
    """Returns what a line is called."""
    return " ".join(
        filter(None, [case.kind, case.model, case.mask, f"{case.rows}x{case.new or case.width}"])
    )


def is_right(side: dict[str, Any]) -> bool:
    """Returns whether a side's attention ran and is that of the reference, as far as is known."""
    return side["error"] in ("", OUT_OF_TIME) and not wrong(side.get("errors", {}))


def wrong(errors: dict[str, float]) -> dict[str, str]:
    """Returns the errors that are too large, and those that are no number."""
    return {name: f"{e:.1e}" for name, e in errors.items() if not e <= ERROR_TOLERANCE}


def differ(kind: str, ours: Any, theirs: Any) -> str:
    """Returns how results differ, "" where they are equal within the tolerance."""
    if kind == "attention":
        both = {"ours": wrong(ours["errors"]), "theirs": wrong(theirs["errors"])}
        return f"off the reference: {both}" if any(both.values()) else ""
    if kind == "train":
        for a, b in zip(ours["steps"], theirs["steps"], strict=True):
            loss, norm = (abs(x / y - 1) for x, y in zip(a, b, strict=True))
            if not (loss <= LOSS_TOLERANCE and norm <= NORM_TOLERANCE):
                return f"losses and gradient norms are {ours['steps']} and {theirs['steps']}"
        return ""
    rows = list(zip(ours["ids"], theirs["ids"], strict=True))
    if any(len(a) != len(b) for a, b in rows):
        return "answers are of different lengths"
    first = sum(a[0] == b[0] for a, b in rows) / len(rows)
    return "" if first >= EQUAL_FIRST else f"{first:.1%} of the first new tokens are equal"


def equal_ids(ours: list[list[int]], theirs: list[list[int]]) -> float:
    """Returns the fraction of new tokens that are equal."""
    pairs = [pair for rows in zip(ours, theirs, strict=True) for pair in zip(*rows, strict=False)]
    return sum(a == b for a, b in pairs) / len(pairs)


class Report:
    """What was found so far, in a file after each line.

    Attributes:
        lines: what was measured.
    """

    def __init__(self, path: Path, versions: dict[str, str]):
        self._path, self._started = path, time.time()
        self.lines: list[dict[str, Any]] = []
        self._told: dict[str, Any] = {"versions": versions}
        print(" ".join(f"{name}={version or '-'}" for name, version in versions.items()))
        self._write()

    @property
    def seconds(self) -> float:
        """Since it was begun."""
        return time.time() - self._started

    def greet(self, ours: Worker, theirs: Worker) -> None:
        """Keeps what the sides say of the device, and prints it the first time."""
        hellos = {"ours": ours.hello, "theirs": theirs.hello}
        for name, side in (("ours", ours), ("theirs", theirs)):
            if side.error:
                print(f"{name} does not start: {side.error}", flush=True)
        if "device" not in self._told:
            self._told["device"] = hellos
            print(f"{hellos}\n{HEAD}", flush=True)

    def has(self, case: Case, their_way: str) -> bool:
        """Returns whether what is asked for here is what an earlier line came to do."""
        return any(
            (line["case"], line["their_way"]) == (name_of(case), their_way)
            and line["ours"].get("attention") == case.way
            for line in self.lines
        )

    def add(
        self, case: Case, their_way: str, ours: Measured, theirs: Measured, in_turns: bool = True
    ) -> None:
        """Adds a line of our case and a way of theirs, writes it and prints it."""
        line: dict[str, Any] = {
            "case": name_of(case),
            "asked": case.way,
            "their_way": their_way,
            "in_turns": in_turns,
            "turns": min(len(ours.seconds), len(theirs.seconds)),
            "ours": self._side(case, ours),
            "theirs": self._side(case, theirs),
            "differs": "not compared",
            "ratio": None,
        }
        if ours.check and theirs.check:
            line["differs"] = differ(case.kind, ours.check, theirs.check)
            if case.kind == "decode":
                line["equal_ids"] = equal_ids(ours.check["ids"], theirs.check["ids"])
        if line["turns"] and not line["differs"]:
            mine, other = (statistics.median(side.seconds) for side in (ours, theirs))
            line["ratio"] = other / mine
        self.lines.append(line)
        self._write()
        show(line)

    def _side(self, case: Case, side: Measured) -> dict[str, Any]:
        told = {"error": side.error, "seconds": side.seconds, "peak_gib": side.peak_gib}
        told |= {name: value for name, value in (side.check or {}).items() if name != "ids"}
        if side.seconds:
            seconds = statistics.median(side.seconds)
            told["tokens_per_second"] = case.tokens / seconds
            device = self._told.get("device", {}).get("theirs", {}).get("device", "")
            peak = next((chip.flops for name, chip in CHIPS.items() if name in device), 0.0)
            if peak and case.flops:
                told["mfu"] = case.flops / seconds / peak
        return told

    def _write(self) -> None:
        """Writes all of it, whole at any time."""
        told = {**self._told, "seconds": self.seconds, "lines": self.lines}
        beside = self._path.with_name(self._path.name + ".part")
        beside.write_text(json.dumps(told, indent=1) + "\n")
        os.replace(beside, self._path)


def show(line: dict[str, Any]) -> None:
    """Prints a line of the table, and below it what went wrong."""
    ours, theirs = line["ours"], line["theirs"]

    def column(value: float | None, width: int, digits: int) -> str:
        return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"

    used = f"{ours.get('attention', 'ours')} : {line['their_way']}"
    print(
        f"{line['case']}, {used}".ljust(48)
        + "".join(column(side.get("tokens_per_second"), 10, 0) for side in (ours, theirs))
        + column(line["ratio"], 7, 2)
        + "".join(column(side.get("mfu"), 7, 3) for side in (ours, theirs))
        + "".join(column(side["peak_gib"], 8, 2) for side in (ours, theirs))
        + f"{line['turns']:4}",
        flush=True,
    )
    for what in (
        ours.get("why") and f"our attention is the einsum: {ours['why']}",
        ours["error"] and f"ours: {ours['error']}",
        theirs["error"] and f"theirs: {theirs['error']}",
        line["differs"],
        "" if line["in_turns"] else "one side after the other: both do not fit at once",
    ):
        if what:
            print(f"    {what}", flush=True)
