"""Where every array lives: the device mesh, and one table from parameter path to axes.

Four axes: `data` splits the batch, `fsdp` the batch and the parameters, `context` the tokens of
each row and the parameters, `tensor` heads, feed-forward and vocabulary. The model knows none of
this.
"""

import dataclasses
import functools
import math
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pinch_jax.errors import UserError
from pinch_jax.mesh_config import AUTO, MeshConfig

AXES = ("data", "fsdp", "context", "tensor")
# What shares a batch's rows or a row's tokens shares the parameters too.
SPLIT = ("fsdp", "context")
# One row for each kind of parameter: one that nobody placed would be copied to every device
# without a word. Layers are stacked, so the first axis of everything under `layers/` is L.
PARAMETER_AXES: tuple[tuple[str, P], ...] = (
    (r"embedding|head", P("tensor", SPLIT)),
    (r"layers/attention/(query|key|value)", P(None, SPLIT, "tensor", None)),
    (r"layers/attention/(query|key|value)_bias", P(None, "tensor", None)),
    (r"layers/attention/output", P(None, "tensor", None, SPLIT)),
    (r"layers/attention/(query|key)_norm/scale", P(None, None)),
    (r"layers/feedforward/(gate|up)", P(None, SPLIT, "tensor")),
    (r"layers/feedforward/down", P(None, "tensor", SPLIT)),
    (r"layers/feedforward/activation/alpha_[pn]", P(None, None)),
    (r"layers/feedforward/activation/(beta|epsilon)", P(None)),
    (r"layers/(attention|feedforward)(_post)?_norm/scale", P(None, None)),
    # An adapter's axes are those of its weight, with the rank whole on every device.
    (r"layers/(attention/(query|key|value)|feedforward/(gate|up))/lora_a", P(None, SPLIT, None)),
    (r"layers/attention/(query|key|value)/lora_b", P(None, None, "tensor", None)),
    (r"layers/attention/output/lora_a", P(None, "tensor", None, None)),
    (r"layers/feedforward/(gate|up)/lora_b", P(None, None, "tensor")),
    (r"layers/feedforward/down/lora_a", P(None, "tensor", None)),
    (r"layers/(attention/output|feedforward/down)/lora_b", P(None, None, SPLIT)),
    (r"final_norm/scale", P(None)),
)
# Where `tensor` cannot divide the heads or the tokens of these, every device along it holds them
# all: few key-value heads on many devices, then keys and values too, and a trimmed vocabulary.
MAY_BE_WHOLE = re.compile(r"layers/attention/(key|value)(_bias|/lora_b)?|embedding|head")

