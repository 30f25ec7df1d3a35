"""A program compiled ahead of time, and what is kept of that: a record that JSON can hold."""

import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxlib.version
from jax.errors import JaxRuntimeError

from pinch_jax.devices.mesh import TPU_OPTIONS
from pinch_jax.forecast.chips import Topology
from pinch_jax.forecast.cost import GPU_PEAK, Cost, cost_of, matmul_flops
from pinch_jax.forecast.hlo import Program
from pinch_jax.forecast.programs import PlannedProgram
from pinch_jax.storage.files import digest, read_record, write_record
from pinch_jax.storage.folders import delete_unfinished
from pinch_jax.study.run import XLA_OPTIONS

# Part of what records are kept by: raised when the same program would be read otherwise.
FORECAST_VERSION = 3
_REMEDY = "delete it, and it is compiled again"
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = r"([\d.]+)([KMGT]?)"
_USED = (
    rf"Used {_SIZE}i?B? of {_SIZE}i?B? hbm",
    rf"required for HLO temporaries \({_SIZE}\) exceeds available HBM \({_SIZE}\)",
)


def forecast(planned: PlannedProgram, topology: Topology, kept: Path) -> dict[str, Any]:
    """Returns what a program needs on a topology.

    It is compiled unless `kept`, a folder, has a record of the same program, compiler and topology.

    program, topology, chips, size; fits, limit_bytes, peak_bytes (where it does not fit, what it
    would use, as far as the compiler says; None where it does not); memory: bytes by what a device
    holds; largest: the largest arrays, of what does not fit; compile_seconds; and where it fits:
    compute_seconds by what they are spent on, collectives, exposed_seconds and hidden_seconds (a
    call, with collectives that wait for nothing else or with none that is waited for), mfu.
    """
    lowered = planned.lower()
    options = [os.environ.get(name, "") for name in XLA_OPTIONS]
    compiler = [topology.compiler, jaxlib.version.__version__, TPU_OPTIONS, *options]
    key = digest([FORECAST_VERSION, topology.name, compiler, lowered.as_text()])
    path = kept / f"{key}.json"
    if path.exists():
        return read_record(path, _REMEDY)
    delete_unfinished(kept)
    started = time.monotonic()
    about = f"compiling {planned.kind} for {topology.name}"
    expected = _expected(planned, topology, kept)
    try:
        compiled = _in_background(lowered.compile, about, expected)
        measured = _measured(compiled, lowered, planned, topology)
    except JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        measured = out_of_memory(str(error)) | {"fits": False, "memory": dict(planned.held)}
        measured["limit_bytes"] = measured["limit_bytes"] or topology.chip.memory
    record = {
        "program": planned.kind,
        "topology": topology.name,
        "chips": topology.chips,
        "size": planned.size,
        "work": planned.work,
        "model_flops": planned.flops,
        "compile_seconds": round(time.monotonic() - started, 1),
        "compiler": compiler[0],
        **measured,
    }
    kept.mkdir(parents=True, exist_ok=True)
    write_record(path, record)
    return record


def _measured(
    compiled: Any, lowered: Any, planned: PlannedProgram, topology: Topology
) -> dict[str, Any]:
    stats, chip = compiled.memory_analysis(), topology.chip
    new = stats.output_size_in_bytes - stats.alias_size_in_bytes
    peak = stats.argument_size_in_bytes + stats.temp_size_in_bytes + new
    if not topology.is_gpu:
        peak = stats.peak_memory_in_bytes
    peak += planned.beside
    cost = cost_of(Program(compiled.as_text(), planned.loops), planned, topology)
    seconds = cost.seconds
    if topology.is_gpu:
        flops = matmul_flops(Program(lowered.as_text("hlo"), planned.loops))
        products = flops / topology.chips / chip.flops / GPU_PEAK
        waiting = max(planned.read / chip.bandwidth - products, 0)
        seconds = {"matmul": products, "reading weights and cache": waiting}
    computing, sending = sum(seconds.values()), sum(c.seconds for c in cost.collectives)
    ideal = planned.flops / topology.chips / chip.flops
    exposed, hidden = computing + sending, max(computing, sending)
    return {
        "fits": peak <= chip.memory,
        "peak_bytes": peak,
        "limit_bytes": chip.memory,
        "memory": _memory(planned, cost, peak),
        "compute_seconds": seconds,
        "collectives": [c._asdict() for c in cost.collectives],
        "exposed_seconds": exposed,
        "hidden_seconds": hidden,
        "mfu": [ideal / exposed, ideal / hidden],
        "kernel_flops": cost.kernel_flops,
        "unknown_loops": cost.unknown_loops,
    }


