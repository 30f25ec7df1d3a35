"""How finely a tokenizer cuts a language: tokens per word and per character, continued words.

A word is what `word_breaks` says; characters are code points. Source: Rust et al. 2021, How Good is
Your Tokenizer?, arXiv 2012.15613 (there words are those of treebanks).
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from pinch_jax.corpus.word_breaks import words


class Tokenizer(Protocol):
    """The part of a tokenizer that is needed."""

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Returns (begin, end) of each of a text's tokens, in characters."""


@dataclasses.dataclass(frozen=True)
class Fertility:
    """Counts of some texts; those of more texts are their sum.

    Attributes:
      tokens: all of them, also those of blanks and punctuation.
      word_tokens: tokens that touch a word.
      continued_words: words that more than one token touches.
    """

    texts: int = 0
    characters: int = 0
    tokens: int = 0
    words: int = 0
    word_tokens: int = 0
    continued_words: int = 0

    def __add__(self, other: "Fertility") -> "Fertility":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Fertility(*(one + another for one, another in pairs))

    @property
    def tokens_per_word(self) -> float:
        """Fertility: 1 where every word is a token, whatever stands between; NaN without words."""
        return self.word_tokens / self.words if self.words else math.nan

    @property
    def tokens_per_character(self) -> float:
        """All tokens, for all characters; NaN without any."""
        return self.tokens / self.characters if self.characters else math.nan

    @property
    def continued_fraction(self) -> float:
        """The share of words that are cut; NaN without words."""
        return self.continued_words / self.words if self.words else math.nan


def fertility(texts: Iterable[str], tokenizer: Tokenizer) -> Fertility:
    """Returns the counts of some texts, each tokenized by itself, without BOS and EOS."""
    return sum((_counts(text, tokenizer.spans(text)) for text in texts), Fertility())


def _counts(text: str, spans: Sequence[tuple[int, int]]) -> Fertility:
    found = np.array(words(text), np.int64).reshape(-1, 2)
    # A blank that the tokenizer puts before a text is a token of no characters.
    tokens = np.array([span for span in spans if span[0] < span[1]], np.int64).reshape(-1, 2)
    return Fertility(
        texts=1,
        characters=len(text),
        tokens=len(spans),
        words=len(found),
        word_tokens=int(np.count_nonzero(_overlaps(tokens, found))),
        continued_words=int(np.count_nonzero(_overlaps(found, tokens) > 1)),
    )


def _overlaps(spans: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns with how many others each span shares a character; both in order, none empty."""
    begun = np.searchsorted(others[:, 0], spans[:, 1], side="left")
    ended = np.searchsorted(others[:, 1], spans[:, 0], side="right")
    return begun - ended