# The axes of activations, by the letters of model/decoder.py; C are the columns of a table, E those
# where `context` has split the tokens, G the rows of a batch that a group of devices shares, and M
# heads of which a device has all tokens.
ACTIVATION_AXES: dict[str, str | tuple[str, ...] | None] = {
    "B": ("data", "fsdp"),
    "T": "context",
    "S": None,
    "D": None,
    "N": "tensor",
    "K": "tensor",
    "H": None,
    "F": "tensor",
    "V": "tensor",
    "C": SPLIT,
    "E": "fsdp",
    "G": "data",
    "M": ("tensor", "context"),
}


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns a mesh with AXES over all devices.

    Slices of TPUs lie along `data`: what is between them is slower by far. So no parameter is split
    over slices, and XLA sums gradients within each first and sends their shards to the others.

    Raises:
        UserError: the axes do not multiply to the number of devices, `data` cannot be shared by the
            slices, or JAX finds no device.
    """
    devices = _all_devices() if devices is None else devices
    rest = config.fsdp * config.context * config.tensor
    data = len(devices) // rest if config.data == -1 else config.data
    if data * rest != len(devices):
        raise UserError(
            f"config.mesh: data={config.data} x fsdp={config.fsdp} x context={config.context} x "
            f"tensor={config.tensor} does not make {len(devices)} devices; set config.mesh.data=-1 "
            "and choose the others so that their product divides them"
        )
    slices = len({getattr(device, "slice_index", 0) for device in devices if _is_tpu(device)}) or 1
    if data % slices:
        raise UserError(
            f"config.mesh: data={data} cannot be shared by {slices} slices; choose "
            f"fsdp x context x tensor so that it divides the {len(devices) // slices} devices of "
            "one"
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


def _is_tpu(device: jax.Device) -> bool:
    return device.platform == "tpu"


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


def parameter_spec(path: str) -> P:
    """Returns the row of the table that places a parameter: exactly one, or it is an error."""
    rows = [spec for pattern, spec in PARAMETER_AXES if re.fullmatch(pattern, path)]
    if len(rows) != 1:
        raise ValueError(
            f"parameter {path!r} matches {len(rows)} rows of PARAMETER_AXES in mesh.py; "
            "it must match exactly one"
        )
    return rows[0]


def parameter_shardings(mesh: Mesh, params: Any, field: str = "config.mesh") -> Any:
    """Returns the tree of shardings for a tree of parameters, arrays or shapes.

    Raises:
        UserError: the mesh axes that split a parameter's axis cannot divide it; `field` has them.
    """

    def place(path, leaf):
        name, spec = path_name(path), []
        for size, axis in zip(leaf.shape, parameter_spec(name), strict=True):
            divides = size % ways(mesh, axis) == 0
            if not divides and not (axis == "tensor" and MAY_BE_WHOLE.fullmatch(name)):
                fields = [f"{field}.{each}" for each in ((axis,) if axis != SPLIT else SPLIT)]
                values = [f"{one}={mesh.shape[one.rpartition('.')[2]]}" for one in fields]
                raise UserError(
                    f"{' x '.join(values)} cannot divide an axis of {size} of the parameter "
                    f"{name!r} {leaf.shape}; set {' x '.join(fields)} to a divisor of {size}, such "
                    f"as {math.gcd(size, ways(mesh, axis))}"
                )
            spec.append(axis if divides else None)
        return NamedSharding(mesh, P(*spec))

    return jax.tree_util.tree_map_with_path(place, params)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of anything whose first axis is the batch."""
    return NamedSharding(mesh, P(ACTIVATION_AXES["B"]))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of what every device holds whole."""
    return NamedSharding(mesh, P())


def batch_ways(mesh: Mesh) -> int:
    """Returns over how many devices the rows of a batch are split."""
    return ways(mesh, ACTIVATION_AXES["B"])


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


@dataclasses.dataclass(frozen=True)
class Shard:
    """Called (x, axes) -> x on activations: pins them to a mesh. Without one it does nothing.

    Attributes:
        mesh: where the activations lie.
        attention: config.mesh.attention; the devices of the mesh decide what "auto" means.
    """

    mesh: Mesh | None = None
    attention: str = AUTO

    @property
    def groups(self) -> int:
        """Among how many groups of devices the rows of a batch are shared out."""
        return batch_ways(self.mesh) if self.mesh else 1

    def spec(self, shape: tuple[int, ...], axes: str) -> P:
        """Returns how an activation with these axes is split; it takes a mesh."""
        spec = []
        for size, letter in zip(shape, axes, strict=True):
            names = ACTIVATION_AXES[letter]
            # Few key-value heads on many devices: every device then holds them all.
            spec.append(names if size % ways(self.mesh, names) == 0 else None)
        return P(*spec)

    def __call__(self, x: jax.Array, axes: str) -> jax.Array:
        """Returns x, pinned to the mesh; `axes` are its letters ("BTD")."""
        if self.mesh is None:
            return x
        sharding = NamedSharding(self.mesh, self.spec(x.shape, axes))
        return jax.lax.with_sharding_constraint(x, sharding)


def activation_sharding(mesh: Mesh, attention: str = AUTO) -> Shard:
    """Returns what the decoder calls on its activations, and asks which attention it runs."""
    return Shard(mesh, attention)


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
