"""Who comes next, and permutations that never change: all of it drawn by (seed, name)."""

import functools
import hashlib
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

import numpy as np

from pinch_jax.data.compiled import compiled
from pinch_jax.data.rounding import INDEX, MOST_MEMBERS, MOST_TOTAL, random_turns, until_whole
from pinch_jax.errors import UserError


def interleave(
    weights: Mapping[str, int], length: int, seed: int, *purpose: str | int
) -> np.ndarray:
    """Returns indices into `weights`, uint8 [length], each name spread as evenly as can be.

    After any n positions, a name was chosen n*s times, rounded down or up, and n*s times in
    expectation, with s its weight over their sum; after a whole period, exactly n*s times. So a
    single one among n positions is as likely to be at any of them. The order depends on what each
    name weighs, on the seed and the purpose, and not on the order of the names.

    Weights whose sum passes 2**40 are first rounded to that sum.

    Raises:
      ValueError: no weight is positive.
      UserError: there are more than 256.
    """
    check_members(len(weights))
    divisor = math.gcd(*weights.values())
    if divisor == 0:
        raise ValueError(f"weights={dict(weights)}: at least one must be positive")
    pattern = {name: weight // divisor for name, weight in weights.items() if weight}
    total = sum(pattern.values())
    if total > MOST_TOTAL:
        exact = {name: Fraction(weight, total) for name, weight in pattern.items()}
        pattern, total = apportion(exact, MOST_TOTAL, seed), MOST_TOTAL
    names = shuffled(pattern, seed, *purpose)
    turns = _turns(tuple(map(pattern.get, names)), length, key(seed, "turns", *purpose))
    return indices_of(names, weights)[turns]


# All doses of a pinch have the same owners of places.
@functools.lru_cache(maxsize=4)
def _turns(pattern: tuple[int, ...], length: int, word: int) -> np.ndarray:
    """Returns the `random_turns` of weights: uint8 [length]."""
    total = sum(pattern)
    rest = until_whole(np.array([weight * length % total for weight in pattern]), total)
    return random_turns(np.array([pattern], np.int64), rest, length, word)


def indices_of(names: Iterable[str], among: Iterable[str]) -> np.ndarray:
    """Returns where each of these names stands among all of them: uint8 [names]."""
    place = {name: index for index, name in enumerate(among)}
    return np.array([place[name] for name in names], INDEX)


def shuffled(names: Iterable[str], seed: int, *purpose: str | int) -> list[str]:
    """Returns these names in an order of the seed's, whatever order they come in.

    Each has a place of its own in it: which of two comes first does not depend on the others.
    """
    return sorted(names, key=lambda name: _digest(seed, *purpose, name))


def apportion(shares: Mapping[str, Fraction], total: int, seed: int) -> dict[str, int]:
    """Returns whole numbers that add up to `total`, each within one of its share of it.

    Largest remainder; among equal ones the seed chooses. `shares` add up to 1.
    """
    counts = {name: math.floor(share * total) for name, share in shares.items()}
    remainders = {name: share * total - counts[name] for name, share in shares.items()}
    # Sorting is stable: the larger ones first, and equal ones as they were shuffled.
    largest = sorted(shuffled(shares, seed, "budget"), key=remainders.__getitem__, reverse=True)
    for name in largest[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def check_members(count: int) -> None:
    """Raises UserError when a mixture has more members than an index can name."""
    if count > MOST_MEMBERS:
        raise UserError(f"{count} languages in one mixture: at most {MOST_MEMBERS} can be told")


def permutation(length: int, seed: int, *purpose: str | int) -> np.ndarray:
    """Returns a permutation of range(length), int32, that depends on (length, seed, purpose) alone.

    It shuffles by raw Philox words, the one stream that NumPy promises never to change: the methods
    of its Generator may draw otherwise in another release.
    """
    philox = np.random.Philox(key=int.from_bytes(_digest(seed, *purpose)[:16], "little"))
    return _permuted(philox.random_raw(length))


def key(seed: int, *purpose: str | int) -> int:
    """Returns a number below 2**64."""
    return int.from_bytes(_digest(seed, *purpose)[:8], "little")


def _digest(seed: int, *purpose: str | int) -> bytes:
    name = "\x1f".join(map(str, ("pinch", seed, *purpose)))
    return hashlib.sha256(name.encode()).digest()


@compiled
def _permuted(words: np.ndarray) -> np.ndarray:
    """Fisher-Yates; the upper half of a word picks among k with a bias below k / 2**32."""
    shuffled = np.arange(len(words)).astype(np.int32)
    for last in range(len(words) - 1, 0, -1):
        other = ((words[last] >> np.uint64(32)) * np.uint64(last + 1)) >> np.uint64(32)
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return shuffled
