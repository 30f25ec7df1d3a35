"""The device mesh, and what lies on it: batches, and arrays that are whole everywhere.

Four axes: `data` splits the batch, `fsdp` the batch and the parameters, `context` the tokens of
each row and the parameters, `tensor` heads, feed-forward and vocabulary. The model knows none of
this.
"""

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pinch_jax.devices.jax_settings import check_settings
from pinch_jax.devices.mesh_config import MeshConfig
from pinch_jax.errors import UserError

AXES = ("data", "fsdp", "context", "tensor")
# What splits the rows of a batch.
ROWS = ("data", "fsdp")


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns a mesh with AXES over all devices.

    Slices of TPUs lie along `data`: what is between them is slower by far. So no parameter is split
    over slices, and XLA sums gradients within each first and sends their shards to the others.

    Raises:
        UserError: the axes do not multiply to the number of devices, `data` cannot be shared by the
            slices, JAX finds no device, or is set to compute otherwise than by default.
    """
    check_settings()
    devices = _all_devices() if devices is None else devices
    rest = config.fsdp * config.context * config.tensor
    data = len(devices) // rest if config.data == -1 else config.data
    if data * rest != len(devices):
        raise UserError(
            f"config.mesh: data={config.data} x fsdp={config.fsdp} x context={config.context} x "
            f"tensor={config.tensor} does not make {len(devices)} devices; set config.mesh.data=-1 "
            "and choose the others so that their product divides them"
        )
    tpus = (device for device in devices if device.platform == "tpu")
    slices = len({getattr(device, "slice_index", 0) for device in tpus}) or 1
    if data % slices:
        raise UserError(
            f"config.mesh: data={data} cannot be shared by {slices} slices; let fsdp x context x "
            f"tensor divide the {len(devices) // slices} devices of one"
        )
    shape = (data // slices, config.fsdp, config.context, config.tensor)
    # Any shape: two axes of the mesh may share one of the torus.
    if slices > 1:
        placed = mesh_utils.create_hybrid_device_mesh(
            shape, (slices, 1, 1, 1), devices, allow_split_physical_axes=True
        )
    else:
        placed = mesh_utils.create_device_mesh(shape, devices, allow_split_physical_axes=True)
    return Mesh(placed, AXES, axis_types=(AxisType.Auto,) * 4)


def decoding_tensor(tensor: int, split: int, heads: int) -> int:
    """Returns over how many devices weights are split while answers are written.

    `tensor` is config.evaluate.tensor, `split` over how many devices training splits weights. All
    of these split `heads` by default, as far as they divide them: more would hold the same keys.
    """
    return tensor or math.gcd(split, heads)


def decoding_mesh(mesh: Mesh, tensor: int) -> Mesh:
    """Returns the mesh on which answers are written: rows over `data`, heads over `tensor`.

    Each token reads all weights: those that `fsdp` splits would be gathered as often.
    """
    if mesh.size % tensor:
        raise UserError(
            f"config.evaluate.tensor={tensor} does not divide {mesh.size} devices; lower it"
        )
    shape = mesh.size // tensor, 1, 1, tensor
    if mesh.devices.shape == shape:
        return mesh
    # In the same order: a program may then go from the one to the other.
    return Mesh(mesh.devices.reshape(shape), AXES, axis_types=mesh.axis_types)


def _all_devices() -> list[jax.Device]:
    try:
        return jax.devices()
    # An unknown platform, one without a device, and zero devices are told in different ways.
    except (RuntimeError, AssertionError, ValueError) as error:
        asked = {name: os.environ.get(name, "") for name in ("JAX_PLATFORMS", "XLA_FLAGS")}
        said = str(error) or "it has no device"
        told = " ".join(f"{name}={value!r}" for name, value in asked.items() if value)
        raise UserError(f"JAX does not start with {told or 'this machine'}: {said}") from error


# XLA may multiply by each part of a split weight while the next one comes. On TPUs that cuts the
# products into small ones and cost a third of a step of 4B, so nothing is large enough for it.
TPU_OPTIONS = {"xla_jf_spmd_threshold_for_windowed_einsum_mib": "1000000"}


def jit_on(mesh: Mesh, function: Callable[..., Any], **options: Any) -> Any:
    """Returns `jax.jit(function, **options)` with what XLA is told for the devices of a mesh."""
    platform = mesh.devices.flat[0].platform
    return jax.jit(function, compiler_options=TPU_OPTIONS if platform == "tpu" else None, **options)


def path_name(path: tuple[Any, ...]) -> str:
    """Returns a pytree path as text: layers/attention/query."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of anything whose first axis is the batch."""
    return NamedSharding(mesh, P(ROWS))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of what every device holds whole."""
    return NamedSharding(mesh, P())


def batch_ways(mesh: Mesh) -> int:
    """Returns over how many devices the rows of a batch are split."""
    return ways(mesh, ROWS)


def ways(mesh: Mesh, axes: str | tuple[str, ...] | None) -> int:
    """Returns over how many devices an array's axis is split by these axes of a mesh."""
    names = (axes,) if isinstance(axes, str) else axes or ()
    return math.prod(mesh.shape[axis] for axis in names)


def check_rows(ways: int, field: str, rows: int, axes: str = "data x fsdp") -> None:
    """Raises UserError when `rows`, or tokens, cannot be split evenly over so many devices."""
    if rows % ways:
        raise UserError(
            f"{field}={rows} cannot be divided over {ways} devices (mesh {axes}); "
            f"set it to a multiple of {ways}, such as {-(-rows // ways) * ways}"
        )


@functools.cache
def local_rows(mesh: Mesh, rows: int, process: int | None = None) -> np.ndarray:
    """Returns which rows of a global batch the devices of a process, by default this one, hold.

    They are in ascending order. On a TPU pod they lie apart: a mesh follows the torus, not hosts.
    """
    process = jax.process_index() if process is None else process
    held = batch_sharding(mesh).devices_indices_map((rows,)).items()
    own = [np.arange(rows)[part] for device, (part,) in held if device.process_index == process]
    return np.unique(np.concatenate(own))


def put_batch(mesh: Mesh, rows: int, local: Any) -> Any:
    """Returns a tree of global arrays from the rows that `local_rows` names, in its order."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, x, (rows, *x.shape[1:])), local
    )


def any_process(value: bool) -> bool | jax.Array:
    """Returns whether it is true in some process: the same in all, and not computed yet.

    To ask for its truth is to wait for what the devices were given before.
    """
    if jax.process_count() == 1:
        return value
    sharding = NamedSharding(Mesh(np.array(jax.devices()), "all"), P("all"))
    mine = np.full(jax.local_device_count(), value)
    return _any(jax.make_array_from_process_local_data(sharding, mine))


_any = jax.jit(jnp.any)


def check_finite(tree: Any, what: str) -> None:
    """Raises UserError when an array of a tree has a NaN or an infinity; names the first such.

    It waits for the arrays, and reads each of them once where it lies. `what` begins the message.
    """
    for path, finite in jax.tree_util.tree_leaves_with_path(jax.device_get(_all_finite(tree))):
        if not finite:
            raise UserError(f"{what}: {path_name(path)} has numbers that are not finite")


@jax.jit
def _all_finite(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.all(jnp.isfinite(x)), tree)
