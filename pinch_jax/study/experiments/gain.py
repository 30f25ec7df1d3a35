"""Every model against the untuned one, in every language: ours, not the paper's."""

from collections.abc import Sequence

from pinch_jax.config import Config
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.figure import HeatMap
from pinch_jax.study.experiments.interface import (
    HEAT_CAPTION,
    Arm,
    Experiment,
    Judged,
    Words,
    mean_non_english,
    mean_of_all,
    mean_other,
)


def arms_of_others(config: Config, arms: Sequence[Arm]) -> list[Arm]:
    """Returns every tuned model of the other experiments, against the untuned one."""
    named = (spec for arm in arms for spec in (arm.spec, *arm.baselines.values()))
    baselines = dict.fromkeys(config.languages, PRETRAINED)
    return [
        Arm("gain", spec, spec, "", baselines)
        for spec in dict.fromkeys(named)
        if spec != PRETRAINED
    ]


def means(judged: Judged) -> dict[str, list[str]]:
    """Returns the means of all languages, of all but the base, and of those not tuned on."""
    return mean_of_all(judged) | mean_non_english(judged) | mean_other(judged)


EXPERIMENT = Experiment(
    words=Words(
        short="Gain",
        title="Every model against the untuned one",
        lead="What does tuning on each set change, in every language? The baseline of every model "
        "is the pretrained model without any tuning.",
        caption=HEAT_CAPTION,
    ),
    means=means,
    arms_of_others=arms_of_others,
    figure=HeatMap(means={"mean": "mean", "mean_other": "others"}),
)
