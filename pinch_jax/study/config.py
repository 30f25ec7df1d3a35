"""Which experiments a study is made of, and the tuning sets that they compare."""

import dataclasses
from typing import Annotated

from annotated_types import Ge, Le

from pinch_jax.config_fields import CountOrZero, Seed, check_distinct, check_fields, choose
from pinch_jax.languages import LanguageCode

EXPERIMENTS = (
    "monolingual",
    "pretrained",
    "pinch",
    "unseen",
    "breadth",
    "pairs",
    "slavic",
    "pretraining_share",
    "same_language",
)
# Ours: the paper holds the monolingual models alone against the untuned one.
GAIN = "gain"
Percent = Annotated[float, Ge(0), Le(100)]


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Which experiments, over which tuning sets, judged how."""

    experiments: tuple[str, ...]
    monolingual_languages: tuple[LanguageCode, ...]
    percents: tuple[Percent, ...]
    unseen_percents: tuple[Percent, ...]
    pinch_examples: CountOrZero
    tuning_languages: tuple[LanguageCode, ...]
    breadth_orders: tuple[tuple[LanguageCode, ...], ...]
    pair_seed: Seed
    slavic_languages: tuple[LanguageCode, ...]
    judge: str

    def __post_init__(self) -> None:
        check_fields(self, "config.study")
        for name in self.experiments:
            choose("config.study.experiments", name, (*EXPERIMENTS, GAIN))
        for order in self.breadth_orders:
            if sorted(order) != sorted(self.tuning_languages):
                raise ValueError(
                    f"config.study.breadth_orders: {order} is not an order of "
                    f"config.study.tuning_languages={self.tuning_languages}"
                )
        check_distinct("config.study.monolingual_languages", self.monolingual_languages)
        check_distinct("config.study.tuning_languages", self.tuning_languages)
        check_distinct("config.study.slavic_languages", self.slavic_languages)
