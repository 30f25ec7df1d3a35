"""Languages never tuned on: a pinch over a few languages, and what becomes of the others.

Source: Shaham et al. (2024), arXiv 2401.01854, section 3.3.
"""

from pinch_jax.config import Config
from pinch_jax.errors import UserError
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import BASE, Curve
from pinch_jax.study.experiments.interface import (
    BANDS,
    Arm,
    Claim,
    Decision,
    Experiment,
    Words,
    decide,
)
from pinch_jax.study.experiments.pinch import OWN_MODEL, first_dose_says, percents, which_languages
from pinch_jax.study.measures import against_untuned, first_dose, lift, show
from pinch_jax.study.records import Records

UNSEEN = Claim(
    claim="With 6 tuning languages, the 6 unseen ones rise likewise at P = 1.",
    unit="points from P = 0 to P = 1, mean of the unseen languages",
    rule="The rise of the unseen languages' mean from P = 0 to P = 1. Holds if its interval lies "
    "above 0; does not hold if it lies below.",
    against_own=True,
)


def arms(config: Config) -> list[Arm]:
    """Returns an arm for each P, over config.study.tuning_languages alone."""
    unseen_languages(config, "unseen", config.mixture.base)
    doses = config.study.unseen_percents or config.study.percents
    return percents(config, "unseen", doses, ":" + ",".join(config.study.tuning_languages))


def unseen_languages(config: Config, experiment: str, *also: str) -> list[str]:
    """Returns the languages that are not tuned on and have a model to be held against.

    `also` are tuned on beside config.study.tuning_languages.
    """
    tuned, own = config.study.tuning_languages, config.monolingual_languages
    if unseen := [code for code in own if code not in (*tuned, *also)]:
        return unseen
    raise UserError(
        f"config.study.tuning_languages={tuned}: {experiment!r} has no unseen language to judge in "
        f"among {own}, which have a monolingual model; take one out there, add one to "
        "config.study.monolingual_languages, or leave the experiment out"
    )


def rises(results: Results) -> Decision:
    """Decides by the rise of the unseen languages from P = 0 to P = 1."""
    rise = lift(results, "unseen", "mean_unseen").estimate()
    detail = "No seen language has a monolingual model to be held against."
    if results.find("unseen", "mean_seen"):
        detail = f"The seen languages rise by {show(lift(results, 'unseen', 'mean_seen'))}."
    detail += against_untuned(results, "unseen")
    of = first_dose(results, "unseen", "mean_unseen")
    return Decision(rise, decide((rise, 0)), detail, of)


def a_pinch_lifts_the_unseen(records: Records, experiment: str) -> str:
    """Says how the first dose moves the languages never tuned on."""
    arms = {row.run for row in records.experiment(experiment)}
    seen = {code for run in arms for code in records.examples_of(run)}
    whose = f"The languages never tuned on{which_languages(records, experiment, seen)}"
    return first_dose_says(records, experiment, "mean_unseen", whose)


EXPERIMENT = Experiment(
    words=Words(
        short="Unseen",
        title="Languages never tuned on",
        paper="Figure 4",
        lead="P % of the examples are spread over a few languages alone. Do the languages rise too "
        "of which the model sees no example?",
        caption="Seen: the languages of the tuning sets but that of P = 0. Unseen: no tuning set "
        "has an example of them. " + BANDS,
        found=UNSEEN.claim,
    ),
    arms=arms,
    means=("mean_seen", "mean_unseen"),
    findings=[(UNSEEN, rises)],
    figure=Curve(
        "examples spread over the tuning languages (%)",
        {"mean_unseen": "mean of the unseen", BASE: "", "mean_seen": "mean of the seen"},
        each=False,
        baseline=OWN_MODEL,
    ),
    result=a_pinch_lifts_the_unseen,
)
