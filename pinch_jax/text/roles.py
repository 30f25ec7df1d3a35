"""The tokenizer_config.json of a model of transformers: what its tokenizer's tokens are for."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError
from pinch_jax.storage.json_input import read_object
from pinch_jax.text.added_tokens import named_tokens

CONFIG, TEMPLATE = "tokenizer_config.json", "chat_template.jinja"
# What older versions of transformers wrote beside it, and where newer ones keep more templates.
LEGACY, TEMPLATES = "special_tokens_map.json", "additional_chat_templates"
# A field of our own.
ORIGINAL = "made_from"


@dataclasses.dataclass(frozen=True)
class Roles:
    """What a model does with its tokenizer's tokens.

    Attributes:
        bos, eos, pad: the tokens that begin a text, end a response and fill a row, if any.
        adds_bos: whether the model's texts begin with BOS.
        chat_template: how turns are written, in jinja; None for a model that knows no turns.
        others: other tokens by what a config calls them, such as `unk_token`; a template may write
            them.
    """

    bos: str | None
    eos: str | None
    pad: str | None
    adds_bos: bool
    chat_template: str | None = None
    others: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read_config(directory: Path) -> dict[str, Any] | None:
    """Returns what the files beside a tokenizer say of its tokens; None where there are none."""
    files = [directory / CONFIG, directory / LEGACY]
    if not any(file.exists() for file in files):
        return None
    told, legacy = (
        read_object(file, "download it anew") if file.exists() else {} for file in files
    )
    # As transformers does: where a config tells of its tokens, an older file does not count.
    return told if "added_tokens_decoder" in told else told | legacy


def read_roles(
    directory: Path, told: Mapping[str, Any], begins_with: Callable[[str, bool | None], bool]
) -> Roles:
    """Returns what the files beside a tokenizer say of its tokens: `told`, and a chat template.

    Whether texts begin with BOS, the tokenizer says, given what they say of it.
    """
    tokens = named_tokens(told)
    bos, eos, pad = (tokens.pop(f"{role}_token", None) for role in ("bos", "eos", "pad"))
    return Roles(
        bos,
        eos,
        pad,
        adds_bos=bos is not None and begins_with(bos, told.get("add_bos_token")),
        chat_template=_chat_template(directory, told),
        others=tokens,
    )


def write_roles(directory: Path, roles: Roles, made_from: str) -> None:
    """Writes the files that `read_roles`, and transformers, read.

    `made_from`: which of a tokenizer's files is the original; `original_file` reads it.
    """
    tokens = {f"{role}_token": getattr(roles, role) for role in ("bos", "eos", "pad")}
    told = (
        dict(roles.others)
        | {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": roles.adds_bos,
            "clean_up_tokenization_spaces": False,
            ORIGINAL: made_from,
        }
        | {name: token for name, token in tokens.items() if token is not None}
    )
    text = json.dumps(told, indent=2, ensure_ascii=False)
    (directory / CONFIG).write_text(text + "\n", encoding="utf-8")
    if roles.chat_template is not None:
        (directory / TEMPLATE).write_text(roles.chat_template, encoding="utf-8")


def original_file(directory: Path) -> str | None:
    """Returns which of a tokenizer's files the others were made from, if it was we who did."""
    config = directory / CONFIG
    return read_object(config, "download it anew").get(ORIGINAL) if config.exists() else None


def _chat_template(directory: Path, told: Mapping[str, Any]) -> str | None:
    files = {path.stem: path for path in sorted((directory / TEMPLATES).glob("*.jinja"))}
    if (directory / TEMPLATE).exists():
        files["default"] = directory / TEMPLATE
    several: Any = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    several = several or told.get("chat_template")
    if several is None or isinstance(several, str):
        return several
    if isinstance(several, list):  # several, by name
        several = {one["name"]: one["template"] for one in several}
    if "default" not in several:
        raise UserError(
            f"{directory} has the chat templates {sorted(several)}, and none of them is the "
            f"'default'; write the one to use as {TEMPLATE}"
        )
    return several["default"]
