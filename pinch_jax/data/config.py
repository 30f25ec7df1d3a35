"""A tuning set by name, and the shape of its batches."""

import dataclasses
from typing import Literal

from pinch_jax.config_fields import positive
from pinch_jax.languages import LanguageCode


@dataclasses.dataclass(frozen=True)
class MixtureConfig:
    """A tuning set, by name; its size is in examples or, where they are 0, in tokens."""

    spec: str
    examples: int
    supervised_tokens: int
    recipes: tuple[str, ...]
    base: LanguageCode
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
    row_multiple: int
    row_tokens: int
    row_supervised_tokens: int
    examples: int
    microbatches: int
    max_dropped_fraction: float

    def __post_init__(self) -> None:
        positive(
            self, "config.batch", "rows", "row_tokens", "row_supervised_tokens", "microbatches"
        )
        if not 0 <= self.max_dropped_fraction <= 1:
            raise ValueError(
                f"config.batch.max_dropped_fraction={self.max_dropped_fraction}: must be between 0 "
                "and 1; 0.02 is usual"
            )
        if self.examples < 0:
            raise ValueError(f"config.batch.examples={self.examples}: 0 for no limit, or more")
        if self.row_multiple and (self.row_multiple < 0 or self.rows % self.row_multiple):
            raise ValueError(
                f"config.batch.row_multiple={self.row_multiple} does not divide "
                f"config.batch.rows={self.rows}; choose a divisor of it, or 0"
            )
        if self.least_rows % self.microbatches:
            name = "row_multiple" if self.row_multiple else "rows"
            raise ValueError(
                f"config.batch.microbatches={self.microbatches} does not divide "
                f"config.batch.{name}={self.least_rows}; choose a divisor of it"
            )

    @property
    def decisive(self) -> dict[str, int]:
        """The fields that decide the batches."""
        fields = dataclasses.asdict(self)
        del fields["max_dropped_fraction"]
        return fields

    @property
    def least_rows(self) -> int:
        """What the number of rows of every batch is a multiple of."""
        return self.row_multiple or self.rows
