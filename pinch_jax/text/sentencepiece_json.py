"""A SentencePiece model as a tokenizer.json, the file that all of transformers' successors read."""

import base64
from typing import Any

from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec

from pinch_jax.errors import UserError
from pinch_jax.text.added_tokens import added_token
from pinch_jax.text.roles import Roles
from pinch_jax.text.tokenizer_json import begun_with

BLANK = "\u2581"


def to_tokenizer_json(model: ModelProto, roles: Roles) -> dict[str, Any]:
    """Returns the content of a tokenizer.json that makes the same ids.

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
        if whole.type not in (whole.NORMAL, whole.USER_DEFINED):
            continue
        parts = [(whole.piece[:i], whole.piece[i:]) for i in range(1, len(whole.piece))]
        pairs = [(a, b) for a, b in parts if a in ids and b in ids]
        pairs.sort(key=lambda pair: (ids[pair[0]], ids[pair[1]]))
        found += [(-whole.score, pair) for pair in pairs]
    return [pair for _, pair in sorted(found, key=lambda one: one[0])]
