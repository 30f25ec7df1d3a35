"""Training prompts that the held-out set has too, word for word or nearly.

Two prompts are as similar as the Jaccard index of their sets of 5 characters in a row. Those
that cannot reach the threshold are never compared: sets of that similarity share one of their
rarest members, so only these are indexed. Source: Chaudhuri et al. 2006, A Primitive Operator for
Similarity Joins in Data Cleaning; Bayardo et al. 2007, Scaling Up All Pairs Similarity Search.
"""

import collections
import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import regex

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.normalisation import caseless
from pinch_jax.corpus.word_breaks import UNSPACED
from pinch_jax.errors import UserError

SHINGLE_CHARACTERS = 5

_BREAKS = regex.compile(r"[\p{P}\s]+")
# These scripts set no spaces between words, so that one there is as good as none.
_BESIDE_UNSPACED = regex.compile(rf"(?<={UNSPACED}\p{{M}}*) | (?={UNSPACED})")
# Products such as 0.07 * 100 come out above the whole number that they are.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Duplicate:
    """A training prompt and the held-out prompt that it is nearest to, by their ids.

    `similarity` is from 0 to 1. An exact one is the same but for case, width, spaces and
    punctuation.
    """

    train_id: str
    heldout_id: str
    kind: Literal["exact", "near"]
    similarity: float


def find_duplicates(
    train: Iterable[Example], heldout: Sequence[Example], threshold: float
) -> tuple[Duplicate, ...]:
    """Returns each training prompt that is in the held-out set, in the order of `train`.

    Near ones have a similarity of at least `threshold`. One entry a training prompt: its
    nearest held-out prompt, the first of equals. Time and memory grow with `heldout`, and only
    time with `train`.

    Raises:
      UserError: the threshold is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise UserError(
            f"threshold={threshold}: must be above 0 and at most 1, where only the order of what "
            "is said may differ; 0.8 is a good one"
        )
    index = _Index([folded(example.prompt) for example in heldout], threshold)
    duplicates = []
    for example in train:
        text = folded(example.prompt)
        place, similarity = index.nearest(text)
        if place is not None:
            kind = "exact" if text == index.texts[place] else "near"
            duplicates.append(Duplicate(example.id, heldout[place].id, kind, similarity))
    return tuple(duplicates)


def folded(text: str) -> str:
    """Returns a text `caseless`, with single spaces for spaces and punctuation."""
    text = caseless(text)
    # A prompt of punctuation alone is compared as it is.
    return _BESIDE_UNSPACED.sub("", _BREAKS.sub(" ", text)).strip() or text.strip()


def shingles(text: str) -> frozenset[str]:
    """Returns all runs of `SHINGLE_CHARACTERS` characters; a shorter text is one by itself."""
    runs = max(1, len(text) - SHINGLE_CHARACTERS + 1)
    return frozenset([text[start : start + SHINGLE_CHARACTERS] for start in range(runs)])


class _Index:
    """The held-out texts by their rarest shingles; a shingle is its rank, 0 the rarest."""

    def __init__(self, texts: Sequence[str], threshold: float):
        self.texts = texts
        self._threshold = threshold
        self._exact: dict[str, int] = {}
        for place, text in enumerate(texts):
            self._exact.setdefault(text, place)
        sets = [shingles(text) for text in texts]
        counts = collections.Counter(shingle for own in sets for shingle in own)
        ascending = sorted(counts, key=lambda shingle: (counts[shingle], shingle))
        self._rank = {shingle: rank for rank, shingle in enumerate(ascending)}
        self._ranks = [frozenset(map(self._rank.__getitem__, own)) for own in sets]
        self._places: dict[int, list[int]] = collections.defaultdict(list)
        for place, own in enumerate(self._ranks):
            for rank in self._rarest(own, len(own)):
                self._places[rank].append(place)

    def _least(self, size: int) -> int:
        """Returns how many of its `size` shingles a text shares with whatever is near."""
        return math.ceil(self._threshold * size - _ROUNDING)

    def _rarest(self, known: Collection[int], size: int) -> list[int]:
        """Returns the ranks among which a text of `size` shingles shares one with whatever is near.

        They are its `size` - least + 1 rarest; those that no held-out text has come first.
        """
        return sorted(known)[: max(0, len(known) - self._least(size) + 1)]

    def nearest(self, text: str) -> tuple[int | None, float]:
        """Returns the place of the most similar text and its similarity; None if none is near."""
        if (place := self._exact.get(text)) is not None:
            return place, 1.0
        own = shingles(text)
        known = [self._rank[shingle] for shingle in own if shingle in self._rank]
        if len(known) < self._least(len(own)):
            return None, 0.0
        rarest = self._rarest(known, len(own))
        candidates = {place for rank in rarest for place in self._places.get(rank, ())}
        best, similarity = None, 0.0
        for place in sorted(candidates):
            other = self._ranks[place]
            if not self._least(len(own)) <= len(other) <= len(own) / self._threshold + _ROUNDING:
                continue
            shared = len(other.intersection(known))
            jaccard = shared / (len(own) + len(other) - shared)
            if jaccard >= self._threshold and jaccard > similarity:
                best, similarity = place, jaccard
        return best, similarity
