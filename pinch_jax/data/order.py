"""Who comes next: the low-discrepancy order of languages, and permutations that never change."""

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction

import numba
import numpy as np

# An index into the members of a mixture.
INDEX = np.uint8
MOST_MEMBERS = 256
# Integers below it may be added once without leaving 64 bits.
EXACT_TOTAL = 2**62


def interleave(weights: Sequence[int], length: int) -> np.ndarray:
    """A uint8 array [length] of indices into `weights`, each index as evenly spread as can be.

    After any n positions, index i was chosen more than n*s - 1 and fewer than n*s + 1 times, with
    s = weights[i] / sum(weights); after a whole period, exactly n*s times.

    The j-th choice of i, from 0, belongs to the positions floor(j/s) + 1 to ceil((j+1)/s), counted
    from 1: earlier it would be a whole example ahead, later a whole one behind. Each position takes
    the earliest deadline among the choices that are released; a tie goes to the lower index. Giving
    each index its share of every position would meet all of these windows, so unit jobs can meet
    them too, and earliest deadline first finds a schedule of unit jobs wherever there is one.

    Weights whose sum passes 2**62 are first rounded to that sum.

    Raises:
      ValueError: no weight is positive, or there are more than 256.

    Source: Baruah, Cohen, Plaxton, Varvel (1996), "Proportionate progress: a notion of fairness in
    resource allocation".
    """
    check_members(len(weights))
    divisor = math.gcd(*weights)
    if divisor == 0:
        raise ValueError(f"weights={list(weights)}: at least one must be positive")
    pattern = [weight // divisor for weight in weights]
    total = sum(pattern)
    if total >= EXACT_TOTAL:
        pattern = apportion([Fraction(weight, total) for weight in pattern], EXACT_TOTAL - 1)
        total = EXACT_TOTAL - 1
    period = _earliest_deadline_first(np.array(pattern, np.int64), total, min(length, total))
    return period if len(period) == length else np.resize(period, length)


def apportion(shares: Sequence[Fraction], total: int) -> list[int]:
    """Whole numbers that add up to `total`, each within one of its share of it.

    Largest remainder, ties to the earlier. `shares` add up to 1.
    """
    quotas = [share * total for share in shares]
    counts = [math.floor(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (counts[i] - quotas[i], i))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def check_members(count: int) -> None:
    """Raises ValueError when a mixture has more members than an index can name."""
    if count > MOST_MEMBERS:
        raise ValueError(f"{count} languages in one mixture: at most {MOST_MEMBERS} can be told")


@numba.njit(cache=True)
def _earliest_deadline_first(weights: np.ndarray, total: int, length: int) -> np.ndarray:
    members = len(weights)
    # Of each member's next choice j: release = floor(j * total / weight), deadline = ceil((j + 1)
    # * total / weight). Quotient and remainder are carried along, so that no product can overflow.
    release = np.zeros(members, np.int64)
    deadline = np.zeros(members, np.int64)
    remainder = np.zeros(members, np.int64)
    for i in range(members):
        if weights[i]:
            deadline[i] = total // weights[i]
            remainder[i] = total % weights[i]
            deadline[i] += remainder[i] > 0
        else:
            release[i] = length
    sequence = np.empty(length, INDEX)
    for position in range(length):
        chosen = -1
        for i in range(members):
            if release[i] <= position and (chosen < 0 or deadline[i] < deadline[chosen]):
                chosen = i
        sequence[position] = chosen
        weight = weights[chosen]
        release[chosen] = deadline[chosen] - (remainder[chosen] > 0)
        step, extra = total // weight, remainder[chosen] + total % weight
        if extra >= weight:
            step, extra = step + 1, extra - weight
        remainder[chosen] = extra
        deadline[chosen] = release[chosen] + step + (extra > 0)
    return sequence


def permutation(length: int, seed: int, *purpose: str | int) -> np.ndarray:
    """A permutation of range(length), int32, that depends on (length, seed, purpose) alone.

    It shuffles by raw Philox words, the one stream that NumPy promises never to change: the methods
    of its Generator may draw otherwise in another release.
    """
    name = "\x1f".join(map(str, ("pinch", seed, *purpose)))
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    return _shuffled(np.random.Philox(key=key).random_raw(length))


@numba.njit(cache=True)
def _shuffled(words: np.ndarray) -> np.ndarray:
    """Fisher-Yates; the upper half of a word picks among k with a bias below k / 2**32."""
    shuffled = np.arange(len(words)).astype(np.int32)
    for last in range(len(words) - 1, 0, -1):
        other = ((words[last] >> np.uint64(32)) * np.uint64(last + 1)) >> np.uint64(32)
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return shuffled
