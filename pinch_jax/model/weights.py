"""Parameters on disk: safetensors, one tensor a leaf, named by its path."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from pinch_jax.mesh import path_name
from pinch_jax.model.decoder import Params, abstract_params
from pinch_jax.model.families import DecoderConfig


def save_weights(path: Path, params: Params, dtype: Any = np.float32) -> None:
    """Writes parameters as safetensors, whole or not at all."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    tensors = {path_name(p): np.ascontiguousarray(np.asarray(x).astype(dtype)) for p, x in leaves}
    part = path.with_suffix(".part")
    save_file(tensors, part)
    part.rename(path)


def load_weights(path: Path, config: DecoderConfig) -> Params:
    """Returns float32 parameters as numpy arrays, checked against what the config asks for.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: tensors are missing, left over or misshapen; all of them are listed.
    """
    if not path.exists():
        raise FileNotFoundError(f"no weights at {path}")
    tensors = load_file(path)
    wanted = abstract_params(config)
    shapes = {path_name(p): x.shape for p, x in jax.tree_util.tree_leaves_with_path(wanted)}
    faults = [f"missing {name} {shapes[name]}" for name in sorted(shapes.keys() - tensors.keys())]
    faults += [f"left over {name}" for name in sorted(tensors.keys() - shapes.keys())]
    faults += [
        f"{name} is {tensors[name].shape}, not {shapes[name]}"
        for name in sorted(shapes.keys() & tensors.keys())
        if tensors[name].shape != shapes[name]
    ]
    if faults:
        raise ValueError(f"the weights in {path} do not fit config.model: " + "; ".join(faults))
    return jax.tree_util.tree_map_with_path(
        lambda p, x: tensors[path_name(p)].astype(np.float32), wanted
    )


def checksum(params: Params) -> str:
    """Returns the sha256 of all parameters with their names: what a fingerprint knows them by."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        leaf = np.ascontiguousarray(leaf)
        digest.update(json.dumps([path_name(path), leaf.dtype.str, leaf.shape]).encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()
