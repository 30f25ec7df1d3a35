"""From any model that can be read to a Hugging Face directory."""

from pathlib import Path
from typing import Any

from pinch_jax.model.config_json import write_config
from pinch_jax.model.decoder import Params
from pinch_jax.model.directory import DESCRIPTION, open_directory
from pinch_jax.model.export import MAX_SHARD_BYTES, export_model
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.loading import load_params
from pinch_jax.model.model import Model
from pinch_jax.model.source import DETAILS, open_model, open_tensors
from pinch_jax.model.trimming import restore_rows
from pinch_jax.text.tokenizer import load_tokenizer


def convert(source: Path, target: Path, max_shard_bytes: int = MAX_SHARD_BYTES) -> str:
    """Writes the model of `source` as the directory `target`; returns what it was.

    `source` is a Hugging Face directory, a GGUF file, or a model directory of ours. Tensors keep
    their type; those of a GGUF file become float32.

    Raises:
        FileNotFoundError, ValueError: there is no such model, or it does not fit its config.
    """
    if (source / DESCRIPTION).exists():
        model = open_directory(source)
        decoder, params = model.decoder, model.weights.load(dtype=None)
        if model.trimming:
            decoder, params = _made_whole(model, params)
        config_json = write_config(decoder, **model.details)
        export_model(
            target,
            config_json,
            decoder,
            params,
            tokenizer=model.tokenizer,
            max_shard_bytes=max_shard_bytes,
        )
        return "a model directory"
    tensors = open_tensors(source)
    config_json: dict[str, Any] = dict(tensors.config_json)
    if isinstance(tensors, GgufFile) or "text_config" in config_json:
        # A file of another kind, or a decoder taken out of an image model.
        held = config_json.get("text_config", {}) | config_json
        others = {name: held[name] for name in DETAILS if name in held}
        config_json = write_config(tensors.decoder, **others)
    params = load_params(tensors, tensors.decoder, dtype=None)
    is_directory = source.is_dir()
    export_model(
        target,
        config_json,
        tensors.decoder,
        params,
        companions=source if is_directory else None,
        tokenizer=None if is_directory or not tensors.has_tokenizer else load_tokenizer(source),
        max_shard_bytes=max_shard_bytes,
    )
    return "a GGUF file" if isinstance(tensors, GgufFile) else "a Hugging Face directory"


def _made_whole(model: Model, params: Params) -> tuple[DecoderConfig, Params]:
    """Returns a trimmed model with the rows that were left out, as they were."""
    trimming, whole = model.trimming, open_model(model.trimming.path)
    if whole.weights.checksum != trimming.checksum:
        raise ValueError(
            f"{model.path} was trimmed from another model than the one that is now at "
            f"{trimming.path}; put that one back"
        )
    stored = whole.weights
    where = stored.places(whole.decoder)
    kept = trimming.vocabulary.kept
    return whole.decoder, restore_rows(params, kept, stored.tensors, where)
