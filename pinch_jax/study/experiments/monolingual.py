"""One tuning language: every monolingual model in every language, against the language's own.

Source: Shaham et al. (2024), arXiv 2401.01854, section 3.1.
"""

import math
from collections.abc import Mapping, Sequence

from pinch_jax.config import Config
from pinch_jax.languages import language
from pinch_jax.study.experiments.figure import HeatMap
from pinch_jax.study.experiments.interface import (
    HEAT_CAPTION,
    Arm,
    Beside,
    Experiment,
    Words,
    check_several,
    monolingual_spec,
    own_models,
)
from pinch_jax.study.measures import show
from pinch_jax.study.records import Records

OF_OTHERS = HeatMap(means={"mean_other": "others"})


def arms(config: Config) -> list[Arm]:
    """Returns the table of the languages that have a model of their own."""
    check_several(config, "monolingual")
    codes = config.monolingual_languages
    return table("monolingual", codes, own_models(codes))


def table(experiment: str, languages: Sequence[str], baselines: Mapping[str, str]) -> list[Arm]:
    """Returns the models of these languages, each against all of the baselines."""
    return [Arm(experiment, monolingual_spec(code), code, "", baselines) for code in languages]


def carries_over(records: Records, experiment: str) -> str:
    """Says which tuning languages carry over most and least."""
    order = records.ranked(experiment, "mean_other")
    if len(order) < 2:
        return "Fewer than two models have a score in all other languages: none is the best."
    if order[0].score.value == order[-1].score.value:
        return f"All models score {order[0].score.value:.1f} in the other languages."
    best, last = ((language(row.x).name, show(row.score)) for row in (order[0], order[-1]))
    return (
        f"The model tuned on {best[0]} scores highest in the other languages: {best[1]}, mean of "
        f"these. The model tuned on {last[0]} scores lowest: {last[1]}."
    )


def beside(records: Records, experiment: str) -> list[Beside]:
    """Returns the best tuning languages, and in how many the lowest model is above 30."""
    if not (order := records.ranked(experiment, "mean_other")):
        return []
    names = ", ".join(language(row.x).name for row in order[:3])
    last = order[-1].x
    if order[0].score.value == order[-1].score.value:
        names = "all alike"
    own = [row for row in records.experiment(experiment) if row.x == last and not row.is_mean]
    scores = [row.score.value for row in own if row.language != last]
    cells = [score for score in scores if not math.isnan(score)]
    above = f"{sum(score > 30 for score in cells)} of {len(cells)} ({language(last).name})"
    return [
        Beside(
            f"best tuning languages, here of {len(order)}",
            "English, then Italian and Spanish",
            names,
        ),
        Beside("languages in which the lowest model is above 30", "9 of 11 (Hindi)", above),
    ]


EXPERIMENT = Experiment(
    words=Words(
        short="Monolingual",
        title="One tuning language",
        paper="Figure 1",
        lead="What does a model tuned on one language do with instructions in the others? Its "
        "baseline in each language is the model tuned on that language alone.",
        caption=HEAT_CAPTION,
        found="Every model follows instructions in the other languages to some degree.",
    ),
    arms=arms,
    means=("mean_other",),
    figure=OF_OTHERS,
    result=carries_over,
    beside=beside,
)
