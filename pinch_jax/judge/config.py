"""Who may judge: each of them by a name of its own, in `config.judges`."""

import dataclasses
import os
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from pinch_jax.config_fields import NotNegative, check_fields
from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import as_path

# What each kind of judge goes by.
KINDS = {
    "reference": "the references of the prompts, without a model",
    "model": "two logits of a model, on the devices of the study",
    "api": "a service that speaks OpenAI's protocol, which may cost money",
}


@dataclasses.dataclass(frozen=True)
class JudgeConfig:
    """One judge; what its kind does not use is passed over.

    `judge` in ml_collections_configs/base.py says what each field is.
    """

    kind: Literal[*KINDS]
    model: str
    prompt_language: Literal["en", "instruction"]
    template: str
    language_gate: bool
    certificate: str
    dtype: Literal["float32", "bfloat16", "float16"]
    base_url: str
    requests_per_second: Annotated[float, Gt(0), Le(10_000)]
    concurrency: Annotated[int, Gt(0), Le(1000)]
    attempts: Annotated[int, Gt(0), Le(100)]
    wait_seconds: Annotated[float, Ge(0), Le(3600)]
    timeout_seconds: Annotated[float, Gt(0), Le(86_400)]
    price_per_million_tokens: NotNegative
    budget: NotNegative

    def __post_init__(self) -> None:
        check_fields(self, "config.judges")

    def check(self, name: str) -> None:
        """Raises UserError where the judge called `name` lacks what its kind needs."""
        field = f"config.judges.{name}"
        if self.kind != "reference" and not self.model:
            what = "a model directory" if self.kind == "model" else "the name of a service's model"
            raise UserError(f"{field}.model='': kind={self.kind!r} needs it; give {what}")
        of_one = self.template and "{language}" not in self.template
        if of_one and not as_path(self.template, f"{field}.template").is_file():
            raise UserError(f"{field}.template={self.template!r}: no such file; correct the path")
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise UserError(f"{field}.base_url={self.base_url!r}: start with https://")
        elsewhere = self.base_url or os.environ.get("OPENAI_BASE_URL")
        if self.kind == "api" and not (elsewhere or self.price_per_million_tokens):
            raise UserError(
                f"{field}.price_per_million_tokens=0.0: OpenAI is paid for; set what it asks, so "
                f"that the cost is told first, or {field}.base_url to another service"
            )
