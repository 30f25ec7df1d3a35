"""Asking a judge about many pairs, keeping what it says before it is asked more."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from pinch_jax.hosts.waiting import check_alike, is_primary
from pinch_jax.judge.protocol import Judge, Judgement, Pair
from pinch_jax.storage.files import appending, digest, json_line

Key = TypeVar("Key")


def ask_and_keep(
    judge: Judge,
    pairs: Mapping[Key, Pair],
    path: Path,
    line_of: Callable[[Key, Judgement], Mapping[str, Any]],
    name: str,
    progress: bool,
) -> dict[Key, Judgement]:
    """Returns what a judge says of each pair, adding a line to a file wherever it has a verdict.

    All processes call it for a judge that is `everywhere`; the first one writes. `name` is that of
    the bar on the screen.
    """
    if judge.everywhere:
        shown = [
            [key, pair.record["prompt"], pair.first, pair.second] for key, pair in pairs.items()
        ]
        check_alike({f"what is judged for {path}": digest([judge.version, *shown])})
    told, keys, writes = {}, list(pairs), is_primary()
    quiet = not (progress and writes)
    # In a bucket it takes requests, also of a file that nothing is added to.
    file = appending(path) if writes and keys else contextlib.nullcontext()
    with file as add, tqdm(total=len(keys), desc=name, unit="verdict", disable=quiet) as bar:
        for start in range(0, len(keys), judge.batch_size):
            batch, lines = keys[start : start + judge.batch_size], []
            for key, said in zip(batch, judge.judge([pairs[key] for key in batch]), strict=True):
                told[key] = said
                if said.choice is not None:
                    lines.append(json_line(line_of(key, said)))
            if writes and lines:
                add("".join(lines))
            bar.update(len(batch))
    return told
