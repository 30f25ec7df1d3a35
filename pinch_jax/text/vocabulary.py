"""The tokens of a tokenizer that a corpus needs, as a smaller vocabulary with ids of its own."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.text.base import Span, Tokenizer

# The number of kept tokens is a multiple of this, so that a mesh can split their rows; the tokens
# that fill it up are the first of the others.
MULTIPLE = 256
# Special tokens that stand for nothing yet; Gemma has 6,242 of them.
PLACEHOLDER = re.compile(r"<unused\d+>|<\|reserved_special_token_\d+\|>|<SPECIAL_\d+>")


@dataclasses.dataclass(frozen=True, eq=False)
class Vocabulary:
    """Some tokens of a tokenizer: token `kept[i]` of its own has the id i here."""

    kept: np.ndarray  # int32 [tokens], rising

    @functools.cached_property
    def checksum(self) -> str:
        """The sha256 of the kept ids."""
        return hashlib.sha256(np.ascontiguousarray(self.kept, "<i4")).hexdigest()

    @functools.cached_property
    def _ids(self) -> np.ndarray:
        ids = np.full(int(self.kept[-1]) + 1, -1, np.int32)
        ids[self.kept] = np.arange(len(self.kept), dtype=np.int32)
        return ids

    def trim(self, whole: np.ndarray | Sequence[int]) -> np.ndarray:
        """Returns the ids here of the tokenizer's own: int32 of the same shape.

        Raises:
            UserError: a token is not kept.
        """
        whole = np.asarray(whole, np.int32)
        known = whole < len(self._ids)
        ids = np.where(known, self._ids[np.where(known, whole, 0)], -1)
        if ids.size and ids.min() < 0:
            raise UserError(
                f"config.model.trim_vocabulary=True: token {int(whole[ids < 0].flat[0])} is "
                "not among those needed; set it to False, or make the model whole: pinch convert"
            )
        return ids

    def has(self, id: int) -> bool:
        """Returns whether the token of this id of the tokenizer's own is kept."""
        return id < len(self._ids) and bool(self._ids[id] >= 0)

    def restore(self, ids: np.ndarray | Sequence[int]) -> np.ndarray:
        """Returns the tokenizer's own ids of ids here."""
        return self.kept[np.asarray(ids, np.int64)]


def needed_tokens(texts: Iterable[np.ndarray], tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """Returns the vocabulary of the ids in `texts` and of those that any text might need.

    `vocab_size`: how many rows there are, which may be more or fewer than the tokenizer knows.
    """
    wanted = np.zeros(vocab_size, bool)
    for ids in texts:
        wanted[ids] = True
    for id in tokenizer.reserved_ids:
        # Some have no row: the text models of Gemma 3 know no image's.
        if id < vocab_size:
            wanted[id] |= not PLACEHOLDER.fullmatch(tokenizer.token(id))
    lacking = -int(wanted.sum()) % MULTIPLE
    wanted[np.flatnonzero(~wanted)[:lacking]] = True
    return Vocabulary(np.flatnonzero(wanted).astype(np.int32))


class TrimmedTokenizer(Tokenizer):
    """A tokenizer with the kept tokens of a whole one; a text that needs another is an error."""

    def __init__(self, whole: Tokenizer, vocabulary: Vocabulary):
        self.whole, self.path = whole, whole.path
        self._vocabulary = vocabulary
        self.vocab_size = len(vocabulary.kept)
        both = whole.checksum + vocabulary.checksum
        self.checksum = hashlib.sha256(both.encode()).hexdigest()
        self.roles = whole.roles

    def _one(self, id: int) -> int:
        return int(self._vocabulary.trim([id])[0])

    def token(self, id: int) -> str:
        return self.whole.token(int(self._vocabulary.restore([id])[0]))

    def find(self, token: str) -> int | None:
        """Returns the id of a token, if there is one; UserError where it is not kept."""
        id = self.whole.find(token)
        return None if id is None else self._one(id)

    @property
    def unknown_id(self) -> int | None:
        """What stands for characters that no token has, where that is kept."""
        id = self.whole.unknown_id
        return None if id is None or not self._vocabulary.has(id) else self._one(id)

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        """The ids, in order, that no text shows to be needed, of the tokens that are kept."""
        return tuple(map(self._one, filter(self._vocabulary.has, self.whole.reserved_ids)))

    def special_tokens(self) -> set[str]:
        return self.whole.special_tokens()

    def whole_tokens(self) -> set[str]:
        """Returns the tokens, kept or not, that a text's other words never share a token with."""
        return self.whole.whole_tokens()

    def with_special_tokens(self, tokens: Collection[str]) -> "TrimmedTokenizer":
        return TrimmedTokenizer(self.whole.with_special_tokens(tokens), self._vocabulary)

    def encode(self, text: str) -> list[int]:
        return self._vocabulary.trim(self.whole.encode(text)).tolist()

    def encode_parts(self, parts: Sequence[str]) -> list[int]:
        return self._vocabulary.trim(self.whole.encode_parts(parts)).tolist()

    def encode_on(self, text: str) -> list[int]:
        return self._vocabulary.trim(self.whole.encode_on(text)).tolist()

    def decode(self, ids: Sequence[int]) -> str:
        return self.whole.decode(self._vocabulary.restore(ids).tolist())

    def spans(self, text: str) -> list[Span]:
        return self.whole.spans(text)

    def save(self, directory: Path) -> None:
        """Writes the whole tokenizer."""
        self.whole.save(directory)
