"""From any model that can be read to a Hugging Face directory."""

from pathlib import Path
from typing import Any

from pinch_jax.model.config_json import write_config
from pinch_jax.model.directory import load_decoder
from pinch_jax.model.export import MAX_SHARD_BYTES, TOKEN_IDS, export_model
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.hugging_face import HuggingFaceDirectory
from pinch_jax.model.loading import load_params
from pinch_jax.model.weights import load_weights

# Of a config.json, what does not decide the decoder but belongs to the model.
KEPT = ("max_position_embeddings", *TOKEN_IDS)


def convert(source: Path, target: Path, max_shard_bytes: int = MAX_SHARD_BYTES) -> str:
    """Writes the model of `source` as the directory `target`; returns what it was.

    `source` is a Hugging Face directory, a GGUF file, or a model directory of ours. Tensors keep
    their type; those of a GGUF file become float32.

    Raises:
        FileNotFoundError, ValueError: there is no such model, or it does not fit its config.
    """
    if (source / "model.json").exists():
        decoder = load_decoder(source)
        params = load_weights(source / "weights.safetensors", decoder)
        export_model(
            target, write_config(decoder), decoder, params, source, max_shard_bytes=max_shard_bytes
        )
        return "a model directory"
    tensors = GgufFile(source) if source.suffix == ".gguf" else HuggingFaceDirectory(source)
    config_json: dict[str, Any] = dict(tensors.config_json)
    if isinstance(tensors, GgufFile) or "text_config" in config_json:
        # A file of another kind, or a decoder taken out of an image model.
        held = config_json.get("text_config", {}) | config_json
        others = {name: held[name] for name in KEPT if name in held}
        config_json = write_config(tensors.decoder, **others)
    params = load_params(tensors, tensors.decoder, dtype=None)
    companions = source if source.is_dir() else None
    export_model(
        target,
        config_json,
        tensors.decoder,
        params,
        companions,
        max_shard_bytes=max_shard_bytes,
    )
    return "a GGUF file" if isinstance(tensors, GgufFile) else "a Hugging Face directory"
