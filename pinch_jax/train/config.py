"""How a run is trained: its optimizer, its adapters, and how often something is written.

Nothing here, nor in the other `config.py`, imports JAX: a config is refused before that is loaded.
"""

import dataclasses
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from pinch_jax.config_fields import (
    Count,
    CountOrZero,
    Fraction,
    Positive,
    check_distinct,
    check_fields,
    choose,
)
from pinch_jax.errors import UserError
from pinch_jax.model.config import REMAT_POLICIES

TENSORBOARD = "tensorboard"
# Those beside it are libraries with `init`, `log` and `finish`.
TRACKERS = (TENSORBOARD, "wandb", "trackio")
Decay = Annotated[float, Ge(0), Lt(1)]
# Where a layer has each projection, and how many of its axes are inputs.
PROJECTIONS: dict[str, tuple[str, int]] = {
    "query": ("attention", 1),
    "key": ("attention", 1),
    "value": ("attention", 1),
    "output": ("attention", 2),
    "gate": ("feedforward", 1),
    "up": ("feedforward", 1),
    "down": ("feedforward", 1),
}


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and its schedule; fractions are of the run's steps, or of the peak rate."""

    learning_rate: Annotated[float, Gt(0), Le(10)]
    warmup_fraction: Fraction
    final_rate_fraction: Fraction
    beta1: Decay
    beta2: Decay
    epsilon: Annotated[float, Gt(0), Le(1)]
    weight_decay: Annotated[float, Ge(0), Le(10)]
    clip_norm: Positive

    def __post_init__(self) -> None:
        check_fields(self, "config.train")


@dataclasses.dataclass(frozen=True)
class TrainConfig(OptimizerConfig):
    """How long, how fast, and how often something is written."""

    epochs: Annotated[int, Gt(0), Le(10_000)]
    remat_policy: str
    checkpoint_period_steps: Count
    log_period_steps: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("config.train.remat_policy", self.remat_policy, REMAT_POLICIES)

    @property
    def optimizer(self) -> OptimizerConfig:
        """The part that the train step needs."""
        fields = [f.name for f in dataclasses.fields(OptimizerConfig)]
        return OptimizerConfig(**{name: getattr(self, name) for name in fields})


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Which projections are adapted, and how; rank 0 trains all parameters themselves."""

    rank: CountOrZero
    alpha: Positive
    projections: tuple[str, ...]

    def __post_init__(self) -> None:
        check_fields(self, "config.lora")
        for name in self.projections:
            choose("config.lora.projections", name, tuple(PROJECTIONS))
        check_distinct("config.lora.projections", self.projections)
        if not self.projections:
            raise UserError(
                f"config.lora.projections=(): name some of {', '.join(PROJECTIONS)}; or set rank=0"
            )

    @property
    def scaling(self) -> float:
        """What the product A B is multiplied by."""
        return self.alpha / self.rank if self.rank else 0.0
