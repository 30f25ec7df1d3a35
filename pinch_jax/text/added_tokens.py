"""The tokens that are found whole in a text: of a tokenizer.json, and of the files beside it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def added_token(id: int, content: str, special: bool, normalized: bool = False) -> dict[str, Any]:
    """Returns an entry of a tokenizer.json for a token that is found whole."""
    return {
        "id": id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": normalized,
        "special": special,
    }


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
