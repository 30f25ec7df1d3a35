"""One tuning language: every monolingual model in every language, against the language's own.

Source: Shaham et al. (2024), arXiv 2401.01854, section 3.1.
"""

from collections.abc import Sequence

from pinch_jax.config import Config
from pinch_jax.study.experiments.interface import (
    CELL_POINTER,
    HEAT_CAPTION,
    Arm,
    Experiment,
    Words,
    check_several,
    mean_other,
    monolingual_spec,
    own_models,
)


def arms(config: Config) -> list[Arm]:
    """Returns the table of the languages that have a model of their own."""
    check_several(config, "monolingual")
    return table("monolingual", config.monolingual_languages)


def table(experiment: str, languages: Sequence[str]) -> list[Arm]:
    """Returns every monolingual model in every language, against the language's own."""
    baselines = own_models(languages)
    return [Arm(experiment, monolingual_spec(code), code, "", baselines) for code in languages]


EXPERIMENT = Experiment(
    words=Words(
        short="Monolingual",
        title="One tuning language",
        paper="Figure 1",
        lead="What does a model tuned on one language do with instructions in the others? Each "
        "row is a model, each column a language of instructions, each cell the score against the "
        "model tuned on that language alone.",
        caption=HEAT_CAPTION,
        pointer=CELL_POINTER,
    ),
    arms=arms,
    means=mean_other,
)
