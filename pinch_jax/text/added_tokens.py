"""The tokens that are found whole in a text: of a tokenizer.json, and of the files beside it.

The special ones among them are given names that no text holds. So the library finds exactly those
that a template wrote, with all that the file says of them (a blank before the first word alone,
blanks that a token takes from its sides), and a text never becomes one: not by looking like it, and
not by way of the model's own vocabulary either, of which every token of unigrams is a part.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from pinch_jax.errors import UserError

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
# What a tokenizer falls back on.
FALLBACK_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
# Characters that no text should have; the first that a text does not have is its mark.
MARKS = range(0xFDD0, 0x110000)


def added_token(id: int, content: str, special: bool, normalized: bool = False) -> dict[str, Any]:
    """Returns an entry of a tokenizer.json for a token that is found whole."""
    flags = dict.fromkeys(FLAGS, False) | {"normalized": normalized, "special": special}
    return {"id": id, "content": content, **flags}


def with_configured_tokens(told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of a tokenizer.json with what its tokenizer_config.json says of tokens.

    As transformers does, it takes what the config says of a token that both have, adds those that
    the config alone has, and makes special each that the config names for a purpose.

    Raises:
        UserError: the config lists special tokens that the file has not.
    """
    added = {token["content"]: dict(token) for token in told["added_tokens"]}
    for id, token in sorted(configured_tokens(config).items()):
        content = token["content"]
        # The ids of the file stand, and what is special there stays so.
        entry = added.setdefault(content, added_token(id, content, False, normalized=True))
        special = entry["special"] or token.get("special", False)
        entry |= {flag: token[flag] for flag in FLAGS if flag in token} | {"special": special}
    ids = vocabulary(told)
    for content in named_tokens(config).values():
        if content not in added and content in ids:
            added[content] = added_token(ids[content], content, special=True)
        if content in added:
            added[content]["special"] = True
    if missing := sorted(_listed(config) - added.keys() - ids.keys()):
        raise UserError(
            f"tokenizer_config.json lists the special tokens {missing}, which it has not; add them "
            "to the file, or take them out of the list"
        )
    return {**told, "added_tokens": [*added.values()]}


def configured_tokens(config: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Returns the tokens that a tokenizer_config.json adds, by their ids."""
    return {int(id): token for id, token in config.get("added_tokens_decoder", {}).items()}


def named_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tokens that a tokenizer_config.json names for a purpose, such as `eos_token`."""
    more = config.get("extra_special_tokens")
    named = {name: token for name, token in config.items() if name.endswith("_token")}
    named |= more if isinstance(more, Mapping) else {}
    # What transformers does, such as `add_bos_token`, is named like a token.
    return {n: _content(token) for n, token in named.items() if isinstance(token, str | Mapping)}


def _listed(config: Mapping[str, Any]) -> set[str]:
    lists = (config.get(f"{kind}_special_tokens") for kind in ("extra", "additional"))
    return {_content(token) for some in lists if isinstance(some, list) for token in some}


def _content(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else token["content"]


def check_added_tokens(
    path: Path, added: Iterable[Mapping[str, Any]], id_of: Callable[[str], int]
) -> None:
    """Raises UserError where the library gives a token another id than the file says.

    It numbers those that are not in the model's vocabulary from its end on, whatever the file says.
    """
    for token in added:
        content, id = token["content"], id_of(token["content"])
        if id != token["id"]:
            raise UserError(
                f"{path}: the added token {content!r} has the id {token['id']}, but the library "
                f"tokenizers gives it {id}: ids behind the vocabulary must follow each other; add "
                "the missing ones to the file"
            )


def vocabulary(told: Mapping[str, Any]) -> Mapping[str, int]:
    """Returns the ids of a tokenizer.json's tokens, without those that are added behind them."""
    vocab = told["model"]["vocab"]
    return vocab if isinstance(vocab, dict) else {token: id for id, (token, _) in enumerate(vocab)}


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
