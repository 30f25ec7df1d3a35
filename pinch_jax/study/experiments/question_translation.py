"""Translated questions alone, without answers: do they help in languages seen and unseen?

Source: Zhang et al. (2024), arXiv 2405.13816; the second question is ours.
"""

from pinch_jax.config import Config
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.interface import BARS, Arm, Claim, Words, monolingual_spec
from pinch_jax.study.experiments.related import (
    SAME_SIZE,
    above_even,
    parted,
    recipe_spec,
    related_experiment,
    series_arms,
)

# The name of the recipe, too.
NAME = "question_translation"
SEEN, UNSEEN = "seen languages vs no tuning", "unseen languages vs no tuning"
BESIDE = "other languages vs answers alone"
SPONTANEOUS = Claim(
    claim="Tuning on translated questions alone, without answers, makes a model better in a wide "
    "range of languages, even unseen ones (arXiv 2405.13816).",
    unit="% against the untuned model, mean of the languages that no question was translated into",
    rule="The score of the model tuned on translated questions alone against the untuned model, in "
    "the languages of the translations and in the others. Holds if both intervals lie above 50; "
    "does not hold if either lies below. The paper's models are asked with examples in the prompt; "
    "ours are not.",
)
HALF = Claim(
    claim="Ours, not the paper's: translated questions in the place of half of the answered ones "
    "in the base language make a model better in the other languages.",
    unit="% against a model tuned on answered questions in the base language alone, mean of the "
    "other languages",
    rule="Holds if the interval of the score lies above 50; does not hold if it lies below. "
    + SAME_SIZE,
)


def arms(config: Config) -> list[Arm]:
    """Returns translated questions against no tuning, and beside answered ones against these."""
    tuned, unseen = parted(config, NAME)
    base = config.mixture.base
    others = [code for code in config.languages if code != base]
    targets = [code for code in tuned if code != base]
    alone = recipe_spec(config, NAME, tuned)
    weights = [f"{base}={len(targets)}", *(f"{NAME}-{base}-{code}=1" for code in targets)]
    beside, answered = f"weights:{','.join(weights)}", monolingual_spec(base)
    return series_arms(
        NAME,
        (SEEN, alone, tuned, PRETRAINED),
        (UNSEEN, alone, unseen, PRETRAINED),
        (BESIDE, beside, others, answered),
    )


EXPERIMENT = related_experiment(
    words=Words(
        short="Translated questions",
        title="Are translated questions enough?",
        lead="A model is tuned on translating questions, and sees no answer. Does it answer better "
        "than before? And do such examples help beside answered questions in one language? "
        + SAME_SIZE,
        caption="A bar is the mean score of a model tuned on translated questions: alone against "
        f"the untuned model, or as half of the set against answered questions alone. {BARS}",
        found="Models tuned on question translation data alone improve in a wide range of "
        "languages, even unseen ones.",
        source="arXiv 2405.13816, “Large Language Models are Good Spontaneous Multilingual "
        "Learners” (Zhang et al., 2024)",
    ),
    arms=arms,
    findings=[
        (SPONTANEOUS, lambda results: above_even(results, NAME, UNSEEN, SEEN)),
        (HALF, lambda results: above_even(results, NAME, BESIDE)),
    ],
)
