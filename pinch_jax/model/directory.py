"""A model directory of ours: decoder, tokenizer, template and weights, all that is needed.

Its weights are files as of a Hugging Face directory, which it is too where one can be written.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.config_fields import build
from pinch_jax.errors import UserError
from pinch_jax.hosts.waiting import is_primary
from pinch_jax.model.config_json import write_config
from pinch_jax.model.export import MAX_SHARD_BYTES, describe_theirs, write_weights
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.hugging_face import HuggingFaceTensors
from pinch_jax.model.model import Model, StoredWeights, Trimming
from pinch_jax.model.orbax_directory import PARAMS, OrbaxParams
from pinch_jax.model.weights import open_weights
from pinch_jax.storage.files import read_array, write_array
from pinch_jax.storage.folders import check_sealed, seal
from pinch_jax.storage.json_input import read_object
from pinch_jax.text.template import read_renderer
from pinch_jax.text.tokenizer import load_tokenizer
from pinch_jax.text.vocabulary import TrimmedTokenizer, Vocabulary

DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"
VOCABULARY = "vocabulary.npy"


def open_directory(directory: Path) -> Model:
    """Returns the model of a directory that `save_model` wrote; UserError if it is damaged."""
    check_sealed(directory, f"delete {directory}, and have it made or copied anew")
    described = read_object(directory / DESCRIPTION)
    names = DecoderConfig.FIRST_NAMES
    fields = {names.get(name, name): value for name, value in described["decoder"].items()}
    decoder = build(DecoderConfig, fields, f"{directory / DESCRIPTION}: decoder")
    tokenizer, trimming = load_tokenizer(directory), None
    if whole := described.get("trimmed"):
        trimming = Trimming(Vocabulary(read_array(directory / VOCABULARY)), **whole)
        tokenizer = TrimmedTokenizer(tokenizer, trimming.vocabulary)
    if (directory / PARAMS).exists():
        tensors = OrbaxParams(directory / PARAMS)
    elif (directory / WEIGHTS).exists():
        tensors = open_weights(directory / WEIGHTS)
    else:
        tensors = HuggingFaceTensors(directory)
    files = directory / DESCRIPTION, *tensors.files
    return Model(
        decoder=decoder,
        renderer=read_renderer(described["template"], tokenizer),
        weights=StoredWeights(tensors, decoder, files),
        pretraining_share=described["pretraining_share"],
        details=described.get("details", {}),
        path=str(directory.absolute()),
        trimming=trimming,
    )


def save_model(directory: Path, model: Model, params: Params, dtype: Any = np.float32) -> None:
    """Writes a model, with these parameters, as a directory; `open_directory` reads it back.

    All processes call it. `dtype`: of the weights; None keeps that of the parameters.
    """
    if is_primary():
        describe_model(directory, model)
    checksums = write_weights(directory, model.decoder, params, dtype, MAX_SHARD_BYTES)
    if not is_primary():
        return
    if not model.trimming:
        # What transformers has no decoder for, `pinch convert` may make one of theirs.
        with contextlib.suppress(UserError):
            config_json = write_config(model.decoder, **model.config_details)
            describe_theirs(directory, config_json, dtype or params["embedding"].dtype)
    seal(directory, known=checksums)


def describe_model(directory: Path, model: Model) -> None:
    """Writes all of a model's directory but its weights and the checksums."""
    directory.mkdir(parents=True, exist_ok=True)
    model.tokenizer.save(directory)
    trimmed = None
    if model.trimming:
        write_array(directory / VOCABULARY, model.trimming.vocabulary.kept)
        trimmed = {"path": model.trimming.path, "checksum": model.trimming.checksum}
    described = {
        "decoder": model.decoder.described,
        "template": model.renderer.described,
        "pretraining_share": dict(model.pretraining_share),
        "details": dict(model.details),
        "trimmed": trimmed,
    }
    text = json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False)
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
