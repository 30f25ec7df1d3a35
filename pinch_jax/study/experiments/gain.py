"""Every model against the untuned one, in every language: ours, not the paper's."""

from collections.abc import Sequence

from pinch_jax.config import Config
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.figure import HeatMap
from pinch_jax.study.experiments.interface import HEAT_CAPTION, Arm, Experiment, Words

ALL_MEANS = ("mean", "mean_non_english", "mean_other")


def arms_of_others(config: Config, arms: Sequence[Arm]) -> list[Arm]:
    """Returns every tuned model of the other experiments, against the untuned one."""
    named = (spec for arm in arms for spec in (arm.spec, *arm.baselines.values()))
    baselines = dict.fromkeys(config.languages, PRETRAINED)
    return [
        Arm("gain", spec, spec, "", baselines)
        for spec in dict.fromkeys(named)
        if spec != PRETRAINED
    ]


EXPERIMENT = Experiment(
    words=Words(
        short="Gain",
        title="Every model against the untuned one",
        lead="What does tuning on each set change, in every language? The baseline of every model "
        "is the pretrained model without any tuning.",
        caption=HEAT_CAPTION,
    ),
    means=ALL_MEANS,
    arms_of_others=arms_of_others,
    figure=HeatMap(means={"mean": "mean", "mean_other": "others"}),
)
