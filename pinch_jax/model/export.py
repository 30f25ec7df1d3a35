"""A model as a Hugging Face directory: what transformers, vLLM and others load."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.files import whole_folder
from pinch_jax.mesh import path_name
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.hugging_face import INDEX, SINGLE
from pinch_jax.model.layout import Place, places
from pinch_jax.model.orbax_directory import PARAMS, save_orbax
from pinch_jax.model.weights import save_tensors
from pinch_jax.text.tokenizer import Tokenizer

MAX_SHARD_BYTES = 5_000_000_000
# Ids that a config.json may name, and that generation starts and stops with.
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
GENERATION = "generation_config.json"
# What belongs to a model beside its decoder, wherever it has it.
COMPANIONS = (
    GENERATION,
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


class _Tensor(NamedTuple):
    """A tensor to write: a whole parameter, or one layer of a stacked one."""

    name: str
    place: Place
    leaf: Any
    layer: int | None
    size_bytes: int

    def value(self, dtype: Any) -> np.ndarray:
        part = np.asarray(self.leaf if self.layer is None else self.leaf[self.layer])
        return self.place.to_theirs(part if dtype is None else part.astype(dtype))


def export_model(
    target: Path,
    config_json: Mapping[str, Any],
    decoder: DecoderConfig,
    params: Params,
    companions: Path | None = None,
    tokenizer: Tokenizer | None = None,
    dtype: Any = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    by_orbax: bool = False,
) -> None:
    """Writes a directory that transformers loads, whole or not at all.

    Args:
        target: the directory, not there yet.
        config_json: what `write_config` returns, or the config.json that the model came with.
        decoder: what it describes.
        params: numpy or jax arrays; one file's worth of them is fetched at a time.
        companions: a directory whose tokenizer files and generation config go with the model.
        tokenizer: what is written of a model that has no such directory.
        dtype: of the tensors; None keeps that of the parameters.
        max_shard_bytes: a file is closed before it grows beyond; one tensor may be larger.
        by_orbax: the weights are written as `OrbaxDirectory` has them, not for transformers.

    Raises:
        UserError: the target is there already.
    """
    if target.exists():
        raise UserError(f"--target={target} is there already; name a directory that is not")
    with whole_folder(target) as part:
        tensors = _tensors(decoder, params, dtype)
        if by_orbax:
            save_orbax(part / PARAMS, params)
        else:
            _write_shards(part, _shards(tensors, max_shard_bytes), dtype)
        written = np.dtype(dtype or tensors[0].leaf.dtype).name
        # Older versions know the type by the second name.
        types = {"dtype": written, "torch_dtype": written}
        _write_json(part / "config.json", dict(config_json) | types)
        if tokenizer:
            tokenizer.save(part)
        for name in COMPANIONS:
            if companions and (companions / name).exists():
                shutil.copyfile(companions / name, part / name)
        if not (part / GENERATION).exists():
            ids = {name: config_json[name] for name in TOKEN_IDS if name in config_json}
            _write_json(part / GENERATION, ids)


def _tensors(decoder: DecoderConfig, params: Params, dtype: Any) -> list[_Tensor]:
    """Returns what is to be written, layer by layer, as readers of such files want it."""
    where, tensors = places(decoder), []
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        place = where[path_name(path)]
        size_bytes = leaf.size * np.dtype(dtype or leaf.dtype).itemsize
        if not place.stacked:
            tensors.append(_Tensor(place.name, place, leaf, None, size_bytes))
            continue
        for layer in range(decoder.layers):
            name = place.name.format(layer)
            tensors.append(_Tensor(name, place, leaf, layer, size_bytes // decoder.layers))
    return sorted(tensors, key=lambda tensor: (tensor.layer is not None, tensor.layer or 0))


def _shards(tensors: Sequence[_Tensor], max_shard_bytes: int) -> list[list[_Tensor]]:
    shards, room = [], 0
    for tensor in tensors:
        if not shards or tensor.size_bytes > room:
            shards.append([])
            room = max_shard_bytes
        shards[-1].append(tensor)
        room -= tensor.size_bytes
    return shards


def _write_shards(directory: Path, shards: Sequence[Sequence[_Tensor]], dtype: Any) -> None:
    files = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    files = files if len(shards) > 1 else [SINGLE]
    for file, shard in zip(files, shards, strict=True):
        values = {tensor.name: tensor.value(dtype) for tensor in shard}
        save_tensors(directory / file, values, {"format": "pt"})
    if len(shards) > 1:
        pairs = zip(files, shards, strict=True)
        index = {
            "metadata": {"total_size": sum(t.size_bytes for shard in shards for t in shard)},
            "weight_map": {tensor.name: file for file, shard in pairs for tensor in shard},
        }
        _write_json(directory / INDEX, index)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(
        json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
