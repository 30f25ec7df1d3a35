"""Who comes next: the low-discrepancy order of languages, and permutations that never change."""

import hashlib
import math
from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np


def interleave(weights: Sequence[int], length: int) -> np.ndarray:
    """An int16 array [length] of indices into `weights`, each index as evenly spread as can be.

    After any n positions, index i was chosen more than n*s - 1 and fewer than n*s + 1 times, with
    s = weights[i] / sum(weights); after a whole period, exactly n*s times.

    The j-th choice of i, from 0, belongs to the positions floor(j/s) + 1 to ceil((j+1)/s), counted
    from 1: earlier it would be a whole example ahead, later a whole one behind. Each position takes
    the earliest deadline among the choices that are released; a tie goes to the lower index. Giving
    each index its share of every position would meet all of these windows, so unit jobs can meet
    them too, and earliest deadline first finds a schedule of unit jobs wherever there is one.

    Source: Baruah, Cohen, Plaxton, Varvel (1996), "Proportionate progress: a notion of fairness in
    resource allocation".
    """
    divisor = math.gcd(*weights)
    if divisor == 0:
        raise ValueError(f"weights={list(weights)}: at least one must be positive")
    pattern = [weight // divisor for weight in weights]
    return np.resize(_earliest_deadline_first(pattern, min(length, sum(pattern))), length)


def _earliest_deadline_first(weights: list[int], length: int) -> np.ndarray:
    total = sum(weights)
    releases, keys = [], []
    for index, weight in enumerate(weights):
        if weight == 0:
            continue
        choices = -(-length * weight // total)  # those released within the length
        # Python's own integers where 64 bits could overflow: exact before fast.
        wide = (choices + 1) * total * len(weights) >= 2**62
        choice = np.arange(choices, dtype=object if wide else np.int64)
        releases.append((choice * total // weight).astype(np.int64))
        deadline = -(-(choice + 1) * total // weight)
        keys.append(deadline * len(weights) + index)
    release = np.concatenate(releases)
    by_release = np.argsort(release, kind="stable")
    key = np.concatenate(keys)[by_release].tolist()
    released = np.searchsorted(release[by_release], np.arange(length), side="right").tolist()

    waiting: list[int] = []
    sequence = np.empty(length, np.int16)
    start = 0
    for position, stop in enumerate(released):
        for choice in key[start:stop]:
            heappush(waiting, choice)
        start = stop
        sequence[position] = heappop(waiting) % len(weights)
    return sequence


def permutation(length: int, seed: int, *purpose: str | int) -> np.ndarray:
    """A permutation of range(length) that depends on (length, seed, purpose) and nothing else.

    It sorts raw Philox words, the one stream that NumPy promises never to change: the methods of
    its Generator may draw otherwise in another release.
    """
    name = "\x1f".join(map(str, ("pinch", seed, *purpose)))
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return np.argsort(np.random.Philox(key=key).random_raw(length), kind="stable")
