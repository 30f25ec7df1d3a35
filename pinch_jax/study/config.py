"""Which experiments a study is made of, and the tuning sets that they compare."""

import dataclasses

from pinch_jax.config_fields import check_languages, choose

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


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Which experiments, over which tuning sets, judged how."""

    experiments: tuple[str, ...]
    monolingual_languages: tuple[str, ...]
    percents: tuple[float, ...]
    unseen_percents: tuple[float, ...]
    pinch_examples: int
    tuning_languages: tuple[str, ...]
    breadth_orders: tuple[tuple[str, ...], ...]
    pair_seed: int
    slavic_languages: tuple[str, ...]
    judge: str

    def __post_init__(self) -> None:
        if self.pinch_examples < 0:
            raise ValueError(
                f"config.study.pinch_examples={self.pinch_examples}: 0 for P in percent alone, or "
                "more"
            )
        for name in self.experiments:
            choose("config.study.experiments", name, (*EXPERIMENTS, GAIN))
        for field in ("percents", "unseen_percents"):
            for percent in getattr(self, field):
                if not 0 <= percent <= 100:
                    raise ValueError(f"config.study.{field}={percent}: P must be between 0 and 100")
        for order in self.breadth_orders:
            if sorted(order) != sorted(self.tuning_languages):
                raise ValueError(
                    f"config.study.breadth_orders: {order} is not an order of "
                    f"config.study.tuning_languages={self.tuning_languages}"
                )
        check_languages("config.study.monolingual_languages", self.monolingual_languages)
        check_languages("config.study.tuning_languages", self.tuning_languages)
        check_languages("config.study.slavic_languages", self.slavic_languages)
