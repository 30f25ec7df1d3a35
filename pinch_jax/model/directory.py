"""A model directory of ours: decoder, tokenizer, template and weights, all that is needed."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.config_fields import build
from pinch_jax.files import check_sealed, read_array, seal
from pinch_jax.json_input import read_object
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.model import Model, StoredWeights, Trimming
from pinch_jax.model.orbax_directory import PARAMS, OrbaxParams
from pinch_jax.model.weights import open_weights, save_weights
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
    by_orbax = (directory / PARAMS).exists()
    tensors = OrbaxParams(directory / PARAMS) if by_orbax else open_weights(directory / WEIGHTS)
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

    `dtype`: of the weights; None keeps that of the parameters.
    """
    describe_model(directory, model)
    save_weights(directory / WEIGHTS, params, dtype)
    seal(directory)


def describe_model(directory: Path, model: Model) -> None:
    """Writes all of a model's directory but its weights and the checksums."""
    directory.mkdir(parents=True, exist_ok=True)
    model.tokenizer.save(directory)
    trimmed = None
    if model.trimming:
        np.save(directory / VOCABULARY, model.trimming.vocabulary.kept)
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
