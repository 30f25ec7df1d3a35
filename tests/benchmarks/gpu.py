"""On one GPU: attention, packed training and decoding, ours against transformers on torch.

    python tests/benchmarks/gpu.py --out=gpu.json
    python tests/benchmarks/gpu.py --size=toy --device=cpu

Gemma 3 270M and 1B from nothing, bf16. Nothing is downloaded, and of this project the model, the
train step and decoding are imported alone. Each side is a process of its own. First it is checked
that they compute the same; then they take turns, and medians are printed and written after each
measurement. A part that has used up its time is left, and so is one side that fails: the rest is
measured. docs/gpu.md has more.
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

try:
    from gpu_inputs import Case
    from gpu_report import Report, is_right
    from gpu_worker import Measured, Worker

    from pinch_jax.model.config_json import write_config
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}: install it, from a wheel where nothing can be fetched") from None

PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "tokamax", "numpy"),
    *("torch", "transformers", "triton", "flash-attn"),
)
# The seconds that each part may take; what one leaves over is the next one's.
SECONDS = {"attention": 80, "train": 100, "decode": 90}
# Of the toy size, which may share its CPU with others, as much longer.
PATIENCE = 5
# Both sides of training 1B do not fit on a card of 80 GB at once.
TOGETHER_GIB = 120
MASKS = ("global", "window", "softcap")
OURS, THEIRS = "gpu_ours", "gpu_torch"
Line = tuple[Case, Case]


def attention_lines(toy: bool, directory: Path) -> list[Line]:
    """Returns what measures one layer: what we choose, then the einsum."""
    model, width, calls = ("toy", 64, 2) if toy else ("1b", 2048, 20)

    def layer(mask: str, way: str) -> Case:
        kept = str(directory / f"{mask}.npz")
        return Case("attention", model, 4, width, way, calls, mask=mask, reference=kept)

    theirs = {mask: layer(mask, "eager" if mask == "softcap" else "sdpa") for mask in MASKS}
    lines = [(layer(mask, way), theirs[mask]) for way in ("auto", "einsum") for mask in MASKS]
    if not toy:  # it has no gradient on a CPU
        lines += [(layer(mask, "auto"), layer(mask, "flex")) for mask in MASKS]
    return lines


def model_lines(toy: bool, attention: str) -> Iterator[tuple[str, list[Line]]]:
    """Yields (kind, lines) of training and decoding; what matters most comes first.

    `attention` is what our side is told to run on packed rows.
    """
    models, width = (("toy",), 64) if toy else (("1b", "270m"), 2048)
    flash = ["flash"] if importlib.util.find_spec("flash_attn") else []
    for model in models:
        rows = 4 if toy or model == "1b" else 8
        ours = Case("train", model, rows, width, attention, 2 if toy else 5)
        yield "train", against(ours, [*flash, "sdpa", "sdpa bf16", *([] if toy else ["flex"])])
    for model in models:
        prompt, new = (16, 8) if toy else (128, 128)
        yield (
            "decode",
            [
                line
                for way in ("generate", *([] if toy else ["static"]))
                for rows in ((4, 8) if toy else (64, 256))
                for line in against(Case("decode", model, rows, prompt, attention, new=new), [way])
            ],
        )


def against(ours: Case, ways: list[str]) -> list[Line]:
    """Returns our case beside each way of theirs."""
    config = write_config(ours.decoder)
    return [(ours, dataclasses.replace(ours, way=way, config=config)) for way in ways]


class Sides:
    """Both processes of a part, which end with it."""

    def __init__(self, environment: dict[str, str], deadline: float):
        self._environment, self._deadline = environment, deadline
        self.workers = {name: Worker(name, environment) for name in (OURS, THEIRS)}
        for worker in self.workers.values():
            worker.greet(deadline)

    def close(self) -> None:
        """Ends both."""
        for worker in self.workers.values():
            worker.close()

    def take(self, lines: list[Line], report: Report, turns: int) -> None:
        """Measures lines, both sides in turns."""
        held, check = None, Measured()
        for our_case, their_case in lines:
            if report.has(our_case, their_case.way):
                continue
            # Both set up at once, but for attention: theirs reads the file that ours writes.
            alone = our_case.kind == "attention"
            if our_case != held:
                self._begin(OURS, our_case)
                check = self._prepared(OURS) if alone else None
            self._begin(THEIRS, their_case)
            if our_case != held and not alone:
                check = self._prepared(OURS)
            held, theirs = our_case, self._prepared(THEIRS)
            ours = Measured(check.check, check.error)
            for _ in range(turns):
                self._turn(OURS, ours)
                self._turn(THEIRS, theirs)
            report.add(our_case, their_case.way, ours, theirs)

    def take_apart(self, lines: list[Line], report: Report, turns: int) -> None:
        """Measures lines of one case of ours, which ends before the other side begins."""
        ours = self._all_turns(OURS, lines[0][0], turns)
        self.workers[OURS].close()
        for our_case, their_case in lines:
            theirs = self._all_turns(THEIRS, their_case, turns)
            report.add(our_case, their_case.way, ours, theirs, in_turns=False)

    def _all_turns(self, name: str, case: Case, turns: int) -> Measured:
        self._begin(name, case)
        measured = self._prepared(name)
        for _ in range(turns):
            self._turn(name, measured)
        return measured

    def _begin(self, name: str, case: Case) -> None:
        worker = self.workers[name]
        # Began, but went wrong later: a new process may do the next case.
        if worker.failed and worker.hello and time.time() < self._deadline:
            worker.close()
            worker = self.workers[name] = Worker(name, self._environment)
            worker.greet(self._deadline)
        worker.begin(dataclasses.asdict(case))

    def _prepared(self, name: str) -> Measured:
        return self.workers[name].prepared(self._deadline)

    def _turn(self, name: str, measured: Measured) -> None:
        self.workers[name].turn(measured, self._deadline)


def versions() -> dict[str, str]:
    """Returns the version of each package that matters, "" of what is not installed."""
    told = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            told[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            told[name] = ""
    return told


def environment_of(device: str) -> dict[str, str]:
    """Returns what both processes are told, by the name of the device."""
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    told = {
        # A process takes what it needs: two of them share a card.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # Without a GPU ours is to stop, and not to measure the CPU, which makes the reference.
        "JAX_PLATFORMS": "cpu" if device == "cpu" else "cuda,cpu",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    return told | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})


def main() -> None:
    """Prints the table, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=("full", "toy"), default="full")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--turns", type=int, default=3, help="turns of each side")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="where the JSON goes")
    told = parser.parse_args()
    toy, environment = told.size == "toy", environment_of(told.device)
    report = Report(told.out, versions())
    deadline, attention = time.time(), "auto"

    def take(kind: str, lines: list[Line]) -> None:
        nonlocal deadline
        deadline += SECONDS[kind] * (PATIENCE if toy else 1)
        sides = Sides(environment, deadline)
        try:
            report.greet(*sides.workers.values())
            memory = sides.workers[THEIRS].hello.get("memory_gib", 0)
            small = lines[0][0].model == "1b" and memory < TOGETHER_GIB
            way = sides.take_apart if kind == "train" and small else sides.take
            way(lines, report, told.turns)
        finally:
            sides.close()

    with tempfile.TemporaryDirectory() as temporary:
        take("attention", attention_lines(toy, Path(temporary)))
    if not all(is_right(line["ours"]) for line in report.lines if line["asked"] == "auto"):
        print("our kernel failed: the einsum does the rest")
        attention = "einsum"
    for kind, lines in model_lines(toy, attention):
        take(kind, lines)
    print(f"{len(report.lines)} lines in {told.out}, {report.seconds:.0f} s")


if __name__ == "__main__":
    main()
