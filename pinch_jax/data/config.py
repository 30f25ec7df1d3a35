"""A tuning set by name, and the shape of its batches."""

import dataclasses
from typing import Literal

from pinch_jax.config_fields import positive


@dataclasses.dataclass(frozen=True)
class MixtureConfig:
    """A tuning set, by name; its size is in examples or, where they are 0, in tokens."""

    spec: str
    examples: int
    supervised_tokens: int
    recipes: tuple[str, ...]
    base: str
    composition: Literal["disjoint", "parallel"]
    granularity: Literal["example", "step"]

    @property
    def size(self) -> str:
        """How much a tuning set holds, for people."""
        if self.examples:
            return f"{self.examples:,} examples"
        return f"{self.supervised_tokens:,} supervised tokens"


@dataclasses.dataclass(frozen=True)
class BatchConfig:
    """The shape of the global batch of a step."""

    rows: int
    row_tokens: int
    row_supervised_tokens: int
    examples: int
    microbatches: int

    def __post_init__(self) -> None:
        positive(
            self, "config.batch", "rows", "row_tokens", "row_supervised_tokens", "microbatches"
        )
        if self.examples < 0:
            raise ValueError(f"config.batch.examples={self.examples}: 0 for no limit, or more")
        if self.rows % self.microbatches:
            raise ValueError(
                f"config.batch.microbatches={self.microbatches} does not divide "
                f"config.batch.rows={self.rows}; choose a divisor of it"
            )
