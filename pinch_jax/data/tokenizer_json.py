"""Tokenizers of the library `tokenizers`: Llama 3, Qwen, and files of transformers."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import tokenizers

from pinch_jax.data.tokenizer_base import PIECES, Roles, Span, Tokenizer, without_added_blanks


class JsonTokenizer(Tokenizer):
    """A tokenizer.json.

    Args:
        path: the file that it is from.
        content: of a `tokenizer.json`.
    """

    FILE = "tokenizer.json"

    def __init__(self, path: Path, content: bytes):
        self.path = path
        self.checksum = hashlib.sha256(content).hexdigest()
        try:
            self._pieces = tokenizers.Tokenizer.from_str(content.decode())
        except Exception as error:  # the library raises no other
            raise ValueError(f"{path} is not a tokenizer.json: {error}") from None
        self._content = content
        self._pieces.no_truncation()
        self._pieces.no_padding()
        # Text that looks like a control piece is text.
        self._pieces.encode_special_tokens = True
        self.vocab_size = 1 + max(self._pieces.get_vocab().values())
        self.roles = self._guessed_roles()

    def _guessed_roles(self) -> Roles:
        def first(role: str) -> int | None:
            ids = map(self._pieces.token_to_id, PIECES[role])
            return next((id for id in ids if id is not None), None)

        bos = first("bos")
        begun = self._pieces.encode("").ids[:1]
        return Roles(bos, first("eos"), first("pad"), adds_bos=bos is not None and begun == [bos])

    def piece(self, id: int) -> str:
        """Returns what the tokenizer calls an id."""
        return self._pieces.id_to_token(id)

    def piece_id(self, piece: str) -> int:
        """Returns the id of a piece.

        Raises:
            ValueError: the tokenizer has no such piece.
        """
        id = self._pieces.token_to_id(piece)
        if id is None:
            raise self._no_piece(piece)
        return id

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        """The ids, in order, that no text shows to be needed: control pieces, bytes, unknown."""
        special = {
            id for id, added in self._pieces.get_added_tokens_decoder().items() if added.special
        }
        bytes_ = {*tokenizers.pre_tokenizers.ByteLevel.alphabet()} | {
            f"<0x{byte:02X}>" for byte in range(256)
        }
        vocab = self._pieces.get_vocab()
        unknown = getattr(self._pieces.model, "unk_token", None)
        kept = {vocab[piece] for piece in (*bytes_, unknown) if piece in vocab}
        return tuple(sorted(special | kept))

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without BOS or EOS; it cannot contain control pieces."""
        return self._pieces.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of some ids; control pieces leave no trace."""
        return self._pieces.decode(ids, skip_special_tokens=True)

    def spans(self, text: str) -> list[Span]:
        """Returns (begin, end) of each of the text's tokens, as `Tokenizer` says."""
        found = self._pieces.encode(text, add_special_tokens=False)
        return without_added_blanks(text, found.tokens, found.offsets)

    def save(self, directory: Path) -> None:
        """Writes what transformers, and `load_tokenizer`, need to load this tokenizer."""
        (directory / self.FILE).write_bytes(self._content)
