"""A tuning set by name, and the shape of its batches."""

import dataclasses
import math
from typing import Literal

from pinch_jax.config_fields import (
    Count,
    CountOrZero,
    Fraction,
    LanguageCode,
    Rows,
    Tokens,
    check_divides,
    check_fields,
)


@dataclasses.dataclass(frozen=True)
class MixtureConfig:
    """A tuning set, by name; its size is in examples or, where they are 0, in tokens."""

    spec: str
    examples: CountOrZero
    supervised_tokens: CountOrZero
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

    rows: Rows
    row_multiple: CountOrZero
    row_tokens: Tokens
    row_supervised_tokens: Tokens
    examples: CountOrZero
    microbatches: Count
    max_dropped_fraction: Fraction

    def __post_init__(self) -> None:
        check_fields(self, "config.batch")
        if self.row_multiple:
            check_divides(self, "config.batch", "row_multiple", "rows")
        check_divides(self, "config.batch", "microbatches", "rows")

    @property
    def decisive(self) -> dict[str, int]:
        """The fields that decide the batches."""
        fields = dataclasses.asdict(self)
        del fields["max_dropped_fraction"]
        return fields

    def shared_by(self, devices: int) -> "BatchConfig":
        """Returns the shape of batches whose rows so many devices share, in every microbatch.

        The multiple of rows is raised to what they can split; the updates stay the same.
        """
        multiple = math.lcm(self.row_multiple, devices * self.microbatches)
        kept = multiple if self.row_multiple and self.rows % multiple == 0 else 0
        return dataclasses.replace(self, row_multiple=kept)
