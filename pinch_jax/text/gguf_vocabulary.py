"""The vocabulary inside a GGUF file as a tokenizer: one of SentencePiece, or one of bytes."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from pinch_jax.errors import UserError
from pinch_jax.text.added_tokens import added_token
from pinch_jax.text.base import Tokenizer
from pinch_jax.text.gguf_header import read_gguf_header
from pinch_jax.text.roles import Roles
from pinch_jax.text.sentencepiece_model import SentencePieceTokenizer
from pinch_jax.text.tokenizer_json import JsonTokenizer, begun_with

PREFIX = "tokenizer.ggml."
# Types of tokens, by the numbers of SentencePiece, which are those of GGUF.
UNKNOWN, CONTROL, USER_DEFINED, BYTE = 2, 3, 4, 6


@dataclasses.dataclass(frozen=True)
class Splitting:
    """How a family cuts a text before its bytes are merged.

    Attributes:
        pattern: what stays together.
        composes: whether a letter and its accent become one character before (NFC).
        keeps_tokens: whether what is a token as it stands is that token, whatever the merges.
        adds_bos: whether texts begin with BOS where the file does not say.
    """

    pattern: str
    composes: bool = False
    keeps_tokens: bool = False
    adds_bos: bool = False


WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
CASED_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
)
SIGNS = r" ?[^\s\p{L}\p{N}]+"
BLANKS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
# By tokenizer.ggml.pre: Llama 3; Qwen 2, 2.5 and 3; Mistral Nemo and later.
SPLITTINGS = {
    "llama-bpe": Splitting(
        rf"{WORDS}|\p{{N}}{{1,3}}|{SIGNS}[\r\n]*|{BLANKS}", keeps_tokens=True, adds_bos=True
    ),
    "qwen2": Splitting(rf"{WORDS}|\p{{N}}|{SIGNS}[\r\n]*|{BLANKS}", composes=True),
    "tekken": Splitting(
        rf"{CASED_WORDS}|\p{{N}}|{SIGNS}[\r\n/]*|{BLANKS}", keeps_tokens=True, adds_bos=True
    ),
}


def read_gguf_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of a GGUF file, or that of NAME.tokenizer.json beside NAME.gguf.

    Raises:
        UserError: it has none, or one of a kind that is not supported.
    """
    metadata = read_gguf_header(path).metadata
    told = {n.removeprefix(PREFIX): v for n, v in metadata.items() if n.startswith(PREFIX)}
    kind = told.get("model")
    if kind not in ("llama", "gpt2"):
        raise UserError(f"{path}: {PREFIX}model={kind!r} is not supported: only 'llama', 'gpt2'")
    for field in ("tokens", "token_type", {"llama": "scores", "gpt2": "merges"}[kind]):
        if field not in told:
            raise UserError(f"{path} has no {PREFIX}{field}; give a file with its vocabulary")
    ids = (told.get(f"{role}_token_id") for role in ("bos", "eos", "padding"))
    bos, eos, pad = (None if id is None else told["tokens"][id] for id in ids)
    beside, template = _beside(path), metadata.get("tokenizer.chat_template")
    # Where the file is silent, what llama.cpp does.
    usual = not beside.exists() and (kind == "llama" or _splitting(path, told).adds_bos)
    adds_bos = bos is not None and told.get("add_bos_token", usual)
    roles = Roles(bos, eos, pad, adds_bos, template)
    if beside.exists():
        return JsonTokenizer(beside, beside.read_bytes(), roles)
    if kind == "llama":
        return SentencePieceTokenizer(path, _sentencepiece_model(path, told), roles)
    content = json.dumps(_byte_level_json(path, told, roles), ensure_ascii=False)
    return JsonTokenizer(path, content.encode(), roles)


def _sentencepiece_model(path: Path, told: Mapping[str, Any]) -> bytes:
    """Returns the `.model` file of a vocabulary of SentencePiece."""
    model = sentencepiece_model_pb2.ModelProto()
    kinds = list(told["token_type"])
    if UNKNOWN not in kinds:
        # The converter marks it as a special token, which it is too; SentencePiece needs one.
        if "unknown_token_id" not in told:
            raise UserError(f"{path} has no {PREFIX}unknown_token_id, and no unknown token")
        kinds[told["unknown_token_id"]] = UNKNOWN
    for token, score, kind in zip(told["tokens"], told["scores"], kinds, strict=True):
        if kind == USER_DEFINED:
            # The converter writes blanks in place of what stands for them.
            token = token.replace(" ", "\u2581")
        model.pieces.add(piece=token, score=score, type=kind)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = sentencepiece_model_pb2.TrainerSpec.BPE
    trainer.vocab_size = len(kinds)
    trainer.byte_fallback = BYTE in kinds
    for ours, theirs in {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}.items():
        id = kinds.index(UNKNOWN) if ours == "unk" else told.get(f"{theirs}_token_id", -1)
        setattr(trainer, f"{ours}_id", id)
        if id >= 0:
            setattr(trainer, f"{ours}_piece", model.pieces[id].piece)
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = told.get("add_space_prefix", True)
    normalizer.remove_extra_whitespaces = told.get("remove_extra_whitespaces", False)
    normalizer.escape_whitespaces = True
    return model.SerializeToString(deterministic=True)


def _beside(path: Path) -> Path:
    """Returns where a GGUF file may have a tokenizer.json that counts in place of its own."""
    return path.with_name(f"{path.stem}.tokenizer.json")


def _splitting(path: Path, told: Mapping[str, Any]) -> Splitting:
    name = told.get("pre")
    if name not in SPLITTINGS:
        raise UserError(
            f"{path}: {PREFIX}pre={name!r} is not supported: only {', '.join(SPLITTINGS)}; put the "
            f"model's tokenizer.json beside it as {_beside(path).name}"
        )
    return SPLITTINGS[name]


def _byte_level_json(path: Path, told: Mapping[str, Any], roles: Roles) -> dict[str, Any]:
    """Returns the `tokenizer.json` of a vocabulary of merged bytes."""
    splitting = _splitting(path, told)
    of_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    of_bytes["use_regex"] = False
    split = {"type": "Split", "pattern": {"Regex": splitting.pattern}, "behavior": "Isolated"}
    added = [
        added_token(id, token, special=kind == CONTROL)
        for id, (token, kind) in enumerate(zip(told["tokens"], told["token_type"], strict=True))
        if kind in (CONTROL, USER_DEFINED)
    ]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if splitting.composes else None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split | {"invert": False}, of_bytes],
        },
        "post_processor": (
            begun_with(roles.bos, told["bos_token_id"]) if roles.adds_bos else of_bytes
        ),
        "decoder": of_bytes,
        "model": {
            "type": "BPE",
            "ignore_merges": splitting.keeps_tokens,
            "vocab": {token: id for id, token in enumerate(told["tokens"])},
            "merges": told["merges"],
        },
    }
