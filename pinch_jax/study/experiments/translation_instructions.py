"""Translation instructions: does a model translate between languages that it was not tuned on?

Source: Li et al. (2023), arXiv 2305.15083.
"""

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import EVEN, Contrast
from pinch_jax.study.comparisons import Results
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.interface import (
    BARS,
    Arm,
    Claim,
    Decision,
    Words,
    decide,
    uniform_spec,
)
from pinch_jax.study.experiments.related import (
    SAME_SIZE,
    mean_score,
    parted,
    recipe_spec,
    related_experiment,
    right_share,
    series_arms,
    series_scores,
)
from pinch_jax.study.measures import entries_of, show

NAME = "translation_instructions"
SEEN, UNSEEN = "seen pairs vs no tuning", "unseen pairs vs no tuning"
# The paper has a word, "well", and no number: our choice, named in the rule.
AS_GOOD = 0.5
ZERO_SHOT = Claim(
    claim="With multilingual finetuning with translation instructions a model translates well, "
    "even for language pairs unseen in tuning (arXiv 2305.15083).",
    unit="% against the untuned model, translating into languages that no pair of the tuning set "
    "is about; mean of these",
    rule="Two conditions: the score in unseen pairs lies above 50, and the share of right "
    f"translations there above {AS_GOOD:g} of that in seen pairs. Holds if both intervals lie "
    "above; does not hold if either lies below. Right is a translation that names what the "
    "reference names, in its language. All pairs are from the base language, and no pair of the "
    "tuning set has the other language of an unseen one.",
)


def arms(config: Config) -> list[Arm]:
    """Returns the set of translations against no tuning, and against questions, by pairs."""
    tuned, unseen = parted(config, NAME, "translation")
    spec, questions = recipe_spec(config, "translation", tuned), uniform_spec(tuned)
    seen = [code for code in tuned if code != config.mixture.base]
    return series_arms(
        NAME,
        (SEEN, spec, seen, PRETRAINED),
        (UNSEEN, spec, unseen, PRETRAINED),
        ("seen pairs vs questions", spec, seen, questions),
        ("unseen pairs vs questions", spec, unseen, questions),
    )


def translates_unseen(results: Results) -> Decision:
    """Decides by the score in unseen pairs, and by how many are right beside seen pairs."""
    score = mean_score(results, NAME, series=UNSEEN).estimate()
    seen, unseen = (
        right_share(results, entry.arm["run"], entry.languages)
        for entry in (entries_of(results, NAME, "mean", series=name)[0] for name in (SEEN, UNSEEN))
    )
    excess = (unseen - Contrast({seen: AS_GOOD})).estimate()
    detail = (
        f"Right translations: {show(seen)} % in seen pairs, {show(unseen)} % in unseen ones, which "
        f"is {show(excess)} points above {AS_GOOD:g} of that. {series_scores(results, NAME)}"
    )
    return Decision(score, decide((score, EVEN), (excess, 0)), detail)


EXPERIMENT = related_experiment(
    words=Words(
        short="Translation",
        title="Translation into languages never tuned on?",
        lead="A model is tuned on instructions to translate from one language into some others. "
        "Does it translate into the rest? It is held against the untuned model, and against one "
        f"tuned on questions in the same languages. {SAME_SIZE}",
        caption=f"A bar is the mean score of the model tuned on translations. {BARS}",
        found="The model learns to translate well even for language pairs unseen in tuning.",
        source="arXiv 2305.15083, “Eliciting the Translation Ability of Large Language Models via "
        "Multilingual Finetuning with Translation Instructions” (Li et al., 2023)",
    ),
    arms=arms,
    findings=[(ZERO_SHOT, translates_unseen)],
)
