"""Time and memory of the plan of a large run, and of the batches of its first and last steps.

    python tests/benchmarks/plan.py

Twelve languages of a million examples each, of log-normal lengths, in mixtures of all kinds. Each
plan is made in a process of its own, five times; medians are printed. The peer of the random order,
on a tenth of the examples, is earliest deadline first by a heap in Python's own `heapq`: as even,
and not random.
"""

import heapq
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.mixture import parse_mixture
from pinch_jax.data.order import interleave
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import TokenizedCorpus, TokenizedLanguage

LANGUAGES = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")
EXAMPLES = 1_000_000
REPEATS = 5
UNEVEN = "weights:" + ",".join(f"{code}={83_333 + 99_991 * i}" for i, code in enumerate(LANGUAGES))
EVEN = "uniform:" + ",".join(LANGUAGES)

# spec, composition, granularity, examples in all; (rows, row_tokens) of a step.
CASES = {
    "even, parallel": (EVEN, "parallel", "example", 12 * EXAMPLES, (64, 2048)),
    "uneven, parallel": (UNEVEN, "parallel", "example", 6 * EXAMPLES, (64, 2048)),
    "pinch, disjoint": ("pinch:10", "disjoint", "example", EXAMPLES, (64, 2048)),
    "one language a step": (EVEN, "parallel", "step", 12 * EXAMPLES, (64, 2048)),
    "linear schedule": (
        f"linear:monolingual:en..{EVEN}", "disjoint", "example", EXAMPLES, (64, 2048)
    ),
    "ten million steps": (EVEN, "parallel", "example", 10_000_000, (1, 4096)),
}  # fmt: skip


class Shape:
    """A batch's shape."""

    def __init__(self, rows: int, row_tokens: int, examples: int):
        self.rows, self.row_tokens, self.examples = rows, row_tokens, examples
        self.row_supervised_tokens, self.row_multiple = row_tokens, 0


def corpus() -> TokenizedCorpus:
    """Examples of about 250 tokens, of which the last 60 % are supervised."""
    random = np.random.default_rng(0)
    languages = {}
    for code in LANGUAGES:
        lengths = np.clip(random.lognormal(5.2, 0.8, EXAMPLES), 8, 2048).astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        tokens = np.broadcast_to(np.int32(1), offsets[-1])  # all the same: it takes no memory
        language = TokenizedLanguage(tokens, offsets, (lengths * 2 // 5).astype(np.int32))
        # Part of the corpus, not of the plan.
        assert len(language.lengths) == len(language.supervised_lengths) == EXAMPLES
        languages[code] = language
    return TokenizedCorpus(range(EXAMPLES), languages, pad_id=0)


def make(case: str, whole: TokenizedCorpus) -> BatchPlan:
    """The plan of a case."""
    spec, composition, granularity, examples, (rows, row_tokens) = CASES[case]
    mixture = parse_mixture(
        spec, LANGUAGES, examples, composition=composition, granularity=granularity
    )
    cap = 1 if rows == 1 else 0
    return plan_batches(mixture, whole, Shape(rows, row_tokens, cap), epochs=1)


def measure(case: str) -> None:
    """Prints seconds, MB, steps, waste, and the milliseconds of the first and the last step."""
    whole = corpus()
    spec, composition, granularity, _, (rows, row_tokens) = CASES[case]
    how = {"composition": composition, "granularity": granularity}
    small = parse_mixture(spec, LANGUAGES, 1000, **how)
    plan_batches(small, whole, Shape(rows, row_tokens, 0), 1)  # compiles, or reads what was
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    plan = make(case, whole)
    seconds = time.perf_counter() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    held = sum(plan.totals()["tokens"].values())
    waste = 1 - held / (plan.steps * rows * row_tokens)
    at = {}
    for step in (0, plan.steps - 1):
        times = []
        for _ in range(50):
            begin = time.perf_counter()
            plan.batch_at(step)
            times.append(time.perf_counter() - begin)
        at[step] = 1e3 * statistics.median(times)
    print(seconds, megabytes, plan.steps, waste, *at.values())


def heap_order(weights: list[int], length: int) -> list[int]:
    """An even order by a heap of all choices, released as they come."""
    total, waiting, sequence = sum(weights), [], []
    made = [0] * len(weights)
    upcoming = [(0, i) for i in range(len(weights))]
    heapq.heapify(upcoming)
    for position in range(length):
        while upcoming and upcoming[0][0] <= position:
            _, i = heapq.heappop(upcoming)
            heapq.heappush(waiting, (-(-(made[i] + 1) * total // weights[i]), i))
        _, i = heapq.heappop(waiting)
        sequence.append(i)
        made[i] += 1
        heapq.heappush(upcoming, (made[i] * total // weights[i], i))
    return sequence


def main() -> None:
    """Prints the table."""
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    print(f"{'':22}{'seconds':>9}{'MB':>7}{'steps':>12}{'waste':>8}{'first ms':>10}{'last ms':>9}")
    for case in CASES:
        runs = []
        for _ in range(REPEATS):
            command = [sys.executable, __file__, case]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs.append([float(number) for number in told.split()])
        s, mb, steps, waste, first, last = (
            statistics.median(column) for column in zip(*runs, strict=True)
        )
        print(f"{case:22}{s:9.2f}{mb:7.0f}{steps:12,.0f}{waste:8.1%}{first:10.3f}{last:9.3f}")
    weights, length = [83_333 + 99_991 * i for i in range(12)], 1_200_000
    ratios = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        interleave(dict(zip(LANGUAGES, weights, strict=True)), length, seed=0)
        middle = time.perf_counter()
        heap_order(weights, length)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    print(f"order of {length:,}: {statistics.median(ratios):.2f} times as fast as a heap")


if __name__ == "__main__":
    main()
