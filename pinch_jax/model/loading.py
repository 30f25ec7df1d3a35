"""Parameters from the tensors of another project, block by block, straight to their devices.

A host reads what its own devices hold, one parameter after the other: beside the model it never
holds more than the parameter that is being put together.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import numpy as np

from pinch_jax.mesh import path_name
from pinch_jax.model.decoder import Params, abstract_params, is_vector
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layout import Index, Place, places


class Tensors(Protocol):
    """Tensors on disk, by the names that transformers gives them, of which blocks can be read.

    Attributes:
        path: where they are, for messages.
        shapes, dtypes: of each tensor, without reading it.
    """

    path: Any
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor."""


def load_params(
    tensors: Tensors,
    config: DecoderConfig,
    dtype: Any = np.float32,
    shardings: Any = None,
    where: Mapping[str, Place] | None = None,
) -> Params:
    """Returns the parameters of a decoder, each tensor used once.

    Args:
        tensors: what is on disk.
        config: the decoder that it describes.
        dtype: of the matrices, norms and biases being in float32; None keeps those of the file.
        shardings: a tree such as `mesh.parameter_shardings` returns; without it the parameters
            are numpy arrays.
        where: the place of each parameter; those of transformers unless it is told.

    Raises:
        ValueError: tensors are missing, left over or misshapen; all of them are listed.
    """
    wanted, where = abstract_params(config), where or places(config)
    _check(tensors, wanted, where)

    def parameter(path, like, sharding=None):
        place = where[path_name(path)]
        if dtype is None:
            kind = _stored_dtype(tensors, place, like.shape)
        else:
            kind = np.dtype(np.float32 if is_vector(path) else dtype)

        held: dict[Any, np.ndarray] = {}

        def block(index: Index) -> np.ndarray:
            # Devices that hold the same block share what was read once.
            span = tuple((part.start, part.stop) for part in index)
            if span not in held:
                held[span] = read_block(tensors, place, like.shape, index, kind)
            return held[span]

        if sharding is None:
            return block((slice(None),) * like.ndim)
        return jax.make_array_from_callback(like.shape, sharding, block)

    trees = (wanted,) if shardings is None else (wanted, shardings)
    return jax.tree_util.tree_map_with_path(parameter, *trees)


def read_block(
    tensors: Tensors, place: Place, shape: tuple[int, ...], index: Index, dtype: np.dtype
) -> np.ndarray:
    """Returns the block `index` of a parameter of a shape; of its layers, one is read at a time."""
    if not place.stacked:
        stored = tensors.read(place.name, place.stored_index(index, shape))
        return np.ascontiguousarray(place.to_ours(stored, index, shape), dtype)
    layers, index, shape = range(shape[0])[index[0]], index[1:], shape[1:]
    sizes = [len(range(size)[part]) for size, part in zip(shape, index, strict=True)]
    block = np.empty((len(layers), *sizes), dtype)
    for row, layer in enumerate(layers):
        stored = tensors.read(place.name.format(layer), place.stored_index(index, shape))
        block[row] = place.to_ours(stored, index, shape)
    return block


def tensor_names(place: Place, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of the tensors of a parameter."""
    if not place.stacked:
        return {place.name: place.stored_shape(shape)}
    stored = place.stored_shape(shape[1:])
    return {place.name.format(layer): stored for layer in range(shape[0])}


def _stored_dtype(tensors: Tensors, place: Place, shape: tuple[int, ...]) -> np.dtype:
    kinds = {tensors.dtypes[name] for name in tensor_names(place, shape)}
    # Layers of different precision share an array that holds them all exactly.
    return kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)


def _check(tensors: Tensors, wanted: Params, where: Mapping[str, Place]) -> None:
    shapes = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(wanted):
        shapes |= tensor_names(where[path_name(path)], leaf.shape)
    found = tensors.shapes
    faults = [f"missing {name} {shapes[name]}" for name in sorted(shapes.keys() - found.keys())]
    faults += [f"left over {name}" for name in sorted(found.keys() - shapes.keys())]
    faults += [
        f"{name} is {found[name]}, not {shapes[name]}"
        for name in sorted(shapes.keys() & found.keys())
        if found[name] != shapes[name]
    ]
    if faults:
        raise ValueError(f"the weights in {tensors.path} do not fit: " + "; ".join(faults))
