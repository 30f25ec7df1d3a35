"""Code-switched prompts: is a model that knows both languages apart good at them together?

Source: Winata et al. (2021), arXiv 2103.13309; cross-lingual prompts are ours.
"""

from pinch_jax.config import Config
from pinch_jax.study.experiments.interface import BARS, Arm, Claim, Words, uniform_spec
from pinch_jax.study.experiments.related import (
    SAME_SIZE,
    above_even,
    parted,
    recipe_spec,
    related_experiment,
    series_arms,
)

NAME = "code_switching"
SEEN, UNSEEN = "switched, seen languages", "switched, unseen languages"
NO_GUARANTEE = Claim(
    claim="Being multilingual does not by itself make a model good at code-switching (arXiv "
    "2103.13309).",
    unit="% on code-switched prompts, tuned on such against tuned on the languages apart; mean of "
    "the tuned languages",
    rule="On prompts that change from the base language to another, the score of a model tuned on "
    "such prompts against one tuned on plain prompts in the same languages. Holds if the interval "
    "lies above 50, so that plain ones left something to learn; does not hold if it lies below. "
    "The paper labels words of natural text; these prompts are made.",
)


def arms(config: Config) -> list[Arm]:
    """Returns code-switched and cross-lingual prompts against plain ones."""
    tuned, unseen = parted(config, NAME, "code_switched")
    plain, seen = uniform_spec(tuned), [code for code in tuned if code != config.mixture.base]
    switched, crossed = (
        recipe_spec(config, kind, tuned) for kind in ("code_switched", "cross_lingual")
    )
    return series_arms(
        NAME,
        (SEEN, switched, seen, plain),
        (UNSEEN, switched, unseen, plain),
        ("cross-lingual, seen languages", crossed, seen, plain),
        ("cross-lingual, unseen languages", crossed, unseen, plain),
    )


EXPERIMENT = related_experiment(
    words=Words(
        short="Code-switching",
        title="Does a multilingual model follow code-switched prompts?",
        lead="Every prompt is half in one language and half in another. A model tuned on such "
        "prompts, and one tuned on prompts in one language that ask for an answer in another, are "
        f"held against a model tuned on plain prompts in the same languages. {SAME_SIZE}",
        caption="A bar is the mean score of a model tuned on such prompts, against plain ones. "
        + BARS,
        found="Multilingual pretraining does not necessarily guarantee high-quality "
        "representations of code-switched text.",
        source="arXiv 2103.13309, “Are Multilingual Models Effective in Code-Switching?” (Winata "
        "et al., 2021)",
    ),
    arms=arms,
    findings=[(NO_GUARANTEE, lambda results: above_even(results, NAME, SEEN))],
)
