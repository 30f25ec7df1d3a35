"""A tokenizer.json whose special tokens have names that no text holds.

So the library finds exactly those that a template wrote, with all that the file says of them (a
blank before the first word alone, blanks that a token takes from its sides), and a text never
becomes one: not by looking like it, and not by way of the model's own vocabulary either, of which
every token of unigrams is a part.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import tokenizers

from pinch_jax.errors import UserError
from pinch_jax.text.added_tokens import vocabulary

# What a tokenizer falls back on.
FALLBACK_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
# Characters that no text should have; the first that a text does not have is its mark.
MARKS = range(0xFDD0, 0x110000)


def unused_mark(text: str) -> str:
    """Returns a character that a text does not have."""
    return next(mark for mark in map(chr, MARKS) if mark not in text)


class StandIns:
    """The library's tokenizer, of which special tokens stand between two marks in a text.

    Args:
        told: the content of a tokenizer.json.
        special: the tokens that no text becomes, which it has.
        mark: a character that texts do not have.

    Raises:
        UserError: the normalizer takes the marks away, or what texts are made of is special.
        Exception: the library does not read it, and raises no other.
    """

    def __init__(self, told: Mapping[str, Any], special: Collection[str], mark: str):
        self._mark = mark
        if told["model"].get("byte_fallback") and not FALLBACK_BYTES.isdisjoint(special):
            raise UserError("its bytes (<0x00> ...) are special tokens; make them none")
        letters = sorted(t for t in special if len(t) == 1 and t in vocabulary(told))
        if letters:
            raise UserError(
                f"its special tokens {letters} are characters that texts are made of; name others "
                "in tokenizer_config.json"
            )
        names = {token: self.name(token) for token in special}
        self.library = tokenizers.Tokenizer.from_str(_with_names(told, names))
        self.library.no_truncation()
        self.library.no_padding()
        self.names = {self.library.token_to_id(name): token for token, name in names.items()}
        self.ids = {token: id for id, token in self.names.items()}
        normalizer = self.library.normalizer
        if normalizer and mark not in normalizer.normalize_str(mark):
            raise UserError("its normalizer takes out characters that are not assigned")

    def name(self, token: str) -> str:
        """Returns what stands for a special token in a text."""
        return self._mark + token + self._mark


def _with_names(told: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Returns a tokenizer.json with other names for some tokens, of the same ids; all are special.

    Nothing is merged to or from those any more.
    """
    model = dict(told["model"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(token, token): id for token, id in model["vocab"].items()}
    else:
        model["vocab"] = [[names.get(token, token), score] for token, score in model["vocab"]]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if model.get("merges"):
        model["merges"] = [pair for pair in model["merges"] if not _touches(pair, names)]
    added = [
        token | {"content": names[token["content"]], "special": True}
        if token["content"] in names
        else token
        for token in told["added_tokens"]
    ]
    return json.dumps({**told, "added_tokens": added, "model": model}, ensure_ascii=False)


def _touches(pair: Any, names: Mapping[str, str]) -> bool:
    left, right = pair.split(" ") if isinstance(pair, str) else pair
    return left in names or right in names or left + right in names
