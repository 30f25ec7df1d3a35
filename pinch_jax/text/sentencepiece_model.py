"""Tokenizers of SentencePiece: Gemma, Llama 2, Mistral, and those trained here.

They are saved as a tokenizer.json too, the file that all of transformers' successors read.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec

from pinch_jax.errors import UserError
from pinch_jax.text.added_tokens import added_token, configured_tokens
from pinch_jax.text.base import Span, Tokenizer, without_added_blanks
from pinch_jax.text.roles import Roles, write_roles
from pinch_jax.text.tokenizer_json import JsonTokenizer, begun_with

BLANK = "\u2581"
# The kinds of tokens that a text becomes.
TEXT_TYPES = (ModelProto.SentencePiece.NORMAL, ModelProto.SentencePiece.USER_DEFINED)


class SentencePieceTokenizer(Tokenizer):
    """A SentencePiece model, made of the content of a `.model` file.

    `roles` are what the tokens are for, where the model itself does not say it.
    """

    FILE = "tokenizer.model"

    def __init__(self, path: Path, model: bytes, roles: Roles | None = None):
        self.path = path
        self.checksum = hashlib.sha256(model).hexdigest()
        try:
            self._library = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise UserError(
                f"{path} is not a SentencePiece model: {error}; give another file"
            ) from None
        self.vocab_size = self._library.vocab_size()
        self.roles = roles or self._own_roles()

    def _own_roles(self) -> Roles:
        ids = (self._library.bos_id(), self._library.eos_id(), self._library.pad_id())
        bos, eos, pad = (None if id < 0 else self.token(id) for id in ids)
        # The models of this kind that have one begin with it.
        return Roles(bos, eos, pad, adds_bos=bos is not None)

    def token(self, id: int) -> str:
        return self._library.id_to_piece(id)

    def find(self, token: str) -> int | None:
        id = self._library.piece_to_id(token)
        return None if id == self._library.unk_id() else id

    def begins_with(self, token: str, told: bool | None = None) -> bool:
        """Returns whether texts begin with a token: in models of this kind, unless told not to."""
        return told is not False

    def configured(self, config: Mapping[str, Any]) -> "SentencePieceTokenizer":
        """Returns this tokenizer with what its tokenizer_config.json says of tokens.

        Raises:
            UserError: it has tokens that the model has not.
        """
        for id, token in configured_tokens(config).items():
            if id >= self.vocab_size or self.token(id) != token["content"]:
                raise UserError(
                    f"{self.path} has no token {token['content']!r} of the id {id}, which "
                    "added_tokens_decoder in the tokenizer_config.json beside it adds; give the "
                    "tokenizer.json, which save_pretrained of transformers writes"
                )
        special = {t["content"] for t in configured_tokens(config).values() if t.get("special")}
        special &= {token.piece for token in self._model().pieces if token.type in TEXT_TYPES}
        return self.with_special_tokens(special) if special else self

    @property
    def unknown_id(self) -> int:
        """What stands for characters that no token has; every model has it."""
        return self._library.unk_id()

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        p = self._library
        kinds = (p.is_control, p.is_byte, p.is_unknown)
        return tuple(id for id in range(self.vocab_size) if any(kind(id) for kind in kinds))

    def special_tokens(self) -> set[str]:
        return set(map(self.token, filter(self._library.is_control, range(self.vocab_size))))

    def whole_tokens(self) -> set[str]:
        return {token.piece for token in self._model().pieces if token.type == token.USER_DEFINED}

    def with_special_tokens(self, tokens: Collection[str]) -> "SentencePieceTokenizer":
        model = self._model()
        for token in model.pieces:
            if token.piece in tokens:
                token.type = token.CONTROL
        return SentencePieceTokenizer(self.path, model.SerializeToString(), self.roles)

    def _model(self) -> ModelProto:
        content = self._library.serialized_model_proto()
        return ModelProto.FromString(content)

    def encode(self, text: str) -> list[int]:
        return self._library.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self._library.decode([id for id in ids if id < self.vocab_size])

    def spans(self, text: str) -> list[Span]:
        found = self._library.encode(text, return_type="offset_mapping")
        spans = list(found["offsets"])
        # Of the tokens that stand for one character, only the last is said to be anything.
        for index in range(len(spans) - 2, -1, -1):
            begin, end = spans[index]
            if begin == end == spans[index + 1][0]:
                spans[index] = begin, spans[index + 1][1]
        return without_added_blanks(text, found["pieces"], spans)

    def save(self, directory: Path) -> None:
        (directory / self.FILE).write_bytes(self._library.serialized_model_proto())
        # The classes of transformers that read the other expect one model or another of it.
        content = json.dumps(to_tokenizer_json(self._model(), self.roles), ensure_ascii=False)
        (directory / JsonTokenizer.FILE).write_text(content, encoding="utf-8")
        write_roles(directory, self.roles, made_from=self.FILE)


def to_tokenizer_json(model: ModelProto, roles: Roles) -> dict[str, Any]:
    """Returns the content of a tokenizer.json that makes the same ids as a SentencePiece model.

    Of unigrams it does not where a text looks like a special token, which it makes of it.

    Raises:
        UserError: the model is neither of merges nor of unigrams.
    """
    ids = {token.piece: id for id, token in enumerate(model.pieces)}
    normalizer, spec = model.normalizer_spec, model.trainer_spec
    unknown = next(p.piece for p in model.pieces if p.type == p.UNKNOWN)
    if spec.model_type == TrainerSpec.BPE:
        core = {"type": "BPE", "unk_token": unknown, "fuse_unk": True, "vocab": ids}
        core["merges"] = _merges(model, ids)
    elif spec.model_type == TrainerSpec.UNIGRAM:
        tokens = [[token.piece, token.score] for token in model.pieces]
        core = {"type": "Unigram", "unk_id": ids[unknown], "vocab": tokens}
    else:
        kind = TrainerSpec.ModelType.Name(spec.model_type)
        raise UserError(f"a SentencePiece model of type {kind} has no tokenizer.json")
    steps = [{"type": "Replace", "pattern": {"String": " "}, "content": BLANK}]
    if normalizer.add_dummy_prefix:
        steps.insert(0, {"type": "Prepend", "prepend": BLANK})
    if normalizer.remove_extra_whitespaces:
        steps.insert(0, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
        steps.insert(0, {"type": "Strip", "strip_left": True, "strip_right": True})
    if normalizer.precompiled_charsmap:
        chars = base64.b64encode(normalizer.precompiled_charsmap).decode()
        steps.insert(0, {"type": "Precompiled", "precompiled_charsmap": chars})
    decoders = [
        {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if normalizer.add_dummy_prefix:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "version": "1.0",
        "added_tokens": [
            # As in SentencePiece, what is found whole is found after blanks were replaced. Not so
            # where a blank begins each text: it would begin these tokens, and so their neighbours
            # are begun by one instead. Llama 2 has no such tokens.
            added_token(id, p.piece, special, not special and not normalizer.add_dummy_prefix)
            for id, p in enumerate(model.pieces)
            if (special := p.type in (p.CONTROL, p.UNKNOWN)) or p.type == p.USER_DEFINED
        ],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "post_processor": begun_with(roles.bos, ids[roles.bos]) if roles.adds_bos else None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": core | {"byte_fallback": spec.byte_fallback},
    }


def _merges(model: ModelProto, ids: dict[str, int]) -> list[tuple[str, str]]:
    """Returns all pairs of tokens that make a token, the best first."""
    found = []
    for whole in model.pieces:
        if whole.type not in TEXT_TYPES:
            continue
        parts = [(whole.piece[:i], whole.piece[i:]) for i in range(1, len(whole.piece))]
        pairs = [(a, b) for a, b in parts if a in ids and b in ids]
        pairs.sort(key=lambda pair: (ids[pair[0]], ids[pair[1]]))
        found += [(-whole.score, pair) for pair in pairs]
    return [pair for _, pair in sorted(found, key=lambda one: one[0])]
