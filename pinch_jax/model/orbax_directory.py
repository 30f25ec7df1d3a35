"""Weights by Orbax: `params/` in the place of the safetensors of a directory.

What is beside it stays what it was: the `config.json` and the tokenizer of a Hugging Face
directory, or the `model.json` of a model directory of ours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tensorstore

from pinch_jax.errors import UserError
from pinch_jax.model.config_json import read_config
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.hugging_face import read_json
from pinch_jax.model.layout import Index
from pinch_jax.model.weights import DTYPES, own_places
from pinch_jax.storage.buckets import CHECKSUMS, as_path, files_below, kvstore
from pinch_jax.storage.folders import check_sealed, seal
from pinch_jax.storage.json_input import read_object

PARAMS = "params"
METADATA = "_METADATA"
# A host that needs a block of a parameter reads the chunks that it is in.
CHUNK_BYTES = 8 << 20
# Beside the model, writing holds a few such files, compressed.
FILE_BYTES = 32 << 20


class OrbaxParams:
    """A tree of parameters that Orbax has saved; `Tensors` of loading.py, by their paths."""

    places = staticmethod(own_places)

    def __init__(self, path: Path):
        if not (path / METADATA).exists():
            raise UserError(f"no {METADATA} in {path}; give what Orbax has saved as a tree")
        # Others than we write none; Orbax itself notices no damage of an array's bytes.
        if (path / CHECKSUMS).exists():
            check_sealed(path, "take the directory anew from where it was")
        self.path = path
        self.files = tuple(sorted(p for p in files_below(path) if p.name != CHECKSUMS))
        self._arrays = _open_arrays(path)
        self.shapes = {name: tuple(array.shape) for name, array in self._arrays.items()}
        self.dtypes = {name: array.dtype.numpy_dtype for name, array in self._arrays.items()}
        for name, kind in self.dtypes.items():
            if kind not in DTYPES.values():
                known = ", ".join(each.name for each in DTYPES.values())
                raise UserError(
                    f"{name} in {path} is of type {kind.name}, which is not supported: only {known}"
                )

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a parameter, its chunks read when they are asked for."""
        return self._arrays[name][index].read().result()


class OrbaxDirectory(OrbaxParams):
    """A directory such as a Hugging Face one, with a config.json, its weights by Orbax."""

    def __init__(self, path: str | Path):
        super().__init__(as_path(path) / PARAMS)
        self.config_json: Mapping[str, Any] = read_json(as_path(path) / "config.json")
        self.decoder: DecoderConfig = read_config(self.config_json, self.path)


def save_orbax(path: Path, params: Params) -> None:
    """Writes parameters of the host as Orbax does a tree, and checksums beside its files."""
    import orbax.checkpoint as ocp  # a quarter of a second, and reading does not need it

    params = jax.tree.map(np.asarray, params)
    # By default Orbax copies all arrays first, in case that somebody changes them meanwhile.
    kinds = ocp.type_handlers
    registry = kinds.create_type_handler_registry(
        (np.ndarray, kinds.NumpyHandler(deepcopy_host_arrays=False)),
        (jax.Array, kinds.ArrayHandler()),
    )
    how = ocp.args.PyTreeSave(
        params,
        save_args=jax.tree.map(lambda _: ocp.SaveArgs(chunk_byte_size=CHUNK_BYTES), params),
        ocdbt_target_data_file_size=FILE_BYTES,
    )
    handler = ocp.PyTreeCheckpointHandler(type_handler_registry=registry)
    with ocp.Checkpointer(handler) as checkpointer:
        checkpointer.save(path.absolute(), args=how)
    seal(path)


def _open_arrays(path: Path) -> dict[str, tensorstore.TensorStore]:
    """Returns the arrays of a saved tree by their paths, none of them read yet."""
    described = read_object(path / METADATA)
    opened = {}
    for leaf in described["tree_metadata"].values():
        keys = [str(part["key"]) for part in leaf["key_metadata"]]
        name = ".".join(keys)
        stored = {"driver": "ocdbt", "base": kvstore(path), "path": f"{name}/"}
        if not described["use_ocdbt"]:
            stored = kvstore(path / name)
        kind = "zarr3" if described["use_zarr3"] else "zarr"
        opened["/".join(keys)] = tensorstore.open(
            {"driver": kind, "kvstore": stored}, open=True, read=True
        )
    return {name: array.result() for name, array in opened.items()}
