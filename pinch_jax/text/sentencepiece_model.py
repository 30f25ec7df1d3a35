"""Tokenizers of SentencePiece: Gemma, Llama 2, Mistral, and those trained here."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from pinch_jax.errors import UserError
from pinch_jax.text.added_tokens import configured_tokens
from pinch_jax.text.base import Span, Tokenizer, without_added_blanks
from pinch_jax.text.roles import Roles, write_roles
from pinch_jax.text.sentencepiece_json import to_tokenizer_json
from pinch_jax.text.tokenizer_json import JsonTokenizer

# The kinds of pieces that a text becomes.
TEXT_TYPES = (
    sentencepiece_model_pb2.ModelProto.SentencePiece.NORMAL,
    sentencepiece_model_pb2.ModelProto.SentencePiece.USER_DEFINED,
)


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model.

    Args:
        path: the file that it is from.
        model: the content of a `.model` file.
        roles: what the pieces are for, where the model itself does not say it.
    """

    FILE = "tokenizer.model"

    def __init__(self, path: Path, model: bytes, roles: Roles | None = None):
        self.path = path
        self.checksum = hashlib.sha256(model).hexdigest()
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise UserError(
                f"{path} is not a SentencePiece model: {error}; give another file"
            ) from None
        self.vocab_size = self._pieces.vocab_size()
        self.roles = roles or self._own_roles()

    def _own_roles(self) -> Roles:
        ids = (self._pieces.bos_id(), self._pieces.eos_id(), self._pieces.pad_id())
        bos, eos, pad = (None if id < 0 else self.piece(id) for id in ids)
        # The models of this kind that have one begin with it.
        return Roles(bos, eos, pad, adds_bos=bos is not None)

    def piece(self, id: int) -> str:
        """Returns what the tokenizer calls an id."""
        return self._pieces.id_to_piece(id)

    def piece_id(self, piece: str) -> int:
        """Returns the id of a piece such as `<answer>`.

        Raises:
            UserError: the tokenizer has no such piece.
        """
        id = self._pieces.piece_to_id(piece)
        if id == self._pieces.unk_id():
            raise self._no_piece(piece)
        return id

    def begins_with(self, piece: str, told: bool | None = None) -> bool:
        """Returns whether texts begin with a piece: in models of this kind, unless told not to."""
        return told is not False

    def configured(self, config: Mapping[str, Any]) -> "SentencePieceTokenizer":
        """Returns this tokenizer with what its tokenizer_config.json says of tokens.

        Raises:
            UserError: it has tokens that the model has not.
        """
        for id, token in configured_tokens(config).items():
            if id >= self.vocab_size or self.piece(id) != token["content"]:
                raise UserError(
                    f"{self.path} has no piece {token['content']!r} of the id {id}, which "
                    "added_tokens_decoder in the tokenizer_config.json beside it adds; give the "
                    "tokenizer.json, which save_pretrained of transformers writes"
                )
        special = {t["content"] for t in configured_tokens(config).values() if t.get("special")}
        special &= {piece.piece for piece in self._model().pieces if piece.type in TEXT_TYPES}
        return self.with_control_pieces(special) if special else self

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        """The ids, in order, that no text shows to be needed: control pieces, bytes, unknown."""
        p = self._pieces
        kinds = (p.is_control, p.is_byte, p.is_unknown)
        return tuple(id for id in range(self.vocab_size) if any(kind(id) for kind in kinds))

    def control_pieces(self) -> set[str]:
        """Returns the pieces that no text becomes."""
        return set(map(self.piece, filter(self._pieces.is_control, range(self.vocab_size))))

    def whole_pieces(self) -> set[str]:
        """Returns the pieces that a text's other words never share a token with."""
        return {piece.piece for piece in self._model().pieces if piece.type == piece.USER_DEFINED}

    def with_control_pieces(self, pieces: Collection[str]) -> "SentencePieceTokenizer":
        """Returns this tokenizer with more control pieces, which were whole pieces."""
        model = self._model()
        for piece in model.pieces:
            if piece.piece in pieces:
                piece.type = piece.CONTROL
        return SentencePieceTokenizer(self.path, model.SerializeToString(), self.roles)

    def _model(self) -> sentencepiece_model_pb2.ModelProto:
        content = self._pieces.serialized_model_proto()
        return sentencepiece_model_pb2.ModelProto.FromString(content)

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without BOS or EOS; it cannot contain control pieces."""
        return self._pieces.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of some ids; control pieces leave no trace."""
        return self._pieces.decode([id for id in ids if id < self.vocab_size])

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
        # The classes of transformers that read the other expect one model or another of it.
        content = json.dumps(to_tokenizer_json(self._model(), self.roles), ensure_ascii=False)
        (directory / JsonTokenizer.FILE).write_text(content, encoding="utf-8")
        write_roles(directory, self.roles, made_from=self.FILE)
