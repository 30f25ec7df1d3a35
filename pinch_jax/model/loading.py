"""Parameters from tensors on disk, block by block, straight to their devices or to other files.

A host reads what its own devices hold, one parameter after the other: beside the model it never
holds more than the parameter that is being put together.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from pinch_jax.devices.mesh import path_name
from pinch_jax.errors import UserError
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.layout import Index, Place

# What is read of a parameter at a time, where it is not in layers.
PART_BYTES = 64 * 2**20
ALIGNMENT_BYTES = 64
# The parameters that have a row for each token.
TOKEN_ROWS = ("embedding", "head", "layer_embedding")


class Tensors(Protocol):
    """Tensors on disk, of which blocks can be read.

    Attributes:
        path: where they are, for messages; `files` beside it are all that decides the weights.
        shapes, dtypes: of each tensor by its name, without reading it.
        places: returns which of them each parameter of a decoder is.
    """

    path: Any
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]
    places: Callable[[DecoderConfig], Mapping[str, Place]]

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor."""


@dataclasses.dataclass(frozen=True)
class StoredParameter:
    """A parameter on disk: `read` returns a block of it, in its dtype or one that has its values.

    It is sliced by its rows, and becomes an array as a whole where one is asked for.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Index], np.ndarray]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.read((rows, *(slice(None),) * (len(self.shape) - 1)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def stored_params(tensors: Tensors, config: DecoderConfig, dtype: Any = None) -> Params:
    """Returns the parameters of a decoder as `load_params` does, none of them read yet."""
    from pinch_jax.model.decoder import abstract_params, is_vector

    wanted, where = abstract_params(config), tensors.places(config)
    _check(tensors, wanted, where)

    def parameter(path, like):
        place = where[path_name(path)]
        if dtype is None:
            kind = _stored_dtype(tensors, place, like.shape)
        else:
            kind = np.dtype(np.float32 if is_vector(path) else dtype)
        read = functools.partial(read_block, tensors, place, like.shape, dtype=kind)
        return StoredParameter(like.shape, kind, read)

    return jax.tree_util.tree_map_with_path(parameter, wanted)


def load_params(
    tensors: Tensors, config: DecoderConfig, dtype: Any = np.float32, shardings: Any = None
) -> Params:
    """Returns the parameters of a decoder, each tensor used once.

    Matrices are of `dtype`, norms and biases in float32; None keeps those of the file. `shardings`
    is a tree such as `sharding.parameter_shardings` returns; without it they are numpy arrays.

    Raises:
        UserError: tensors are missing, left over or misshapen; all of them are listed.
    """
    stored = stored_params(tensors, config, dtype)
    if shardings is None:
        return jax.tree.map(np.asarray, stored)

    def parameter(one, sharding):
        held: dict[Any, np.ndarray] = {}

        def block(index: Index) -> np.ndarray:
            # Devices that hold the same block share what was read once.
            span = tuple((part.start, part.stop) for part in index)
            if span not in held:
                held[span] = one.read(index)
            return held[span]

        return jax.make_array_from_callback(one.shape, sharding, block)

    return jax.tree.map(parameter, stored, shardings)


def read_block(
    tensors: Tensors, place: Place, shape: tuple[int, ...], index: Index, dtype: np.dtype
) -> np.ndarray:
    """Returns the block `index` of a parameter of a shape, read a layer or some rows at a time."""
    sizes = [len(range(size)[part]) for size, part in zip(shape, index, strict=True)]
    block, first = _aligned(sizes, dtype), range(shape[0])[index[0]]
    names = place.names
    if place.stacked:
        within = place.stored_index(index[1:], shape[1:])
        for row, layer in enumerate(first):
            stored = tensors.read(names[layer], within)
            block[row] = place.to_ours(stored, index[1:], shape[1:])
        return block
    for rows in row_parts(block.shape, dtype):
        part = (slice(first.start + rows.start, first.start + rows.stop), *index[1:])
        stored = tensors.read(place.name, place.stored_index(part, shape))
        block[rows] = place.to_ours(stored, part, shape)
    return block


def row_parts(shape: tuple[int, ...], dtype: np.dtype) -> list[slice]:
    """Returns the rows of an array in parts of PART_BYTES or a row."""
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    step = max(PART_BYTES // max(row_bytes, 1), 1)
    return [slice(row, min(row + step, shape[0])) for row in range(0, shape[0], step)]


def _aligned(sizes: list[int], dtype: np.dtype) -> np.ndarray:
    """Returns an array that lies where JAX on a CPU takes it as it is, instead of copying it."""
    size_bytes = math.prod(sizes) * dtype.itemsize
    whole = np.empty(size_bytes + ALIGNMENT_BYTES, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT_BYTES
    return whole[start : start + size_bytes].view(dtype).reshape(sizes)


def tensor_names(place: Place, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of the tensors of a parameter."""
    return dict.fromkeys(place.names, place.stored_shape(shape[place.stacked :]))


