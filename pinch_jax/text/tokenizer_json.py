"""Tokenizers of the library `tokenizers`: Llama 3, Qwen, and whatever transformers wrote."""

import contextlib
import copy
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from pinch_jax.errors import UserError
from pinch_jax.storage.json_input import parse_object
from pinch_jax.text.added_tokens import (
    FALLBACK_BYTES,
    StandIns,
    check_added_tokens,
    unused_mark,
    with_configured_tokens,
)
from pinch_jax.text.base import SPECIAL, Span, Tokenizer, without_added_blanks
from pinch_jax.text.roles import Roles, write_roles

# The tokens of single bytes, of tokenizers of nothing else.
BYTES = tuple(tokenizers.pre_tokenizers.ByteLevel.alphabet())


class JsonTokenizer(Tokenizer):
    """A tokenizer.json, made of its content; `config` is what tokenizer_config.json beside it says.

    `roles` are what the tokens are for; by default, what their names suggest.

    Raises:
        UserError: it is none, or its ids would not be those of transformers.
    """

    FILE = "tokenizer.json"

    def __init__(
        self,
        path: Path,
        content: bytes,
        roles: Roles | None = None,
        config: Mapping[str, Any] | None = None,
    ):
        self.path = path
        told = {"added_tokens": []} | parse_object(path, content, "download it anew")
        with self._naming():
            if "vocab" not in told.get("model", {}):
                tokenizers.Tokenizer.from_str(content.decode())  # says what is wrong
            if dropout := told["model"].get("dropout"):
                raise UserError(f"model.dropout={dropout} makes ids random; set it to null")
            configured = with_configured_tokens(told, config or {})
        if configured != told:
            content = json.dumps(configured, ensure_ascii=False).encode()
        self.checksum = hashlib.sha256(content).hexdigest()
        self._content = content
        self._special = frozenset(t["content"] for t in configured["added_tokens"] if t["special"])
        # By the character that marks special tokens.
        self._stand_ins: dict[str, StandIns] = {}
        self._unknown = _unknown_token(configured["model"])
        self._library = self._for_text("").library
        check_added_tokens(path, configured["added_tokens"], self.token_id)
        self.vocab_size = 1 + max(self._library.get_vocab().values())
        self.roles = roles or self._guessed_roles()

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the library raises no other
            raise UserError(
                f"{self.path} is not a tokenizer.json that is supported: {error}"
            ) from None

    def _for_text(self, text: str) -> StandIns:
        """Returns what encodes a text."""
        mark = unused_mark(text)
        if mark not in self._stand_ins:
            told = {"added_tokens": []} | json.loads(self._content)
            with self._naming():
                self._stand_ins[mark] = StandIns(told, self._special, mark)
        return self._stand_ins[mark]

    def _guessed_roles(self) -> Roles:
        bos, eos, pad = (
            next((name for name in SPECIAL[role] if self.find(name) is not None), None)
            for role in ("bos", "eos", "pad")
        )
        return Roles(bos, eos, pad, adds_bos=bos is not None and self.begins_with(bos))

    def begins_with(self, token: str, told: bool | None = None) -> bool:
        """Returns whether the tokenizer itself puts a token before each text.

        What its config says (`told`) does not count: transformers does not ask it either.
        """
        return self._begin() == [token]

    def _begin(self) -> list[str]:
        """Returns the tokens that the tokenizer itself puts before each text."""
        alone = self.encode("a")
        ids = self._library.encode("a").ids
        places = range(len(ids) - len(alone) + 1)
        start = next(place for place in places if ids[place : place + len(alone)] == alone)
        return [self.token(id) for id in ids[:start]]

    @property
    def adds_bos(self) -> bool:
        """Whether texts begin with BOS; UserError where they begin with something else."""
        if not self.roles.adds_bos and (begin := self._begin()):
            raise UserError(
                f"{self.path} puts {begin} before each text, and bos_token is {self.roles.bos!r}; "
                "name the same in tokenizer_config.json"
            )
        return self.roles.adds_bos

    def find(self, token: str) -> int | None:
        special = self._for_text("").ids
        return special[token] if token in special else self._library.token_to_id(token)

    def token(self, id: int) -> str:
        special = self._for_text("").names
        return special[id] if id in special else self._library.id_to_token(id)

    @property
    def unknown_id(self) -> int | None:
        return None if self._unknown is None else self.find(self._unknown)

    @property
    def reserved_ids(self) -> tuple[int, ...]:
        falls_back = self.find("<0x00>") is not None
        tokens = {*(FALLBACK_BYTES if falls_back else BYTES), *self._special, self._unknown}
        found = {self.find(token) for token in tokens if token is not None}
        return tuple(sorted(found - {None}))

    def special_tokens(self) -> set[str]:
        return set(self._special)

    def whole_tokens(self) -> set[str]:
        added = self._library.get_added_tokens_decoder().values()
        return {token.content for token in added if not token.special}

    def with_special_tokens(self, tokens: Collection[str]) -> "JsonTokenizer":
        changed = copy.copy(self)
        changed._special = self._special | {*tokens}
        changed._stand_ins = {}
        changed._library = changed._for_text("").library
        return changed

    def encode(self, text: str) -> list[int]:
        return self._for_text(text).library.encode(text, add_special_tokens=False).ids

    def encode_parts(self, parts: Sequence[str]) -> list[int]:
        """Returns the ids of a text, every second part of which is a special token.

        Raises:
            UserError: one of them is none where it stands.
        """
        stand_ins = self._for_text("".join(parts[::2]))
        names = [stand_ins.name(p) if i % 2 else p for i, p in enumerate(parts)]
        ids = stand_ins.library.encode("".join(names), add_special_tokens=False).ids
        # A text becomes the unknown one where its characters have no other.
        written = [token for token in parts[1::2] if token != self._unknown]
        found = [stand_ins.names[id] for id in ids if id in stand_ins.names]
        if written != (found := [token for token in found if token != self._unknown]):
            raise UserError(
                f"{self.path}: of the special tokens {written} only {found} are found where they "
                "stand: see single_word and normalized in its added_tokens; use the template 'base'"
            )
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return self._library.decode(ids, skip_special_tokens=True)

    def spans(self, text: str) -> list[Span]:
        found = self._for_text(text).library.encode(text, add_special_tokens=False)
        return without_added_blanks(text, found.tokens, found.offsets)

    def save(self, directory: Path) -> None:
        (directory / self.FILE).write_bytes(self._content)
        write_roles(directory, self.roles, made_from=self.FILE)


def _unknown_token(model: Mapping[str, Any]) -> str | None:
    """Returns what a tokenizer.json's model makes of what it does not know."""
    if model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def begun_with(token: str, id: int) -> dict[str, Any]:
    """Returns the post-processor of a tokenizer.json that puts a token before each text."""
    single = [
        {"SpecialToken": {"id": token, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}},
    }
