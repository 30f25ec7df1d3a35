"""The tokenizer_config.json of a model of transformers: what its tokenizer's pieces are for."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIG, TEMPLATE = "tokenizer_config.json", "chat_template.jinja"
# A field of our own.
ORIGINAL = "made_from"


@dataclasses.dataclass(frozen=True)
class Roles:
    """What a model does with its tokenizer's pieces.

    Attributes:
        bos, eos, pad: the pieces that begin a text, end a response and fill a row, if any.
        adds_bos: whether the model's texts begin with BOS.
        chat_template: how turns are written, in jinja; None for a model that knows no turns.
    """

    bos: str | None
    eos: str | None
    pad: str | None
    adds_bos: bool
    chat_template: str | None = None


def read_roles(directory: Path, begins_with: Callable[[str], bool]) -> Roles | None:
    """Returns what the files beside a tokenizer say of its pieces; None where there are none.

    Where they do not say whether texts begin with BOS, the tokenizer itself does.
    """
    if not (directory / CONFIG).exists():
        return None
    told: dict[str, Any] = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    bos, eos, pad = (_content(told.get(f"{role}_token")) for role in ("bos", "eos", "pad"))
    return Roles(
        bos,
        eos,
        pad,
        adds_bos=bos is not None and told.get("add_bos_token", begins_with(bos)),
        chat_template=_chat_template(directory, told),
    )


def write_roles(directory: Path, roles: Roles, made_from: str) -> None:
    """Writes the files that `read_roles`, and transformers, read.

    `made_from`: which of a tokenizer's files is the original; `original_file` reads it.
    """
    pieces = {f"{role}_token": getattr(roles, role) for role in ("bos", "eos", "pad")}
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": roles.adds_bos,
        "clean_up_tokenization_spaces": False,
        ORIGINAL: made_from,
    } | {name: piece for name, piece in pieces.items() if piece is not None}
    text = json.dumps(told, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")
    if roles.chat_template is not None:
        (directory / TEMPLATE).write_text(roles.chat_template, encoding="utf-8")


def original_file(directory: Path) -> str | None:
    """Returns which of a tokenizer's files the others were made from, if it was we who did."""
    config = directory / CONFIG
    return json.loads(config.read_text(encoding="utf-8")).get(ORIGINAL) if config.exists() else None


def _content(token: str | dict[str, Any] | None) -> str | None:
    return token["content"] if isinstance(token, dict) else token


def _chat_template(directory: Path, told: dict[str, Any]) -> str | None:
    if (directory / TEMPLATE).exists():
        return (directory / TEMPLATE).read_text(encoding="utf-8")
    template = told.get("chat_template")
    if isinstance(template, list):  # several, by name
        return {one["name"]: one["template"] for one in template}.get("default")
    return template
