"""Safetensors in a bucket, read by ranges: no more than the rows of a tensor that are asked for."""

import dataclasses
import json
import math
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np

from pinch_jax.model.layout import Index

HEADER_BYTES = 8
# Of a tensor, fetched at once; columns are cut out of whole rows.
FETCH_BYTES = 64 << 20
# The types of tensors that are read, as safetensors calls them.
DTYPES = {
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}


@dataclasses.dataclass(frozen=True)
class RangedSlice:
    """A tensor as `safe_open` gives it, none of it read yet; `start` is its first byte."""

    file: IO[bytes]
    dtype: str
    shape: list[int]
    start: int

    def get_dtype(self) -> str:
        """Returns its type as safetensors calls it."""
        return self.dtype

    def get_shape(self) -> list[int]:
        """Returns its shape."""
        return self.shape

    def __getitem__(self, index: Index) -> np.ndarray:
        """Returns a block, one slice an axis."""
        kind, first = DTYPES[self.dtype], range(self.shape[0])[index[0]]
        row_bytes = math.prod(self.shape[1:]) * kind.itemsize
        step, parts = max(FETCH_BYTES // max(row_bytes, 1), 1), []
        for row in range(first.start, max(first.stop, first.start + 1), step):
            rows = min(step, max(first.stop - row, 0))
            self.file.seek(self.start + row * row_bytes)
            content = self.file.read(rows * row_bytes)
            block = np.frombuffer(content, kind).reshape(rows, *self.shape[1:])
            parts.append(block[(slice(None), *index[1:])])
        return np.concatenate(parts)


class RangedSafetensors:
    """An open file of safetensors in a bucket, in the place of `safe_open`, and a context too."""

    def __init__(self, path: Path):
        """Raises ValueError where it is not one, or not whole."""
        self._file = path.open("rb")
        size = int.from_bytes(self._file.read(HEADER_BYTES), "little")
        self._start, whole = HEADER_BYTES + size, path.stat().st_size
        if not 0 < size <= whole:
            raise ValueError("its header is longer than the file")
        self._header: dict[str, Any] = json.loads(self._file.read(size))
        self._header.pop("__metadata__", None)
        end = max((told["data_offsets"][1] for told in self._header.values()), default=0)
        if self._start + end != whole:
            raise ValueError(f"{whole} bytes, not {self._start + end}")

    def __enter__(self) -> "RangedSafetensors":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def keys(self) -> list[str]:
        """Returns the names of the tensors."""
        return list(self._header)

    def get_slice(self, name: str) -> RangedSlice:
        """Returns a tensor to read blocks of."""
        told = self._header[name]
        start = self._start + told["data_offsets"][0]
        return RangedSlice(self._file, told["dtype"], told["shape"], start)
