"""What published models need on TPUs, in Markdown: python tests/benchmarks/topologies.py.

Each cell is a call of `pinch plan` in a process of its own, with a row of a batch for each chip;
where that does not fit, a second one with what the plan found to fit. What was compiled before is
not compiled again, so that a call that was stopped goes on. Beside ours are the figures of MaxText,
compiled for the same chips, rows and tokens, where that was done.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

# Model, topology as a config names it, and tokens a row.
CELLS = (
    *(("gemma3:270m", slice_, 4096) for slice_ in ("v5e-4", "v5e-16", "v5e-64", "v6e-4")),
    *(("gemma3:1b", slice_, 4096) for slice_ in ("v5e-4", "v5e-16", "v5e-64", "v6e-16")),
    *(("gemma3:4b", slice_, 2048) for slice_ in ("v5e-16", "v5e-64", "v5e-256")),
    *(("gemma3:4b", slice_, 4096) for slice_ in ("v6e-16", "v5p-16", "v5p-64")),
    *(("gemma3:12b", slice_, 4096) for slice_ in ("v5e-64", "v6e-64", "v5p-16", "v5p-64")),
    ("gemma3:27b", "v5e-256", 1024),
    *(("gemma3:27b", slice_, 4096) for slice_ in ("v6e-64", "v5p-64", "v5p-128")),
    *(("qwen3:1.7b", slice_, 4096) for slice_ in ("v5e-16", "v6e-4")),
    *(("qwen3:8b", slice_, 4096) for slice_ in ("v6e-16", "v5p-16", "v5p-64")),
    *(("qwen3:32b", slice_, 4096) for slice_ in ("v6e-64", "v5p-128")),
    *(("llama3:8b", slice_, 4096) for slice_ in ("v6e-16", "v5p-16", "v5p-64")),
    ("llama3:70b", "v5p-128", 4096),
)
# Milliseconds, MFU and peak GB of MaxText's step.
MAXTEXT = {
    ("gemma3:4b", "v5e-16", 2048): (670, 0.37, 8.8),
    ("gemma3:27b", "v5p-128", 4096): (3355, 0.44, 19.9),
}
COLUMNS = (
    *("model", "chips", "data x fsdp", "tokens a row", "fits", "ms, collectives hidden - not"),
    *("MFU", "peak GB", "attention, matmul, head, optimizer, embedding gradient", "sent GB"),
    *("compiled in s", "MaxText: ms, MFU, GB"),
)
PARTS = ("attention", "matmul", "head", "optimizer", "embedding gradient")


def plan(cell: tuple[str, str, int], data_dir: str, remedy: dict[str, object]) -> dict | str:
    """Returns what `pinch plan` says of a cell with these fields; where it is refused, why."""
    from ml_collections_configs.base import TOPOLOGIES

    model, slice_, tokens = cell
    topology, chips, _ = TOPOLOGIES[slice_]
    family, size = model.split(":")
    command = [sys.executable, "-m", "pinch_jax.main", "plan", "--program=train", "--json"]
    command += [f"--config=ml_collections_configs/{family}.py:{size},{slice_}"]
    command += [f"--config.batch.row_tokens={tokens}", f"--topology={topology}"]
    command += [f"--config.batch.row_supervised_tokens={tokens // 2}"]
    command += [f"--config.batch.rows={chips}", f"--config.corpus.data_dir={data_dir}"]
    command += [f"--config.{name}={value}" for name, value in remedy.items()]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return f"refused, exit code {done.returncode}: see above"
    return json.loads(done.stdout)


def row(cell: tuple[str, str, int], data_dir: str) -> list[str]:
    """Returns the columns of a cell, by a plan that fits if there is one."""
    planned, fits = plan(cell, data_dir, {}), "yes"
    if isinstance(planned, dict) and (remedy := planned["programs"][0].get("remedy")):
        planned = plan(cell, data_dir, remedy)
        fits = f"with {' '.join(f'{name}={value}' for name, value in remedy.items())}"
    model, slice_, tokens = cell
    beside = MAXTEXT.get(cell)
    theirs = "{:,}, {:.2f}, {:.1f}".format(*beside) if beside else ""
    head = [model, slice_]
    if isinstance(planned, str):
        return [*head, "", f"{tokens:,}", planned, *[""] * 6, theirs]
    (record,) = planned["programs"]
    mesh, peak = planned["mesh"], record["peak_bytes"]
    head += [f"{mesh['data']} x {mesh['fsdp']}", f"{tokens:,}"]
    used = "?" if peak is None else f"{peak / 1e9:.1f} of {record['limit_bytes'] / 1e9:.1f}"
    spent = f"{record['compile_seconds']:.0f}"
    if not record["fits"]:
        return [*head, "no", "", "", used, "", "", spent, theirs]
    seconds = record["compute_seconds"]
    total = sum(seconds.values())
    shares = ", ".join(f"{100 * seconds.get(part, 0.0) / total:.0f}" for part in PARTS)
    clock = f"{1000 * record['hidden_seconds']:,.0f} - {1000 * record['exposed_seconds']:,.0f}"
    mfu = " - ".join(f"{part:.2f}" for part in reversed(record["mfu"]))
    sent = sum(one["bytes"] for one in record["collectives"])
    return [*head, fits, clock, mfu, used, f"{shares} %", f"{sent / 1e9:.1f}", spent, theirs]


def main() -> None:
    """Prints the table, a row as soon as it is known; cells can be named: gemma3:4b,v5e-16,2048."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", help="MODEL,SLICE,TOKENS; all by default")
    parser.add_argument(
        "--data_dir", default="~/.cache/pinch_jax", help="as config.corpus.data_dir"
    )
    arguments = parser.parse_args()
    asked = [cell.split(",") for cell in arguments.cells]
    cells = [(model, slice_, int(tokens)) for model, slice_, tokens in asked] or CELLS
    print(f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS), sep="\n", flush=True)
    for cell in cells:
        print(f"| {' | '.join(row(cell, arguments.data_dir))} |", flush=True)


if __name__ == "__main__":
    main()
