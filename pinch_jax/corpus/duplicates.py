"""Training prompts that the held-out set has too, word for word or nearly.

Two prompts are as similar as the Jaccard index of their sets of 5 characters in a row. An index
says which held-out prompts have such a run, so that all are compared at once. Of a conversation
all turns count but the system's, which many conversations share.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import regex

from pinch_jax.corpus.example import Example, written
from pinch_jax.corpus.normalisation import caseless
from pinch_jax.corpus.word_breaks import UNSPACED

SHINGLE_CHARACTERS = 5

_BREAKS = regex.compile(r"[\p{P}\s]+")
# These scripts set no spaces between words, so that one there is as good as none.
_BESIDE_UNSPACED = regex.compile(rf"(?<={UNSPACED}\p{{M}}*) | (?={UNSPACED})")


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

    Near ones have a similarity of at least `threshold`, above 0 and at most 1. One entry a training
    prompt: its nearest held-out prompt, the first of equals. Time and memory grow with `heldout`,
    and only time with `train`.
    """
    texts = [folded(_asked(example)) for example in heldout]
    same = {text: place for place, text in reversed([*enumerate(texts)])}
    sets = [shingles(text) for text in texts]
    sizes = np.array([len(own) for own in sets])
    places: dict[str, list[int]] = collections.defaultdict(list)
    for place, own in enumerate(sets):
        for shingle in own:
            places[shingle].append(place)
    index = {shingle: np.array(own) for shingle, own in places.items()}
    duplicates = []
    for example in train:
        text = folded(_asked(example))
        if text in same:
            other = heldout[same[text]]
            duplicates.append(Duplicate(example.id, other.id, "exact", 1.0))
            continue
        own = shingles(text)
        met = [index[shingle] for shingle in own if shingle in index]
        if not met:
            continue
        shared = np.bincount(np.concatenate(met), minlength=len(texts))
        jaccard = shared / (len(own) + sizes - shared)
        nearest = int(jaccard.argmax())
        if jaccard[nearest] >= threshold:
            similarity = float(jaccard[nearest])
            duplicates.append(Duplicate(example.id, heldout[nearest].id, "near", similarity))
    return tuple(duplicates)


def _asked(example: Example) -> str:
    return written(turn for turn in example.turns if turn[0] != "system") or example.prompt


def folded(text: str) -> str:
    """Returns a text `caseless`, with single spaces for spaces and punctuation."""
    text = caseless(text)
    # A prompt of punctuation alone is compared as it is.
    return _BESIDE_UNSPACED.sub("", _BREAKS.sub(" ", text)).strip() or text.strip()


def shingles(text: str) -> frozenset[str]:
    """Returns all runs of `SHINGLE_CHARACTERS` characters; a shorter text is one by itself."""
    runs = max(1, len(text) - SHINGLE_CHARACTERS + 1)
    return frozenset([text[start : start + SHINGLE_CHARACTERS] for start in range(runs)])
