"""From any model that can be read to a directory for transformers, for Orbax, or of ours."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pinch_jax.config_fields import choose
from pinch_jax.errors import UserError
from pinch_jax.model.config_json import write_config
from pinch_jax.model.decoder import Params
from pinch_jax.model.directory import DESCRIPTION, describe_model, save_model
from pinch_jax.model.export import MAX_SHARD_BYTES, export_model
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.loading import StoredParameter, restore_rows, stored_params
from pinch_jax.model.model import Model
from pinch_jax.model.orbax_directory import PARAMS, save_orbax
from pinch_jax.model.source import open_model, open_tensors, read_details
from pinch_jax.storage.folders import seal, whole_folder
from pinch_jax.text.tokenizer import load_tokenizer

# What a directory is written for.
FORMATS = {
    "huggingface": "Hugging Face directory",
    "orbax": "Orbax directory",
    "model": "model directory",
}


def convert(
    source: Path,
    target: Path,
    target_format: str = "huggingface",
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> str:
    """Writes the model of `source` as the directory `target`; returns what it was.

    `source` is in any format of `open_model`. Tensors keep their type; those of a GGUF file become
    float32. "orbax" writes the weights by Orbax and all the rest as it was: of a model directory as
    "model" does, of others as "huggingface".

    Raises:
        UserError: there is no such model, or it does not fit its config.
    """
    choose("--format", target_format, tuple(FORMATS))
    if target.exists():
        raise UserError(f"--target={target} is there already; name a directory that is not")
    ours, by_orbax = (source / DESCRIPTION).exists(), target_format == "orbax"
    if ours and target_format == "huggingface":
        _export_own(target, open_model(source), max_shard_bytes)
    elif ours or target_format == "model":
        _write_own(target, open_model(source), by_orbax)
    else:
        _export_theirs(target, source, max_shard_bytes, by_orbax)
    return _kind(source)


def _kind(source: Path) -> str:
    if source.suffix == ".gguf":
        return "a GGUF file"
    if (source / DESCRIPTION).exists():
        return f"a {FORMATS['model']}"
    return "an Orbax directory" if (source / PARAMS).exists() else f"a {FORMATS['huggingface']}"


def _write_own(target: Path, model: Model, by_orbax: bool) -> None:
    params = model.weights.stored()
    with whole_folder(target) as part:
        if by_orbax:
            describe_model(part, model)
            save_orbax(part / PARAMS, params)
            seal(part)
        else:
            save_model(part, model, params, dtype=None)


def _export_own(target: Path, model: Model, max_shard_bytes: int) -> None:
    decoder, params = model.decoder, model.weights.stored()
    if model.trimming:
        decoder, params = _made_whole(model, params)
    try:
        config_json = write_config(decoder, **model.config_details)
    except UserError:
        if decoder.norm_offset or not decoder.scale_embeddings:
            raise
        decoder, params = _with_scaled_rows(decoder, params)
        config_json = write_config(decoder, **model.config_details)
    export_model(target, config_json, params, None, model.tokenizer, max_shard_bytes)


def _export_theirs(target: Path, source: Path, max_shard_bytes: int, by_orbax: bool) -> None:
    tensors = open_tensors(source)
    params = stored_params(tensors, tensors.decoder)
    config_json: Mapping[str, Any] = tensors.config_json
    is_file = isinstance(tensors, GgufFile)
    if is_file or "text_config" in config_json:
        # A file of another kind, or a decoder taken out of an image model.
        config_json = write_config(tensors.decoder, **read_details(source, config_json))
    companions = None if is_file else source
    tokenizer = load_tokenizer(source) if is_file and tensors.has_tokenizer else None
    export_model(target, config_json, params, companions, tokenizer, max_shard_bytes, by_orbax)


def _with_scaled_rows(decoder: DecoderConfig, params: Params) -> tuple[DecoderConfig, Params]:
    """Returns the same function with rows that are multiplied already, in float32.

    No family but the Gemmas multiplies what the embedding gives. Scaled rows are no output head, so
    that the head is a table of its own.
    """
    single, factor = np.dtype(np.float32), np.float32(math.sqrt(decoder.embed_dim))
    params = jax.tree.map(lambda x: dataclasses.replace(x, dtype=single), params)
    rows = params["embedding"]

    def scaled(index):
        return rows.read(index).astype(single) * factor

    if decoder.tied_embeddings:
        params["head"] = rows
    params["embedding"] = StoredParameter(rows.shape, single, scaled)
    plain = dataclasses.replace(decoder, scale_embeddings=False, tied_embeddings=False)
    return plain, params


def _made_whole(model: Model, params: Params) -> tuple[DecoderConfig, Params]:
    """Returns a trimmed model with the rows that were left out, as they were."""
    trimming, whole = model.trimming, open_model(model.trimming.path)
    if whole.weights.checksum != trimming.checksum:
        raise UserError(
            f"{model.path} was trimmed from another model than is at {trimming.path}; put it back"
        )
    kept, tensors = trimming.vocabulary.kept, whole.weights.tensors
    return whole.decoder, restore_rows(params, kept, tensors, whole.decoder)