def _memory(planned: PlannedProgram, cost: Cost, peak: int) -> dict[str, float]:
    """Returns the bytes of a device by what they are; they add up to the peak.

    What is made in the program is not all there at the peak: the rest may be below zero, and is
    then left out of it, as is what has no room.
    """
    parts, room = dict(planned.held), peak - sum(planned.held.values())
    for name, size in (planned.made | {"head": cost.head_bytes}).items():
        parts[name] = max(min(size, room), 0)
        room -= parts[name]
    return parts | {"other": max(room, 0)}


def out_of_memory(message: str) -> dict[str, Any]:
    """Returns what a compiler says that ran out of memory: peak, limit, and the largest arrays."""
    peak = limit = None
    for pattern in _USED:
        if found := re.search(pattern, message):
            peak = float(found[1]) * _UNITS[found[2]]
            limit = float(found[3]) * _UNITS[found[4]]
            break
    # Each array is told with the name of what makes it.
    block = r"Size: ([\d.]+)([KMGT]?).*?(?:op_name=\"([^\"]*)\").*?Shape: (\S+)"
    largest = [
        {"bytes": float(n) * _UNITS[unit], "made_by": name, "shape": shape.split("{")[0]}
        for n, unit, name, shape in re.findall(block, message, re.DOTALL)
    ]
    return {"peak_bytes": peak, "limit_bytes": limit, "largest": largest[:5]}


def _expected(planned: PlannedProgram, topology: Topology, kept: Path) -> float | None:
    """Returns the seconds that the most similar program took to compile; None if there is none."""

    def distance(record):
        flops = math.log(record["model_flops"] / planned.flops)
        return abs(flops) + abs(math.log(record["chips"] / topology.chips))

    records = [read_record(path, _REMEDY) for path in sorted(kept.glob("*.json"))]
    same = [record for record in records if record["program"] == planned.kind]
    return min(same, key=distance)["compile_seconds"] if same else None


def _in_background(compile_it: Callable[[], Any], about: str, expected: float | None) -> Any:
    """Returns what a compilation returns, and says how far it is.

    A compiler does not hear Ctrl-C: it works in a thread, and this one waits.
    """
    result: dict[str, Any] = {}

    def work():
        try:
            result["made"] = compile_it()
        except BaseException as error:  # which the thread that waits raises
            result["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    started, told = time.monotonic(), 0.0
    thread.start()
    while thread.is_alive():
        thread.join(0.5)
        passed = time.monotonic() - started
        if passed - told >= (1 if sys.stderr.isatty() else 30):
            told = passed
            left = ""
            if expected is not None and passed < expected:
                left = f", about {expected - passed:.0f} s left"
            elif expected is not None:
                left = f", longer than the {expected:.0f} s of a like one"
            begin, end = ("\r", " " * 8) if sys.stderr.isatty() else ("", "\n")
            print(f"{begin}{about}: {passed:.0f} s{left}", end=end, file=sys.stderr, flush=True)
    if told and sys.stderr.isatty():
        print(file=sys.stderr)
    if "error" in result:
        raise result["error"]
    return result["made"]
