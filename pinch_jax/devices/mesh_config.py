"""How many devices each axis of the mesh has, and which attention runs on them."""

import dataclasses
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from pinch_jax.config_fields import Count, check_fields
from pinch_jax.errors import UserError

# The attention of model/attention.py that a run asks for; "auto" is what suits its devices.
AUTO, EINSUM, SPLASH, TOKAMAX = "auto", "einsum", "splash", "tokamax"


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """How many devices each axis has; `data = -1` takes all that the others leave.

    `attention` changes how fast a result comes, and its last bits.
    """

    data: Annotated[int, Ge(-1), Lt(2**31)] = -1
    fsdp: Count = 1
    tensor: Count = 1
    context: Count = 1
    attention: Literal["auto", "einsum", "splash", "tokamax"] = AUTO

    def __post_init__(self) -> None:
        check_fields(self, "config.mesh")
        if self.data == 0:
            raise UserError("config.mesh.data=0: must be above 0, or -1 for all that are left")

    @property
    def splits_parameters(self) -> bool:
        """Whether a device may have a part of a parameter, so that it must be divisible."""
        return max(self.fsdp, self.tensor, self.context) > 1
