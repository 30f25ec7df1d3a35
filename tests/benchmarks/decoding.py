"""Tokens a second over the prompts of a study, with rows that are refilled and with rows that wait:

    python tests/benchmarks/decoding.py --config=tiny --model=workdir/tiny/runs/<run>/model

In one call a row answers one prompt, or several. In the first way, rows that are done
wait for the longest answer. The ways take turns, and the answers are compared.
"""

import argparse
import dataclasses
import importlib
import statistics
import time
from pathlib import Path

from pinch_jax.config import from_config_dict
from pinch_jax.model.directory import open_directory
from pinch_jax.study.workbench import Workbench


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="tiny", help="a module of ml_collections_configs")
    parser.add_argument("--model", default="", help="a tuned model; the untuned one by default")
    parser.add_argument("--prompts", type=int, default=0, help="of each language; the study's")
    parser.add_argument("--new_tokens", type=int, default=0, help="of an answer; the study's")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()

    values = importlib.import_module(f"ml_collections_configs.{args.config}").get_config()
    values.evaluate.prompts = args.prompts or values.evaluate.prompts
    values.evaluate.new_tokens = args.new_tokens or values.evaluate.new_tokens
    bench = Workbench(from_config_dict(values), progress=False)
    model = open_directory(Path(args.model)).load_on(bench.mesh) if args.model else bench.pretrained
    e = bench.config.evaluate
    prompts = [x.prompt for c in bench.config.languages for x in bench.corpus.prompts(c, e.prompts)]
    ways = {
        "wait for the longest": dataclasses.replace(bench.answers, prompts_per_row=1),
        "take the next prompt": bench.answers,
    }
    said = {name: answers(model, prompts, 0) for name, answers in ways.items()}  # compiles
    first, second = said.values()
    tokenizer = bench.renderer.tokenizer
    # An answer may be read back as tokens that a trimmed vocabulary has not.
    tokenizer = getattr(tokenizer, "whole", tokenizer)
    lengths = [len(tokenizer.encode(one)) for one in second]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.turns):
        for name, answers in ways.items():
            started = time.perf_counter()
            answers(model, prompts, 0)
            seconds[name].append(time.perf_counter() - started)
    mean, differ = statistics.mean(lengths), sum(a != b for a, b in zip(first, second, strict=True))
    print(f"{len(prompts)} prompts in {e.rows} rows, answers of {mean:.1f} tokens; {differ} differ")
    for name, some in seconds.items():
        rate = sum(lengths) / statistics.median(some)
        print(f"rows that {name}: {rate:,.0f} tokens/s (median of {len(some)})")


if __name__ == "__main__":
    main()
