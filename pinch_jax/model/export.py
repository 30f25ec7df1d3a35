"""A model as a Hugging Face directory: what transformers, vLLM and others load."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pinch_jax.files import whole_folder
from pinch_jax.mesh import path_name
from pinch_jax.model.config_json import read_config
from pinch_jax.model.families import Params
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

    def value(self) -> np.ndarray:
        part = self.leaf if self.layer is None else self.leaf[self.layer]
        return self.place.to_theirs(np.asarray(part))


def export_model(
    target: Path,
    config_json: Mapping[str, Any],
    params: Params,
    companions: Path | None = None,
    tokenizer: Tokenizer | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    by_orbax: bool = False,
) -> None:
    """Writes a directory that transformers loads, whole or not at all; it is not there yet.

    Args:
        config_json: what `write_config` returns, or the config.json that the model came with.
        params: numpy or jax arrays; one file's worth of them is fetched at a time.
        companions: a directory whose tokenizer files and generation config go with the model.
        tokenizer: what is written of a model that has no such directory.
        max_shard_bytes: a file is closed before it grows beyond; one tensor may be larger.
        by_orbax: the weights are written as `OrbaxDirectory` has them, not for transformers.
    """
    with whole_folder(target) as part:
        if by_orbax:
            save_orbax(part / PARAMS, params)
        else:
            _write_shards(part, _shards(_tensors(config_json, params), max_shard_bytes))
        written = np.dtype(params["embedding"].dtype).name
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


def _tensors(config_json: Mapping[str, Any], params: Params) -> list[_Tensor]:
    """Returns what is to be written, layer by layer, as readers of such files want it."""
    decoder, tensors = read_config(config_json), []
    where = places(decoder)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        place = where[path_name(path)]
        for layer in range(decoder.layers) if place.stacked else (None,):
            size_bytes = leaf.nbytes // (decoder.layers if place.stacked else 1)
            tensors.append(_Tensor(place.name.format(layer), place, leaf, layer, size_bytes))
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


def _write_shards(directory: Path, shards: Sequence[Sequence[_Tensor]]) -> None:
    count, weight_map = len(shards), {}
    for number, shard in enumerate(shards, start=1):
        file = SINGLE if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"
        values = {tensor.name: tensor.value() for tensor in shard}
        save_tensors(directory / file, values, {"format": "pt"})
        weight_map |= dict.fromkeys(values, file)
    if count > 1:
        total_bytes = sum(tensor.size_bytes for shard in shards for tensor in shard)
        index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
        _write_json(directory / INDEX, index)


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
