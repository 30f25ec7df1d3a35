"""The vocabulary inside a GGUF file as a tokenizer."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from pinch_jax.data.tokenizer_base import Roles, Tokenizer
from pinch_jax.data.tokenizer_sentencepiece import SentencePieceTokenizer
from pinch_jax.gguf_header import read_gguf_header

# Types of pieces, by the numbers of SentencePiece, which are those of GGUF.
UNKNOWN, CONTROL, USER_DEFINED, BYTE = 2, 3, 4, 6


def read_gguf_tokenizer(path: Path) -> Tokenizer:
    """Returns the tokenizer of a GGUF file.

    Raises:
        ValueError: its vocabulary is of a kind that is not supported.
    """
    prefix = "tokenizer.ggml."
    metadata = read_gguf_header(path).metadata
    told = {n.removeprefix(prefix): v for n, v in metadata.items() if n.startswith(prefix)}
    kind = told.get("model")
    if kind != "llama":
        raise ValueError(f"{path}: {prefix}model={kind!r} is not supported: only 'llama'")
    checksum = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    roles = Roles(
        bos=told.get("bos_token_id"),
        eos=told.get("eos_token_id"),
        pad=told.get("padding_token_id"),
        # Where the file is silent, what llama.cpp does.
        adds_bos=told.get("add_bos_token", True),
        chat_template=metadata.get("tokenizer.chat_template"),
    )
    return SentencePieceTokenizer(path, _sentencepiece_model(path, told), roles, checksum)


def _sentencepiece_model(path: Path, told: Mapping[str, Any]) -> bytes:
    """Returns the `.model` file of a vocabulary of SentencePiece."""
    model = sentencepiece_model_pb2.ModelProto()
    kinds = list(told["token_type"])
    if UNKNOWN not in kinds:
        # The converter marks it as the control piece that it is too; SentencePiece needs one.
        unknown = told.get("unknown_token_id")
        if unknown is None:
            raise ValueError(f"{path}: no tokenizer.ggml.unknown_token_id and no unknown piece")
        kinds[unknown] = UNKNOWN
    for piece, score, kind in zip(told["tokens"], told["scores"], kinds, strict=True):
        if kind == USER_DEFINED:
            # The converter has put blanks for what stands for them.
            piece = piece.replace(" ", "\u2581")
        model.pieces.add(piece=piece, score=score, type=kind)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = sentencepiece_model_pb2.TrainerSpec.BPE
    trainer.vocab_size = len(kinds)
    trainer.byte_fallback = BYTE in kinds
    roles = {"unk": "unknown", "bos": "bos", "eos": "eos", "pad": "padding"}
    for ours, theirs in roles.items():
        id = told.get(f"{theirs}_token_id", -1)
        setattr(trainer, f"{ours}_id", id)
        if id >= 0:
            setattr(trainer, f"{ours}_piece", model.pieces[id].piece)
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = told.get("add_space_prefix", True)
    normalizer.remove_extra_whitespaces = told.get("remove_extra_whitespaces", False)
    normalizer.escape_whitespaces = True
    return model.SerializeToString()
