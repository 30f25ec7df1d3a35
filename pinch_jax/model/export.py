"""A model as a Hugging Face directory: what transformers, vLLM and others load."""

import collections
import itertools
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pinch_jax.devices.host_memory import fetched_rows
from pinch_jax.devices.mesh import path_name
from pinch_jax.hosts.waiting import from_all, is_primary
from pinch_jax.model.config_json import read_config
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.hugging_face import INDEX, SINGLE
from pinch_jax.model.layout import Place, places
from pinch_jax.model.loading import row_parts
from pinch_jax.model.orbax_directory import PARAMS, save_orbax
from pinch_jax.model.weights import write_tensors
from pinch_jax.storage.folders import whole_folder
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
    """A tensor to write, with its own shape: a whole parameter, or one row of a stack of layers."""

    name: str
    place: Place
    leaf: Any
    row: int | None
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def piece_bytes(self, count: int) -> int:
        """Returns the size of a layer, or of so many rows."""
        return self.size_bytes // (1 if self.row is not None else self.shape[0]) * count

    def pieces(self) -> list[tuple["_Tensor", int, int]]:
        """Returns what is gathered and written at once: a layer, or some rows of a table."""
        if self.row is not None:
            return [(self, self.row, 1)]
        parts = row_parts(self.shape, self.dtype)
        return [(self, rows.start, rows.stop - rows.start) for rows in parts]

    def fetch(self, first: int, count: int, wanted: bool) -> np.ndarray | None:
        """Returns a piece as it is written; None where it is not wanted."""
        rows = fetched_rows(self.leaf, first, count, wanted)
        if rows is None:
            return None
        theirs = self.place.to_theirs(rows if self.row is None else rows[0])
        return theirs.astype(self.dtype, copy=False)


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
        companions: a directory whose tokenizer files and generation config go with the model.
        tokenizer: what is written of a model that has no such directory.
        max_shard_bytes: a file is closed before it grows beyond; one tensor may be larger.
        by_orbax: the weights are written as `OrbaxDirectory` has them, not for transformers.
    """
    with whole_folder(target) as part:
        if by_orbax:
            save_orbax(part / PARAMS, params)
        else:
            write_weights(part, read_config(config_json), params, None, max_shard_bytes)
        if tokenizer:
            tokenizer.save(part)
        for name in COMPANIONS:
            if companions and (companions / name).exists():
                shutil.copyfile(companions / name, part / name)
        describe_theirs(part, config_json, params["embedding"].dtype)


def describe_theirs(folder: Path, config_json: Mapping[str, Any], dtype: Any) -> None:
    """Writes the config.json of weights of a dtype, and a generation config where there is none."""
    written = np.dtype(dtype).name
    # Older versions know the type by the second name.
    types = {"dtype": written, "torch_dtype": written}
    _write_json(folder / "config.json", dict(config_json) | types)
    if not (folder / GENERATION).exists():
        ids = {name: config_json[name] for name in TOKEN_IDS if name in config_json}
        _write_json(folder / GENERATION, ids)


def write_weights(
    folder: Path, decoder: DecoderConfig, params: Params, dtype: Any, max_shard_bytes: int
) -> dict[str, str]:
    """Writes parameters as transformers has them; returns the checksums of the files.

    All processes call it, each with its shards, and write a share of the files. Beside its shards a
    process holds a piece at a time: a layer of a parameter, or some rows of a table. What is in
    which file does not depend on how many processes there are.

    `params` are arrays of numpy or jax, or `StoredParameter`s; `dtype` is that of what is written,
    None keeps theirs.
    """
    files = _files(_tensors(decoder, params, dtype), max_shard_bytes)
    written = from_all(f"writing {folder}", _write_files(folder, files))
    if is_primary() and len(files) > 1:
        weight_map = {tensor.name: name for name, some in files.items() for tensor in some}
        total_bytes = sum(tensor.size_bytes for some in files.values() for tensor in some)
        index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
        _write_json(folder / INDEX, index)
    return {name: checksum for each in written for name, checksum in each.items()}


def written_bytes(decoder: DecoderConfig, shapes: Params) -> tuple[int, int]:
    """Returns the bytes that `write_weights` writes of a model, and those of its largest piece.

    shapes: parameters, or `jax.ShapeDtypeStruct`s of them.
    """
    tensors = _tensors(decoder, shapes, None)
    pieces = [tensor.piece_bytes(count) for tensor in tensors for _, _, count in tensor.pieces()]
    return sum(tensor.size_bytes for tensor in tensors), max(pieces)


def _tensors(decoder: DecoderConfig, params: Params, dtype: Any) -> list[_Tensor]:
    """Returns what is to be written, layer by layer, as readers of such files want it."""
    tensors, where = [], places(decoder)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        place, kind = where[path_name(path)], np.dtype(dtype or leaf.dtype)
        shape = place.stored_shape(leaf.shape[place.stacked :])  # without the axis of layers
        for number, name in enumerate(place.names):
            layer, row = (place.layers[number], number) if place.stacked else (-1, None)
            tensors.append((layer, _Tensor(name, place, leaf, row, shape, kind)))
    return [tensor for _, tensor in sorted(tensors, key=lambda each: each[0])]


def _files(tensors: Sequence[_Tensor], max_shard_bytes: int) -> dict[str, list[_Tensor]]:
    """Returns the tensors of each file, by its name."""
    shards, room = [], 0
    for tensor in tensors:
        if not shards or tensor.size_bytes > room:
            shards.append([])
            room = max_shard_bytes
        shards[-1].append(tensor)
        room -= tensor.size_bytes
    count = len(shards)
    names = [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    # Larger numbers first, so that each lies at a multiple of its size.
    ordered = [sorted(shard, key=lambda tensor: -tensor.dtype.itemsize) for shard in shards]
    return dict(zip(names if count > 1 else [SINGLE], ordered, strict=True))


def _write_files(folder: Path, files: Mapping[str, Sequence[_Tensor]]) -> dict[str, str]:
    """Returns the checksums of the files that this process has written."""
    names, checksums = list(files), {}
    mine, processes = jax.process_index(), jax.process_count()
    # One file for each process at the same time.
    for first in range(0, len(names), processes):
        group = names[first : first + processes]
        gathered = _gathered([files[name] for name in group], mine)
        if mine < len(group):
            kinds = {tensor.name: (tensor.dtype, tensor.shape) for tensor in files[group[mine]]}
            checksums[group[mine]] = write_tensors(folder / group[mine], kinds, gathered)
        # What is left is of the others, who need the part of it that is here.
        collections.deque(gathered, maxlen=0)
    return checksums


def _gathered(files: Sequence[Sequence[_Tensor]], mine: int) -> Iterator[np.ndarray]:
    """Yields the pieces of the file `mine`, while the other processes are given those of theirs.

    Gathering goes piece by piece and is quick; all write theirs at once, which is slow.
    """
    pieces = ([piece for tensor in file for piece in tensor.pieces()] for file in files)
    for together in itertools.zip_longest(*pieces):
        fetched = [
            piece and piece[0].fetch(*piece[1:], wanted=number == mine)
            for number, piece in enumerate(together)
        ]
        if mine < len(files) and (own := fetched.pop(mine)) is not None:
            yield own


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
