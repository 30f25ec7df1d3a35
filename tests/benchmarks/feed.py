"""Tokens a second that the feed delivers, and that the tiny model trains at.

    python tests/benchmarks/feed.py

First the tiny study's own batches: the feed alone against the compiled train step alone, run by
run. Then packed tokens a second from ids mapped from disk: 12 languages, 32 rows of 1,024 tokens,
for all rows and for one of four hosts. Medians of five runs; the peer is `batch_at` without
anything in the background.
"""

import statistics
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from ml_collections_configs.tiny import get_config
from pinch_jax.config import from_config_dict
from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.mixture import parse_mixture
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import ARRAYS, TokenizedCorpus, TokenizedLanguage
from pinch_jax.devices.mesh import put_batch
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.feed import feed

REPEATS, EXAMPLES = 5, 20_000
LANGUAGES = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")


class Shape:
    """32 rows of 1,024 tokens."""

    rows, row_multiple, row_tokens, row_supervised_tokens, examples = 32, 0, 1024, 1024, 0


def tokens(plan: BatchPlan) -> int:
    """Tokens of a run, without padding."""
    return sum(plan.totals()["tokens"].values())


def rate(amount: int, work) -> float:
    """`amount` a second, of one call."""
    start = time.perf_counter()
    work()
    return amount / (time.perf_counter() - start)


def exhaust(plan: BatchPlan, rows: range) -> None:
    """Reads these rows of a run's batches from the feed."""
    for _ in feed(plan, lambda count: rows, 0):
        pass


def train(bench: Workbench, plan: BatchPlan) -> None:
    """Trains on batches that are there already."""
    batches = [put_batch(bench.mesh, plan.shape.rows, plan.batch_at(i)) for i in range(plan.steps)]
    state = bench.initial_state()
    jax.block_until_ready(state)
    start = time.perf_counter()
    for batch in batches:
        state, _ = bench.train_step(state, batch, plan.steps)
    jax.block_until_ready(state)
    return tokens(plan) / (time.perf_counter() - start)


def from_disk(directory: Path) -> TokenizedCorpus:
    """A corpus whose ids are mapped from disk."""
    random = np.random.default_rng(0)
    languages = {}
    for code in LANGUAGES:
        lengths = np.clip(random.lognormal(5.2, 0.8, EXAMPLES), 8, 1024).astype(np.int32)
        arrays = (
            random.integers(4, 4000, lengths.sum()).astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths)]),
            lengths * 2 // 5,
        )
        for name, values in zip(ARRAYS, arrays, strict=True):
            np.save(directory / f"{code}-{name}.npy", values)
        languages[code] = TokenizedLanguage(
            *(np.load(directory / f"{code}-{name}.npy", mmap_mode="r") for name in ARRAYS)
        )
    return TokenizedCorpus(tuple(map(str, range(EXAMPLES))), languages, pad_id=0)


def main() -> None:
    """Prints both tables."""
    config = get_config()
    config.mixture.spec = "pinch:10"
    bench = Workbench(from_config_dict(config), progress=False)
    plan = bench.plan()
    train(bench, plan)  # compiles
    rows = range(plan.shape.rows)
    pairs = [
        (rate(tokens(plan), lambda: exhaust(plan, rows)), train(bench, plan))
        for _ in range(REPEATS)
    ]
    fed, trained = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"tiny: feed {fed:,.0f} tokens/s, training {trained:,.0f} tokens/s: {ratio:.0f} times")

    with tempfile.TemporaryDirectory() as directory:
        corpus = from_disk(Path(directory))
        mixture = parse_mixture("pinch:100", LANGUAGES, EXAMPLES)
        plan = plan_batches(mixture, corpus, Shape, epochs=1)
        for name, rows in {"all rows": range(32), "one host of four": range(8, 16)}.items():
            amount = tokens(plan) * len(rows) // plan.shape.rows

            def alone(rows=rows):
                for step in range(plan.steps):
                    plan.batch_at(step, rows)

            pairs = [
                (
                    rate(amount, lambda rows=rows: exhaust(plan, rows)),
                    rate(amount, alone),
                )
                for _ in range(REPEATS)
            ]
            fed, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"disk, {name}: feed {fed:,.0f} tokens/s, batch_at alone {plain:,.0f} tokens/s")


if __name__ == "__main__":
    main()
