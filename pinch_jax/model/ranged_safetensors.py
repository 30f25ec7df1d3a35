"""Safetensors in a bucket, read by ranges: no more than the rows of a tensor that are asked for."""

import contextlib
import dataclasses
import functools
import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from pinch_jax.model.layout import Index
from pinch_jax.model.loading import row_parts
from pinch_jax.storage.buckets import read_range

# The types of tensors that are read, as safetensors calls them.
DTYPES = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}


@dataclasses.dataclass(frozen=True)
class RangedTensor:
    """A tensor, none of it read yet; `get_dtype` and `get_shape` are those of `safe_open`."""

    path: Path
    start: int
    dtype: str
    shape: list[int]

    def get_dtype(self) -> str:
        return self.dtype

    def get_shape(self) -> list[int]:
        return self.shape

    def __getitem__(self, index: Index) -> np.ndarray:
        """Returns a block, given by one slice an axis; its columns are cut out of whole rows."""
        kind, rows = DTYPES[self.dtype], range(self.shape[0])[index[0]]
        row_bytes, parts = math.prod(self.shape[1:]) * kind.itemsize, []
        for part in row_parts((len(rows), *self.shape[1:]), kind):
            ends = (rows.start + part.start, rows.start + part.stop)
            content = read_range(self.path, *(self.start + row * row_bytes for row in ends))
            block = np.frombuffer(content, kind).reshape(-1, *self.shape[1:])
            parts.append(block[(slice(None), *index[1:])])
        empty = np.empty((0, *self.shape[1:]), kind)[(slice(None), *index[1:])]
        return np.concatenate(parts or [empty])


class RangedSafetensors(contextlib.AbstractContextManager):
    """A file of safetensors in a bucket, with what of `safe_open` is used here."""

    def __init__(self, path: Path, content: str):
        """Raises ValueError where it is not one, or not whole; `content` is its content_id."""
        self._path, (self._start, self._header) = path, _read_header(path, content)

    def __exit__(self, *exception: object) -> None:
        """Does nothing: no file is open."""

    def keys(self) -> list[str]:
        return list(self._header)

    def get_slice(self, name: str) -> RangedTensor:
        told = self._header[name]
        start = self._start + told["data_offsets"][0]
        return RangedTensor(self._path, start, told["dtype"], told["shape"])


@functools.cache
def _read_header(path: Path, content: str) -> tuple[int, dict[str, Any]]:
    """Returns where the tensors begin, and what is said of each; reads no other byte.

    Another `content` of the path has another header.
    """
    size_bytes = path.stat().st_size
    start = 8 + int.from_bytes(read_range(path, 0, 8), "little")
    if not 8 < start <= size_bytes:
        raise ValueError(f"{size_bytes} bytes")
    header = json.loads(read_range(path, 8, start))
    header.pop("__metadata__", None)
    whole = start + max((told["data_offsets"][1] for told in header.values()), default=0)
    if whole != size_bytes:
        raise ValueError(f"{size_bytes} bytes, not {whole}")
    return start, header
