"""Languages added half-way: does a model learn them, and does it lose those it had?

Source: Tang et al. (2020), arXiv 2008.00401.
"""

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import EVEN
from pinch_jax.study.comparisons import Results
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
    related_experiment,
    series_arms,
    series_scores,
)

NAME = "added_languages"
OLD, NEW = "old languages, with new ones beside", "new languages, with old ones beside"
# The paper says "without loss", and gives no number: our choice, named in the rule.
MARGIN = 5.0
EXTENDED = Claim(
    claim="A multilingual model can be extended by languages without loss of performance in those "
    "it had (arXiv 2008.00401).",
    unit="% in the old languages, against a model that went on with these alone; mean of them",
    rule="For the second half of the run new languages join the old ones. Two conditions: the "
    f"score in the old languages lies above {EVEN - MARGIN:g}, a loss of less than {MARGIN:g} "
    f"points, and that in the new languages above {EVEN:g}. Holds if both intervals lie above; "
    "does not hold if either lies below. The paper extends pretraining; here all languages were in "
    "it, and tuning is extended.",
)


def arms(config: Config) -> list[Arm]:
    """Returns new languages beside old ones, or alone, against going on with the old ones."""
    old, new = parted(config, NAME)
    alone, every = uniform_spec(old), uniform_spec([*old, *new])
    joined = f"piecewise:{alone}..{every}@0.5"
    replaced = f"piecewise:{alone}..{uniform_spec(new)}@0.5"
    return series_arms(
        NAME,
        (OLD, joined, old, alone),
        (NEW, joined, new, alone),
        ("old languages, then new ones alone", replaced, old, alone),
        ("new languages, alone at last", replaced, new, alone),
    )


def keeps_old(results: Results) -> Decision:
    """Decides by the scores of the model with new languages beside, in old and new ones."""
    old, new = (mean_score(results, NAME, series=name).estimate() for name in (OLD, NEW))
    verdict = decide((old, EVEN - MARGIN), (new, EVEN))
    return Decision(old, verdict, series_scores(results, NAME))


EXPERIMENT = related_experiment(
    words=Words(
        short="Added languages",
        title="Can languages be added without losing the old ones?",
        lead="A model is tuned on some languages. Half-way others join, or take their place. It is "
        f"held against a model that goes on with the old languages alone. {SAME_SIZE}",
        caption=f"A bar is a mean score over the old or the new languages. {BARS}",
        found="Pretrained models are extended to additional languages without loss of performance.",
        source="arXiv 2008.00401, “Multilingual Translation with Extensible Multilingual "
        "Pretraining and Finetuning” (Tang et al., 2020)",
    ),
    arms=arms,
    findings=[(EXTENDED, keeps_old)],
)
