"""Which experiments a study is made of, and the tuning sets that they compare."""

import dataclasses
import re
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from pinch_jax.config_fields import (
    CountOrZero,
    LanguageCode,
    Seed,
    check_distinct,
    check_fields,
    choose,
)
from pinch_jax.data.order import shuffled
from pinch_jax.errors import UserError

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
# What people say, of the paper's appendix D: part of a study where their files lie in it.
HUMAN = "human"
# They look at what is there, and at the untuned model; claims of other papers, too.
ANALYSES = ("clusters", "accent")
# Claims of other papers; ml_collections_configs/related.py has a study for each.
RELATED = (
    "parallel_content",
    "translation_instructions",
    "question_translation",
    "typology",
    "added_languages",
    "code_switching",
)
BUILT_IN = (*EXPERIMENTS, GAIN, HUMAN, *RELATED, *ANALYSES)
# Sections, figures and files of the page beside those of experiments, which would be overwritten.
OF_PAGE = (
    *("agreement", "composition", "confusion", "draws", "exact_match", "findings", "first"),
    *("judges", "outcomes", "provenance", "responses", "scores", "studies", "training", "variance"),
)
# The model before tuning, where a comparison names a tuning set.
PRETRAINED = "pretrained"
# What is kept of the weights of a run.
ALL, ADAPTERS, NONE = KEPT = ("all", "adapters", "none")
# The tuning languages of the paper; and orders of adding them, as many as the paper has. Which ones
# those are is not known to us: these are ours.
PAPER_TUNING = ("en", "ar", "fi", "it", "ru", "sw")
ORDERS = (
    ("en", "it", "fi", "ru", "ar", "sw"),
    ("ar", "sw", "ru", "en", "it", "fi"),
    ("fi", "ru", "sw", "it", "ar", "en"),
)
# What a sweep is held against unless it names a mixture: the model of each language itself.
OWN = "own"
Percent = Annotated[float, Ge(0), Le(100)]
Draws = Annotated[int, Ge(1), Le(100)]


def experiment_name(named: str) -> str:
    """Returns the name of an experiment that is named, or that is a Python file of one's own."""
    return Path(named).stem if named.endswith(".py") else named


def _check_own_name(field: str, name: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in (*BUILT_IN, *OF_PAGE):
        raise UserError(
            f"{field}: name={name!r}; write a name of its own in small letters, digits and _, "
            "such as 'mine'"
        )


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Mixtures of one's own, side by side, against OWN, PRETRAINED or a mixture.

    `name` is that of its section and files; `languages` are those it is judged in, () being all.
    """

    name: str
    specs: tuple[str, ...]
    against: str = OWN
    languages: tuple[LanguageCode, ...] = ()

    def __post_init__(self) -> None:
        _check_own_name("config.study.sweeps", self.name)
        if len(self.specs) < 2:
            raise UserError(
                f"config.study.sweeps: {self.name!r} has fewer than two specs; add some"
            )
        check_distinct(f"config.study.sweeps: specs of {self.name!r}", self.specs)
        check_distinct(f"config.study.sweeps: languages of {self.name!r}", self.languages)


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
    draws: Draws
    sweeps: tuple[Sweep, ...] = ()
    keep_weights: str = ALL

    def __post_init__(self) -> None:
        check_fields(self, "config.study")
        choose("config.study.keep_weights", self.keep_weights, KEPT)
        for name in self.experiments:
            if name.endswith(".py"):
                _check_own_name(f"config.study.experiments={name!r}", experiment_name(name))
            else:
                choose("config.study.experiments", name, BUILT_IN)
        if not self.experiments and not self.sweeps:
            raise UserError(
                f"config.study.experiments=(): name some of {', '.join(BUILT_IN)}, or "
                "a sweep in config.study.sweeps"
            )
        own = (*map(experiment_name, self.experiments), *(sweep.name for sweep in self.sweeps))
        check_distinct("config.study: names of experiments and sweeps", own)
        check_distinct("config.study.judge", self.judges)
        if "slavic" in self.experiments and len(self.slavic_languages) < 2:
            raise UserError(
                f"config.study.slavic_languages={self.slavic_languages}: 'slavic' compares "
                "languages; name two or more, or leave it out of config.study.experiments"
            )
        for name in (
            "experiments",
            "percents",
            "unseen_percents",
            "monolingual_languages",
            "tuning_languages",
            "slavic_languages",
        ):
            check_distinct(f"config.study.{name}", getattr(self, name))

    @property
    def judges(self) -> tuple[str, ...]:
        """The judges by their names in config.judges; the first one is that of the figures."""
        return tuple(name.strip() for name in self.judge.split(","))

    def of(self, languages: tuple[str, ...], base: str, seed: int) -> "StudyConfig":
        """Returns the choice with what it leaves to the languages of a study.

        `tuning_languages` that are () become the paper's six where these languages have them all,
        else the base language and a drawn half of the others; `breadth_orders` that are () become
        three: of the paper's six always the same, of others drawn ones.

        Raises:
            UserError: an order is not one of the tuning languages.
        """
        tuned, orders = self.tuning_languages, self.breadth_orders
        if not tuned and set(PAPER_TUNING) <= set(languages):
            tuned = PAPER_TUNING
        elif not tuned:
            others = shuffled([code for code in languages if code != base], seed, "tuning")
            tuned = (base, *others[: len(others) // 2])
        if not orders and set(tuned) == set(PAPER_TUNING):
            orders = ORDERS
        elif not orders:
            drawn = (tuple(shuffled(tuned, seed, "breadth", n)) for n in range(3))
            orders = tuple(dict.fromkeys(drawn))
        for order in orders if "breadth" in self.experiments else ():
            if sorted(order) != sorted(tuned):
                raise UserError(
                    f"config.study.breadth_orders: {order} is not an order of "
                    f"config.study.tuning_languages={tuned}"
                )
        return dataclasses.replace(self, tuning_languages=tuned, breadth_orders=orders)
