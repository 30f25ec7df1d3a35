"""Tokenizers of SentencePiece: Gemma, Llama 2, Mistral, and those trained here."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from pinch_jax.data.tokenizer_base import Roles, Span, Tokenizer, without_added_blanks


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model.

    Args:
        path: the file that it is from.
        model: the content of a `.model` file.
        roles: what the pieces are for, where the model itself does not say it.
        checksum: of what the model was made from; by default of the model.
    """

    FILE = "tokenizer.model"

    def __init__(
        self, path: Path, model: bytes, roles: Roles | None = None, checksum: str | None = None
    ):
        self.path = path
        self.checksum = checksum or hashlib.sha256(model).hexdigest()
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise ValueError(f"{path} is not a SentencePiece model; give another file") from None
        self.vocab_size = self._pieces.vocab_size()
        self.roles = roles or self._own_roles()

    def _own_roles(self) -> Roles:
        bos, eos, pad = (
            None if id < 0 else id
            for id in (self._pieces.bos_id(), self._pieces.eos_id(), self._pieces.pad_id())
        )
        # The models of this kind that have one begin with it.
        return Roles(bos, eos, pad, adds_bos=bos is not None)

    def piece(self, id: int) -> str:
        """Returns what the tokenizer calls an id."""
        return self._pieces.id_to_piece(id)

    def piece_id(self, piece: str) -> int:
        """Returns the id of a piece such as `<answer>`.

        Raises:
            ValueError: the tokenizer has no such piece.
        """
        id = self._pieces.piece_to_id(piece)
        if id == self._pieces.unk_id():
            raise self._no_piece(piece)
        return id

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        """The ids, in order, that no text shows to be needed: control pieces, bytes, unknown."""
        p = self._pieces
        kinds = (p.is_control, p.is_byte, p.is_unknown)
        return tuple(id for id in range(self.vocab_size) if any(kind(id) for kind in kinds))

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without BOS or EOS; it cannot contain control pieces."""
        return self._pieces.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of some ids; control pieces leave no trace."""
        return self._pieces.decode(list(ids))

    def spans(self, text: str) -> list[Span]:
        """Returns (begin, end) of each of the text's tokens, as `Tokenizer` says."""
        found = self._pieces.encode(text, return_type="offset_mapping")
        spans = list(found["offsets"])
        # Of the pieces that stand for one character, only the last is said to be anything.
        for index in range(len(spans) - 2, -1, -1):
            begin, end = spans[index]
            if begin == end == spans[index + 1][0]:
                spans[index] = begin, spans[index + 1][1]
        return without_added_blanks(text, found["pieces"], spans)

    def save(self, directory: Path) -> None:
        """Writes what transformers, and `load_tokenizer`, need to load this tokenizer."""
        (directory / self.FILE).write_bytes(self._pieces.serialized_model_proto())
