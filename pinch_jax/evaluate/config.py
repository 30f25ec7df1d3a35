"""Which prompts are answered, and how."""

import dataclasses
from typing import Annotated

from annotated_types import Ge, Gt, Le

from pinch_jax.config_fields import Count, CountOrZero, Rows, Tokens, check_fields
from pinch_jax.errors import UserError

Temperature = Annotated[float, Ge(0), Le(100)]
TopP = Annotated[float, Gt(0), Le(1)]


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: greedily at temperature 0, else from the top-p nucleus."""

    temperature: Temperature = 0.0
    top_p: TopP = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "config.evaluate")


GREEDY = Sampling()


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Which prompts are answered, and how."""

    prompts: Count
    recipe: str
    rows: Rows
    prompts_per_row: Annotated[int, Gt(0), Le(1024)]
    tensor: CountOrZero
    prompt_tokens: Tokens
    prompt_widths: Annotated[int, Gt(0), Le(64)]
    new_tokens: Tokens
    temperature: Temperature
    top_p: TopP
    period_steps: Count
    loss_prompts: Count
    period_prompts: CountOrZero

    def __post_init__(self) -> None:
        check_fields(self, "config.evaluate")
        if self.prompt_widths > self.prompt_tokens:
            raise UserError(
                f"config.evaluate.prompt_widths={self.prompt_widths} is above "
                f"config.evaluate.prompt_tokens={self.prompt_tokens}; 2 is usual"
            )

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen."""
        return Sampling(self.temperature, self.top_p)
