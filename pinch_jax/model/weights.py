"""Parameters on disk in our own layout: safetensors, one tensor a leaf, named by its path."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pinch_jax.errors import UserError
from pinch_jax.json_input import LFS_POINTER
from pinch_jax.mesh import path_name
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.layout import Index, Place

# The types of tensors that are read, as safetensors calls them.
DTYPES = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}


def save_weights(path: Path, params: Params, dtype: Any = np.float32) -> None:
    """Writes parameters as safetensors."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    tensors = {path_name(p): np.ascontiguousarray(np.asarray(x), dtype) for p, x in leaves}
    save_tensors(path, tensors)


def save_tensors(
    path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a file of safetensors, which may be read by whoever may read the others."""
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        full = errno.ENOSPC
        if f"os error {full}" not in str(error):
            raise
        raise OSError(full, os.strerror(full), str(path)) from error
    path.chmod(mode)  # the library makes it readable by its owner alone


def open_safetensors(path: Path) -> Any:
    """Returns an open file of safetensors, which is a context.

    Raises:
        UserError: it is not one, or not whole.
    """
    try:
        return safe_open(path, framework="np")
    except SafetensorError as error:
        with path.open("rb") as file:
            begin = file.read(len(LFS_POINTER))
        if begin == LFS_POINTER.encode():
            why = "is a pointer of Git LFS, not the weights; run `git lfs pull`"
        elif not begin:
            why = "is empty; download it anew"
        else:
            why = f"is cut short, or no file of safetensors ({error}); download it anew"
        raise UserError(f"{path} {why}") from error


class WeightsFile:
    """What `save_weights` wrote; `Tensors` of loading.py.

    Attributes:
        path: the file.
        files: the same, as all that decides the weights.
        shapes, dtypes: of each parameter, by its path.
    """

    def __init__(self, path: Path):
        if not path.exists():
            raise UserError(f"no weights at {path}")
        self.path, self.files = path, (path,)
        with open_safetensors(path) as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            self.shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
            self.dtypes = {name: DTYPES[part.get_dtype()] for name, part in parts.items()}

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a parameter, read from disk when it is asked for."""
        # Opened anew: what a mapped file was read of stays in memory for as long as it is open.
        with open_safetensors(self.path) as file:
            return file.get_slice(name)[index]


def own_places(config: DecoderConfig) -> dict[str, Place]:
    """Returns the place of every parameter in a file of ours: its path, its axes as they are."""
    from pinch_jax.model.decoder import abstract_params

    leaves = jax.tree_util.tree_leaves_with_path(abstract_params(config))
    shapes = {path_name(path): leaf.shape for path, leaf in leaves}
    return {
        name: Place(name, tuple((axis,) for axis in range(len(shape))))
        for name, shape in shapes.items()
    }
