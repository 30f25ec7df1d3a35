"""GGUF files that hold a vocabulary only, as the converter of llama.cpp writes it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
from sentencepiece.sentencepiece_model_pb2 import ModelProto

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def write_vocabulary(path: Path, told: Mapping[str, Any], template: str | None = None) -> None:
    """Writes a file without tensors; `told` by the names behind "tokenizer.ggml."."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, value in told.items():
        key = f"tokenizer.ggml.{name}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, list(value))
    if template is not None:
        writer.add_chat_template(template)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def of_sentencepiece(model: bytes) -> dict[str, Any]:
    """Returns what the converter tells of a SentencePiece model of merges."""
    proto = ModelProto.FromString(model)
    kinds = [token.type for token in proto.pieces]
    texts = [token.piece for token in proto.pieces]
    told = {
        "model": "llama",
        "pre": "default",
        "tokens": [_blanks(t, kind) for t, kind in zip(texts, kinds, strict=True)],
        "scores": [
            token.score if token.type in (NORMAL, BYTE) else -1000.0 for token in proto.pieces
        ],
        # What is unknown is a special token of transformers, which is the last to tell.
        "token_type": [CONTROL if kind == UNKNOWN else kind for kind in kinds],
        "add_space_prefix": proto.normalizer_spec.add_dummy_prefix,
    }
    roles = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    spec = proto.trainer_spec
    ids = {theirs: getattr(spec, f"{ours}_id") for ours, theirs in roles.items()}
    return told | {f"{name}_token_id": id for name, id in ids.items() if id >= 0}


def of_tokenizer_json(directory: Path, pre: str, size: int | None = None) -> dict[str, Any]:
    """Returns what the converter tells of a tokenizer.json and its tokenizer_config.json.

    One that falls back on bytes is told as the SentencePiece model that it was made from, whose
    scores are the order of its merges. `size` is the decoder's, where that has more rows.
    """
    told = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    model = told["model"]
    added = {entry["id"]: entry for entry in told["added_tokens"]}
    texts = {id: token for token, id in model["vocab"].items()}
    texts |= {id: entry["content"] for id, entry in added.items()}
    kinds = {id: _kind(entry) for id, entry in added.items()}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    ids = range(size or 1 + max(texts))
    tokens = [texts.get(id, f"[PAD{id}]") for id in ids]
    types = [kinds.get(id, NORMAL if id in texts else UNUSED) for id in ids]
    of_bytes = not model.get("byte_fallback")
    if not of_bytes:
        bytes_ = {f"<0x{byte:02X}>" for byte in range(256)}
        if "<0x09>" not in tokens:  # Gemma 2's was renamed
            tokens[tokens.index("\t")] = "<0x09>"
        types = [BYTE if p in bytes_ else t for p, t in zip(tokens, types, strict=True)]
    fields = {
        "model": "gpt2" if of_bytes else "llama",
        "pre": pre,
        "tokens": [_blanks(p, t) for p, t in zip(tokens, types, strict=True)],
        "token_type": types,
    }
    if of_bytes:
        fields["merges"] = merges
    else:
        ranks: dict[str, float] = {}
        for rank, merge in enumerate(merges):
            ranks.setdefault(merge.replace(" ", ""), -float(rank))
        fields["scores"] = [
            ranks.get(p, -1e7) if t == NORMAL else -1000.0
            for p, t in zip(tokens, types, strict=True)
        ]
        fields["add_space_prefix"] = False
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    for role, name in names.items():
        token = config.get(f"{role}_token")
        if token is not None:
            text = token["content"] if isinstance(token, dict) else token
            fields[f"{name}_token_id"] = tokens.index(text)
    if "add_bos_token" in config:
        fields["add_bos_token"] = config["add_bos_token"]
    return fields


def _kind(entry: Mapping[str, Any]) -> int:
    text = entry["content"]
    marked = text.startswith(("<|", "<unused")) or text in ("<mask>", "<2mass>", "[@BOS@]")
    return CONTROL if entry["special"] or marked else USER_DEFINED


def _blanks(token: str, kind: int) -> str:
    return token.replace("\u2581", " ") if kind == USER_DEFINED else token
