"""Where parameters and activations lie: one table from parameter path to the axes of the mesh."""

import dataclasses
import math
import re
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pinch_jax.devices.mesh import ROWS, batch_ways, path_name, ways
from pinch_jax.devices.mesh_config import AUTO
from pinch_jax.errors import UserError

# What shares a batch's rows or a row's tokens shares the parameters too.
SPLIT = ("fsdp", "context")
# One row for each kind of parameter: one that nobody placed would be copied to every device
# without a word. Layers are stacked, so that the first axis of all that is in a stack is L.
_LAYER_AXES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (r"attention/(query|key|value)", (SPLIT, "tensor", None)),
    (r"attention/(query|key|value)_bias", ("tensor", None)),
    (r"attention/output", ("tensor", None, SPLIT)),
    (r"attention/(query|key)_norm/scale", (None,)),
    (r"(feedforward/(gate|up)|token/gate)", (SPLIT, "tensor")),
    (r"(feedforward/down|token/output)", ("tensor", SPLIT)),
    (r"(feedforward|token)/activation/alpha_[pn]", (None,)),
    (r"(feedforward|token)/activation/(beta|epsilon)", ()),
    (r"((attention|feedforward)(_post)?_norm/scale|token_post_norm/scale|output_scale)", (None,)),
    # An adapter's axes are those of its weight, with the rank whole on every device.
    (r"(attention/(query|key|value)|feedforward/(gate|up))/lora_a", (SPLIT, None)),
    (r"attention/(query|key|value)/lora_b", (None, "tensor", None)),
    (r"attention/output/lora_a", ("tensor", None, None)),
    (r"feedforward/(gate|up)/lora_b", (None, "tensor")),
    (r"feedforward/down/lora_a", ("tensor", None)),
    (r"(attention/output|feedforward/down)/lora_b", (None, SPLIT)),
)
_STACK = r"(\w+_)?layers"
PARAMETER_AXES: tuple[tuple[str, P], ...] = (
    (r"embedding|head|layer_embedding", P("tensor", SPLIT)),
    (r"layer_projection", P(None, SPLIT)),
    (r"(final|layer_projection)_norm/scale", P(None)),
    *((f"{_STACK}/{row}", P(None, *axes)) for row, axes in _LAYER_AXES),
)
# Where `tensor` cannot divide the heads or the tokens of these, every device along it holds them
# all: few key-value heads on many devices, then keys and values too, and a trimmed vocabulary.
MAY_BE_WHOLE = re.compile(
    rf"{_STACK}/attention/(key|value)(_bias|/lora_b)?|embedding|head|layer_embedding"
)

# The axes of activations, by the letters of model/decoder.py; C are the columns of a table, E those
# where `context` has split the tokens, G the rows of a batch that a group of devices shares, and M
# heads of which a device has all tokens.
ACTIVATION_AXES: dict[str, str | tuple[str, ...] | None] = {
    "B": ROWS,
    "T": "context",
    "S": None,
    "D": None,
    "N": "tensor",
    "K": "tensor",
    "L": None,
    "H": None,
    "F": "tensor",
    "V": "tensor",
    "C": SPLIT,
    "E": "fsdp",
    "G": "data",
    "M": ("tensor", "context"),
}


def parameter_spec(path: str) -> P:
    """Returns the row of the table that places a parameter: exactly one, or it is an error."""
    rows = [spec for pattern, spec in PARAMETER_AXES if re.fullmatch(pattern, path)]
    if len(rows) != 1:
        raise ValueError(
            f"parameter {path!r} matches {len(rows)} rows of PARAMETER_AXES, and must match one"
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


@dataclasses.dataclass(frozen=True)
class Shard:
    """Called (x, axes) -> x on activations: pins them to a mesh. Without one it does nothing.

    `attention` is config.mesh.attention; the devices of the mesh decide what "auto" means.
    """

    mesh: Mesh | None = None
    attention: str = AUTO

    @property
    def groups(self) -> int:
        """Among how many groups of devices the rows of a batch are shared out."""
        return batch_ways(self.mesh) if self.mesh else 1

    def spec(self, shape: tuple[int, ...], axes: str) -> P:
        """Returns how an activation with these axes is split; it takes a mesh."""
        names = [ACTIVATION_AXES[letter] for letter in axes]
        # Few key-value heads on many devices: every device then holds them all.
        parts = zip(shape, names, strict=True)
        return P(*(name if size % ways(self.mesh, name) == 0 else None for size, name in parts))

    def __call__(self, x: jax.Array, axes: str) -> jax.Array:
        """Returns x, pinned to the mesh; `axes` are its letters ("BTD")."""
        if self.mesh is None:
            return x
        sharding = NamedSharding(self.mesh, self.spec(x.shape, axes))
        return jax.lax.with_sharding_constraint(x, sharding)


# On one device there is nothing to constrain.
no_sharding = Shard()
