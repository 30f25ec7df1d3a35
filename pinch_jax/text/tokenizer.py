"""Text to ids and back, by the tokenizer's own tokens."""

from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import as_path
from pinch_jax.text.base import Tokenizer
from pinch_jax.text.gguf_header import MAGIC
from pinch_jax.text.gguf_vocabulary import read_gguf_tokenizer
from pinch_jax.text.roles import original_file, read_config, read_roles
from pinch_jax.text.sentencepiece_model import SentencePieceTokenizer
from pinch_jax.text.tokenizer_json import JsonTokenizer

__all__ = ["Tokenizer", "load_tokenizer", "train_tokenizer"]


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Returns the tokenizer of a file, or of a directory that holds one.

    Raises:
        UserError: there is none.
        UserError: it is no SentencePiece model, no tokenizer.json and no GGUF file.
    """
    path = as_path(path)
    if path.is_dir():
        names = [original_file(path), JsonTokenizer.FILE, SentencePieceTokenizer.FILE]
        held = [path / name for name in names if name]
        path = next((file for file in held if file.exists()), held[0])
    if not path.is_file():
        raise UserError(
            f"no tokenizer at {path}; give a SentencePiece .model, a tokenizer.json or a GGUF file"
        )
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return read_gguf_tokenizer(path)
    content = path.read_bytes()
    is_json = content.lstrip()[:1] == b"{"
    kind = JsonTokenizer if is_json else SentencePieceTokenizer
    # A file of another name is not what the files beside it are about.
    config = read_config(path.parent) if path.name == kind.FILE else None
    if config is None:
        return kind(path, content)
    if is_json:
        tokenizer = JsonTokenizer(path, content, config=config)
    else:
        tokenizer = SentencePieceTokenizer(path, content).configured(config)
    tokenizer.roles = read_roles(path.parent, config, tokenizer.begins_with)
    return tokenizer


def train_tokenizer(
    texts: Iterable[str], path: Path, vocab_size: int, special_tokens: tuple[str, ...]
) -> Tokenizer:
    """Returns a unigram tokenizer with byte fallback, trained on `texts` and written to `path`."""
    with path.open("wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            byte_fallback=True,
            character_coverage=1.0,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            control_symbols=list(special_tokens),
            # One thread makes the result the same on every machine.
            num_threads=1,
            minloglevel=2,
        )
    return load_tokenizer(path)
