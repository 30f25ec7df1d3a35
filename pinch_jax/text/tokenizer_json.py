"""Tokenizers of the library `tokenizers`: Llama 3, Qwen, and whatever transformers wrote."""

import copy
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from pinch_jax.text.base import PIECES, Span, Tokenizer, without_added_blanks
from pinch_jax.text.roles import Roles, write_roles

# The pieces of single bytes: of tokenizers that fall back on them, and of those of nothing else.
FALLBACK_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
BYTES = tuple(tokenizers.pre_tokenizers.ByteLevel.alphabet())


class JsonTokenizer(Tokenizer):
    """A tokenizer.json.

    Args:
        path: the file that it is from.
        content: of a `tokenizer.json`.
        roles: what the pieces are for; by default, what their names suggest.
    """

    FILE = "tokenizer.json"

    def __init__(self, path: Path, content: bytes, roles: Roles | None = None):
        self.path = path
        self.checksum = hashlib.sha256(content).hexdigest()
        self._content = content
        try:
            self._pieces = tokenizers.Tokenizer.from_str(content.decode())
        except Exception as error:  # the library raises no other
            raise ValueError(f"{path} is not a tokenizer.json: {error}") from None
        self._pieces.no_truncation()
        self._pieces.no_padding()
        # Text that looks like a control piece is text.
        self._pieces.encode_special_tokens = True
        self.vocab_size = 1 + max(self._pieces.get_vocab().values())
        self.roles = roles or self._guessed_roles()

    def _guessed_roles(self) -> Roles:
        bos, eos, pad = (
            next((name for name in PIECES[role] if self._id(name) is not None), None)
            for role in ("bos", "eos", "pad")
        )
        return Roles(bos, eos, pad, adds_bos=bos is not None and self.begins_with(bos))

    def begins_with(self, piece: str) -> bool:
        """Returns whether the tokenizer itself puts a piece before each text."""
        return self._pieces.encode("").tokens[:1] == [piece]

    def _id(self, piece: str) -> int | None:
        return self._pieces.token_to_id(piece)

    def piece(self, id: int) -> str:
        """Returns what the tokenizer calls an id."""
        return self._pieces.id_to_token(id)

    def piece_id(self, piece: str) -> int:
        """Returns the id of a piece.

        Raises:
            ValueError: the tokenizer has no such piece.
        """
        id = self._id(piece)
        if id is None:
            raise self._no_piece(piece)
        return id

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        """The ids, in order, that no text shows to be needed: control pieces, bytes, unknown."""
        falls_back = self._id(FALLBACK_BYTES[0]) is not None
        found = map(self._id, FALLBACK_BYTES if falls_back else BYTES)
        # What is unknown is a control piece in all such files.
        found = {*found, *map(self._id, self.control_pieces())}
        return tuple(sorted(found - {None}))

    def _added(self, special: bool) -> set[str]:
        added = self._pieces.get_added_tokens_decoder().values()
        return {piece.content for piece in added if piece.special == special}

    def control_pieces(self) -> set[str]:
        """Returns the pieces that no text becomes."""
        return self._added(special=True)

    def whole_pieces(self) -> set[str]:
        """Returns the pieces that a text's other words never share a token with."""
        return self._added(special=False)

    def with_control_pieces(self, pieces: Collection[str]) -> "JsonTokenizer":
        """Returns this tokenizer with more control pieces, which were whole pieces."""
        changed = copy.copy(self)
        changed._pieces = copy.deepcopy(self._pieces)
        changed._pieces.add_special_tokens(
            [tokenizers.AddedToken(piece, special=True, normalized=False) for piece in pieces]
        )
        changed._pieces.encode_special_tokens = True
        return changed

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
        write_roles(directory, self.roles, made_from=self.FILE)


def added_piece(id: int, piece: str, special: bool, normalized: bool = False) -> dict[str, Any]:
    """Returns an entry of a tokenizer.json for a piece that is found whole."""
    return {
        "id": id,
        "content": piece,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": normalized,
        "special": special,
    }


def begun_with(piece: str, id: int) -> dict[str, Any]:
    """Returns the post-processor of a tokenizer.json that puts a piece before each text."""
    single = [
        {"SpecialToken": {"id": piece, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {piece: {"id": piece, "ids": [id], "tokens": [piece]}},
    }
