"""What every tokenizer gives: the ids of a text, the text of ids, the tokens that are not text."""

import abc
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.text.roles import Roles

Span = tuple[int, int]

# What stands for a blank inside a token, in SentencePiece and in byte-level tokenizers.
BLANKS = "\u2581\u0120"
# Behind one of these a text shares no token with it, so that its ids without a blank are seen.
BEFORE = ("\n", "a", ".")
# The tokens that begin a text, end it and fill a row, as families of models call them: for files
# beside which nothing says which of their tokens does what.
SPECIAL = {
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[CLS]", "<SOS>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "[SEP]", "<EOT>"),
    "pad": ("<pad>", "<|finetune_right_pad_id|>", "<|pad|>", "<|endoftext|>", "[PAD]"),
}


class Tokenizer(abc.ABC):
    """Text to ids and back.

    `checksum` is the sha256 of what decides the ids, part of a run's fingerprint.
    """

    path: Path
    checksum: str
    vocab_size: int
    roles: Roles

    @property
    def bos_id(self) -> int:
        """What begins a text; UserError where the tokenizer has no such token, as below."""
        return self._required("bos")

    @property
    def eos_id(self) -> int:
        """What ends a response."""
        return self._required("eos")

    @property
    def pad_id(self) -> int:
        """What fills a row: where no token is for that, the one that ends a response."""
        return self.eos_id if self.roles.pad is None else self.token_id(self.roles.pad)

    @property
    def adds_bos(self) -> bool:
        """Whether the model's texts begin with BOS."""
        return self.roles.adds_bos

    @property
    def chat_template(self) -> str | None:
        """How turns are written, in jinja; None for a model that knows no turns."""
        return self.roles.chat_template

    def _required(self, role: str) -> int:
        token = getattr(self.roles, role)
        if token is None:
            what = {"bos": "begins a text", "eos": "ends a response"}[role]
            raise UserError(
                f"the tokenizer {self.path} has no token that {what} ({role}), such as "
                f"{', '.join(SPECIAL[role])}; give one that has"
            )
        return self.token_id(token)

    @abc.abstractmethod
    def token(self, id: int) -> str:
        """Returns what the tokenizer calls an id."""

    def token_id(self, token: str) -> int:
        """Returns the id of a token such as `<answer>`.

        Raises:
            UserError: the tokenizer has no such token.
        """
        id = self.find(token)
        if id is None:
            raise UserError(f"the tokenizer {self.path.name} has no token {token!r}")
        return id

    @abc.abstractmethod
    def find(self, token: str) -> int | None:
        """Returns the id of a token, if there is one."""

    @property
    @abc.abstractmethod
    def unknown_id(self) -> int | None:
        """What stands for characters that no token has; None where each has one."""

    @property
    @abc.abstractmethod
    def reserved_ids(self) -> tuple[int, ...]:
        """The ids, in order, that no text shows to be needed: special tokens, bytes, unknown."""

    @abc.abstractmethod
    def special_tokens(self) -> set[str]:
        """Returns the tokens that no text becomes."""

    @abc.abstractmethod
    def whole_tokens(self) -> set[str]:
        """Returns the tokens that a text's other words never share a token with.

        Some are blanks and markup; others, such as `<think>`, are a chat template's, which the
        tokenizer's makers did not make special tokens.
        """

    @abc.abstractmethod
    def with_special_tokens(self, tokens: Collection[str]) -> "Tokenizer":
        """Returns this tokenizer with more special tokens, which were whole tokens."""

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without BOS or EOS; it cannot contain special tokens."""

    def encode_parts(self, parts: Sequence[str]) -> list[int]:
        """Returns the ids of a text, every second part of which is a special token."""
        ids = [[self.token_id(p)] if i % 2 else self.encode(p) for i, p in enumerate(parts)]
        return [*itertools.chain.from_iterable(ids)]

    def encode_on(self, text: str) -> list[int]:
        """Returns the ids of a text that goes on another one, without a blank before it."""
        if self.token(self.encode("a")[0]).startswith(tuple(BLANKS)):
            for before in BEFORE:
                begin, ids = self.encode(before), self.encode(before + text)
                if ids[: len(begin)] == begin:
                    return ids[len(begin) :]
        return self.encode(text)

    @abc.abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of some ids; special tokens, and ids without a token, leave no trace."""

    @abc.abstractmethod
    def spans(self, text: str) -> list[Span]:
        """Returns (begin, end) of each of the text's tokens, in characters of the text.

        Tokens that share a character, such as its bytes, have all of it. A blank that the
        tokenizer puts before a text is of no characters.
        """

    @abc.abstractmethod
    def save(self, directory: Path) -> None:
        """Writes what transformers, and `load_tokenizer`, need to load this tokenizer."""


def without_added_blanks(text: str, tokens: Sequence[str], spans: Sequence[Span]) -> list[Span]:
    """Returns the spans, empty where a token is a blank and its place in the text is none."""
    return [
        (begin, begin) if not token.strip(BLANKS) and text[begin:end].strip() else (begin, end)
        for token, (begin, end) in zip(tokens, spans, strict=True)
    ]


def check_ids(ids: np.ndarray | Sequence[int], rows: int, tokenizer: Tokenizer, where: str) -> None:
    """Raises UserError when one of these ids has no row in a table of so many.

    Some tokenizers know tokens that the model does not. A device reads such a row without a word,
    and what it makes of it is NaN or another token's. `where` begins the message.
    """
    ids = np.asarray(ids)
    if not ids.size or (ids.min() >= 0 and ids.max() < rows):
        return
    id = int(ids[(ids < 0) | (ids >= rows)].flat[0])
    known = 0 <= id < tokenizer.vocab_size
    token = f"the token {tokenizer.token(id)!r} has the id {id}" if known else f"no token has {id}"
    raise UserError(
        f"{where}: {token}, and the model's table has the rows 0 to {rows - 1} alone; give a model "
        "with a row for each token that is used, or a template and texts that do without"
    )
