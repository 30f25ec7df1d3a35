"""How many devices each axis of the mesh has."""

import dataclasses
from typing import Annotated

from annotated_types import Ge, Lt

from pinch_jax.config_fields import Count, check_fields
from pinch_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """How many devices each axis has; `data = -1` takes all that the others leave."""

    data: Annotated[int, Ge(-1), Lt(2**31)] = -1
    fsdp: Count = 1
    tensor: Count = 1

    def __post_init__(self) -> None:
        check_fields(self, "config.mesh")
        if self.data == 0:
            raise UserError("config.mesh.data=0: must be above 0, or -1 for all that are left")