def _stored_dtype(tensors: Tensors, place: Place, shape: tuple[int, ...]) -> np.dtype:
    kinds = {tensors.dtypes[name] for name in tensor_names(place, shape)}
    # Layers of different precision share an array that holds them all exactly.
    return kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)


def _check(tensors: Tensors, wanted: Params, where: Mapping[str, Place]) -> None:
    shapes, found = {}, tensors.shapes
    for path, leaf in jax.tree_util.tree_leaves_with_path(wanted):
        shapes |= tensor_names(where[path_name(path)], leaf.shape)
    faults = [f"missing {name} {shapes[name]}" for name in sorted(shapes.keys() - found.keys())]
    faults += [f"left over {name}" for name in sorted(found.keys() - shapes.keys())]
    for name in sorted(shapes.keys() & found.keys()):
        if found[name] != shapes[name]:
            faults.append(f"{name} is {found[name]}, not {shapes[name]}")
    if faults:
        raise UserError(f"the weights in {tensors.path} do not fit: " + "; ".join(faults))


class TrimmedTensors:
    """The tensors of a decoder, embedding and head with the kept rows alone; `Tensors` too.

    Of Gemma's 262,144 tokens a corpus needs a tenth: the table, its moments and the logits are as
    much smaller. The softmax is over the kept tokens alone, so that these are a little likelier,
    and the model can say nothing that needs another one.
    """

    def __init__(self, whole: Tensors, decoder: DecoderConfig, kept: np.ndarray):
        self.path, self.dtypes, self.places = whole.path, whole.dtypes, whole.places
        self._whole, self._kept = whole, kept
        where = whole.places(decoder)
        self._trimmed = {where[name].name for name in TOKEN_ROWS if name in where}
        self.shapes = {
            name: (len(kept), *shape[1:]) if name in self._trimmed else shape
            for name, shape in whole.shapes.items()
        }

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor; rows between the kept ones are read and dropped."""
        if name not in self._trimmed:
            return self._whole.read(name, index)
        rows = self._kept[index[0]]
        if not len(rows):
            return self._whole.read(name, (slice(0, 0), *index[1:]))
        # A few kept rows may be all over the table.
        shape = self._whole.shapes[name]
        stretch = row_parts(shape, self.dtypes[name])[0].stop
        parts = np.split(rows, np.flatnonzero(np.diff(rows // stretch)) + 1)
        spans = ((part, int(part[0]), int(part[-1]) + 1) for part in parts)
        read = functools.partial(self._whole.read, name)
        return np.concatenate(
            [read((slice(first, end), *index[1:]))[part - first] for part, first, end in spans]
        )


def restore_rows(
    params: Params, kept: np.ndarray, whole: Tensors, decoder: DecoderConfig
) -> Params:
    """Returns stored parameters with all rows of what was trimmed, the kept ones as here."""
    where = whole.places(decoder)

    def table(name: str, trimmed: StoredParameter) -> StoredParameter:
        shape = whole.shapes[where[name].name]

        def read(index: Index) -> np.ndarray:
            block = read_block(whole, where[name], shape, index, trimmed.dtype)
            rows = range(shape[0])[index[0]]
            first, end = np.searchsorted(kept, (rows.start, rows.stop))
            own = trimmed.read((slice(first, end), *index[1:]))
            block[kept[first:end] - rows.start] = own
            return block

        return StoredParameter(shape, trimmed.dtype, read)

    return params | {name: table(name, params[name]) for name in TOKEN_ROWS if name in params}
