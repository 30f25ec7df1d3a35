"""Files of safetensors; in our own layout one tensor a parameter, named by its path."""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, safe_open

from pinch_jax.devices.mesh import path_name
from pinch_jax.errors import UserError
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layout import Index, Place
from pinch_jax.model.ranged_safetensors import DTYPES, RangedSafetensors
from pinch_jax.storage.buckets import content_id, in_bucket, unchanged
from pinch_jax.storage.files import naming
from pinch_jax.storage.json_input import LFS_POINTER


def write_tensors(
    path: Path,
    tensors: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
    pieces: Iterable[np.ndarray],
) -> str:
    """Writes a file of safetensors, which the library wants as a whole; returns its SHA-256.

    `tensors` are (dtype, shape) by name, in the order in which they come; `pieces` are their
    elements in C order, in arrays of any size.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end, kinds = 0, {kind: name for name, kind in DTYPES.items()}
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": kinds[dtype], "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    sha256 = hashlib.sha256()
    flat = (np.ascontiguousarray(piece).reshape(-1).view(np.uint8) for piece in pieces)
    with naming(path), path.open("wb") as file:
        for content in itertools.chain((len(text).to_bytes(8, "little"), text), flat):
            file.write(content)
            sha256.update(content)
            del content  # before the next piece is made
        file.flush()
        os.fsync(file.fileno())
    return sha256.hexdigest()


def open_safetensors(path: Path, content: str = "") -> Any:
    """Returns an open file of safetensors, which is a context; `content` is its content_id.

    Raises:
        UserError: it is not one, or not whole.
    """
    try:
        if in_bucket(path):
            return RangedSafetensors(path, content or content_id(path))
        return safe_open(path, framework="np")
    except (SafetensorError, ValueError) as error:
        with path.open("rb") as file:
            begin = file.read(len(LFS_POINTER))
        if begin == LFS_POINTER.encode():
            why = "is a pointer of Git LFS, not the weights; run `git lfs pull`"
        elif not begin:
            why = "is empty; download it anew"
        else:
            why = f"is cut short, or no file of safetensors ({error}); download it anew"
        raise UserError(f"{path} {why}") from error


def own_places(config: DecoderConfig) -> dict[str, Place]:
    """Returns the place of every parameter in a file of ours: its path, its axes as they are."""
    from pinch_jax.model.decoder import abstract_params

    leaves = jax.tree_util.tree_leaves_with_path(abstract_params(config))
    axes = {path_name(path): range(leaf.ndim) for path, leaf in leaves}
    return {name: Place(name, tuple((axis,) for axis in own)) for name, own in axes.items()}


class SafetensorsFiles:
    """Tensors in files of safetensors, by names of one's own; `Tensors` of loading.py."""

    places = staticmethod(own_places)

    def __init__(self, path: Path, files: Iterable[Path], name_of: Callable[[str], str | None]):
        """`name_of` a stored name is what the tensor is called here; None leaves it out."""
        self.path, self.files = path, tuple(files)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, np.dtype] = {}
        # The file that holds a tensor, and what it is called there.
        self._stored: dict[str, tuple[Path, str]] = {}
        self._content = {file: content_id(file) for file in self.files}
        for file in self.files:
            with open_safetensors(file, self._content[file]) as opened:
                for stored in opened.keys():  # noqa: SIM118 (it is no mapping)
                    if name := name_of(stored):
                        self._enter(file, stored, name, opened.get_slice(stored))

    def _enter(self, file: Path, stored: str, name: str, part: Any) -> None:
        if part.get_dtype() not in DTYPES:
            raise UserError(
                f"{stored} in {file} is of type {part.get_dtype()}: only {', '.join(DTYPES)}"
            )
        if name in self._stored:
            raise UserError(f"{stored} in {file} is there twice; remove one of the two")
        self._stored[name] = file, stored
        self.shapes[name] = tuple(part.get_shape())
        self.dtypes[name] = DTYPES[part.get_dtype()]

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor, read from disk when it is asked for."""
        path, stored = self._stored[name]
        content = self._content[path]
        # Half of a model and half of another one are no model; nor is it that of the checksum.
        # Opened anew: what a mapped file was read of stays in memory for as long as it is open.
        with unchanged(path, content), open_safetensors(path, content) as file:
            return file.get_slice(stored)[index]


def open_weights(path: Path) -> SafetensorsFiles:
    """Returns the weights of a model directory in our own layout, as they were written once."""
    if not path.exists():
        raise UserError(f"no weights at {path}")
    return SafetensorsFiles(path, [path], lambda name: name)
