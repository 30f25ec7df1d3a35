"""JSON lines of a bucket as we open them, against the library's own file, on servers of both kinds.

    python tests/benchmarks/bucket_lines.py

Prints the milliseconds a line, medians of turns. The servers run on this machine: of a real bucket
the way to it comes on top, once for each piece that is read.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from bucket_servers import BUCKET, buckets, make_s3_bucket

LINES, TURNS = 10_000, 3


def seconds_of(file):
    """Returns how long it takes to read all lines of a file that was opened."""
    start = time.perf_counter()
    with file:
        assert sum(1 for _ in file) == LINES
    return time.perf_counter() - start


def main():
    """Reads the same lines in turns."""
    with buckets() as environment:
        os.environ |= environment
        make_s3_bucket()
        import fsspec

        from pinch_jax.storage.buckets import as_path

        for kind in ("gs", "s3"):
            path = as_path(f"{kind}://{BUCKET}/lines/rows.jsonl")
            path.write_bytes(b'{"id": 1, "prompt": "What time is it?"}\n' * LINES)
            library = fsspec.filesystem(kind)
            seconds = {"ours": [], "theirs": []}
            for _ in range(TURNS):
                seconds["ours"].append(seconds_of(path.open("rb")))
                seconds["theirs"].append(seconds_of(library.open(str(path))))
            told = {name: 1000 * np.median(s) / LINES for name, s in seconds.items()}
            print(f"{kind}: ours {told['ours']:.4f} ms a line, theirs {told['theirs']:.4f}")


if __name__ == "__main__":
    main()
