"""Training steps of the tiny study with memory in pages of 2 MB, against pages of 4 kB.

    python tests/benchmarks/huge_pages.py

Prints the median of paired turns of 12 steps, on one core and on all, and the ratio. Each side is a
process of its own, since the C library hears of it before it starts.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from sides import CORES, Side, Turns, peak_gib

STEPS, TURNS, VARIABLE = 12, 11, "GLIBC_TUNABLES"


def side():
    """Makes the same steps of the study's first run, each turn."""
    turns = Turns()
    import jax

    from ml_collections_configs import tiny
    from pinch_jax.config import from_config_dict
    from pinch_jax.study.plan import plan_study

    with tempfile.TemporaryDirectory() as workdir:
        study = plan_study(from_config_dict(tiny.get_config()), Path(workdir), progress=False)
    plan, bench = next(run.plan for run in study.distinct if run.plan), study.bench
    batches = [plan.batch_at(n, range(plan.rows_at(n))) for n in range(STEPS)]
    state = bench.initial_state()

    def run():
        nonlocal state
        for batch in batches:
            state, _ = bench.train_step(state, batch, plan.steps, frozen=bench.frozen)
        jax.block_until_ready(state)

    run()
    turns.ready({"peak_gib": peak_gib()})
    turns.take(run)


def main():
    """Lets both sides make their steps in turn."""
    for cores in sorted({1, CORES}):
        os.environ["NPROC"] = str(cores)
        sides = {}
        for name, told in (("4 kB", None), ("2 MB", "glibc.malloc.hugetlb=1")):
            os.environ.pop(VARIABLE, None)
            if told:
                os.environ[VARIABLE] = told
            sides[name] = Side(Path(__file__).name, {})
        turns = {name: [] for name in sides}
        for _ in range(TURNS):
            for name, one in sides.items():
                turns[name].append(one.run())
        seconds = {name: np.array([turn.seconds for turn in turns[name]]) for name in sides}
        for name, one in sides.items():
            one.close()
            milliseconds = 1e3 * np.median(seconds[name]) / STEPS
            ratio, peak = np.median(seconds[name] / seconds["4 kB"]), turns[name][-1].peak_gib
            print(f"cores {cores}, {name}: {milliseconds:.0f} ms, {ratio:.2f}, {peak:.2f} GiB")


if __name__ == "__main__":
    side() if sys.argv[1:] else main()
