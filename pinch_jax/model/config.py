"""Where a model comes from, and what it keeps for its backward pass."""

import dataclasses
from typing import Literal

from pinch_jax.errors import UserError
from pinch_jax.model.families import DecoderConfig

SAVE_EVERYTHING, SAVE_PROJECTIONS = "save_everything", "save_projections"
SAVE_NOTHING = "save_nothing"
# What a layer saves for its backward pass, from the most memory to the least; see decoder.py.
REMAT_POLICIES = (SAVE_EVERYTHING, SAVE_PROJECTIONS, SAVE_NOTHING)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Where a model comes from; `tokenizer` and `decoder` only where `source` is empty."""

    source: str
    template: Literal["auto", "base", "chat"]
    trim_vocabulary: bool
    dtype: Literal["float32", "bfloat16"]
    tokenizer: str
    decoder: DecoderConfig | None

    def __post_init__(self) -> None:
        if self.source and (self.tokenizer or self.decoder):
            raise UserError(
                f"config.model.source={self.source!r} and config.model.tokenizer={self.tokenizer!r}"
                " / decoder contradict each other; leave these out, or set config.model.source=''"
            )
        if not self.source and not (self.tokenizer and self.decoder):
            raise UserError(
                "config.model.source='' asks for a model from nothing; set both "
                "config.model.tokenizer and config.model.decoder"
            )
        if not self.source and self.trim_vocabulary:
            raise UserError(
                "config.model.trim_vocabulary=True needs a config.model.source; set it to False"
            )
