"""Against the untuned model: what tuning on one language changes at all.

Source: Shaham et al. (2024), arXiv 2401.01854, appendix F.
"""

import math

import numpy as np

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import EVEN, NOTHING, Estimate
from pinch_jax.study.comparisons import Results
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.figure import OWN, Bars
from pinch_jax.study.experiments.interface import (
    BARS,
    Arm,
    Claim,
    Decision,
    Experiment,
    Words,
    decide,
)
from pinch_jax.study.experiments.monolingual import table
from pinch_jax.study.measures import cells_of, entries_of, show
from pinch_jax.study.records import Records

TRANSFER = Claim(
    claim="Every model tuned on one language alone follows instructions in the other languages to "
    "some degree.",
    unit="% against the untuned model, the lowest of the monolingual models",
    rule="Whether a model follows instructions at all is asked here by the untuned one: each "
    "monolingual model against it, mean over the languages it was not tuned on. Holds if every "
    "model's interval lies above 50; does not hold if any lies below. The "
    "number and the ends shown are the lowest of all models.",
    against_own=True,
)


def arms(config: Config) -> list[Arm]:
    """Returns every monolingual model against the untuned one, in all languages."""
    untuned = dict.fromkeys(config.languages, PRETRAINED)
    return table("pretrained", config.monolingual_languages, untuned)


def transfer(results: Results) -> Decision:
    """Decides by the lowest of the monolingual models."""
    models = [entry.score.estimate() for entry in entries_of(results, "pretrained", "mean_other")]
    verdict = decide(*((model, EVEN) for model in models))
    # A judge may be silent on one of them, which is not the lowest for it.
    known = [model.numbers for model in models if not math.isnan(model.value)]
    lowest = Estimate(*np.min(known or [NOTHING.numbers], axis=0).tolist())
    missing = len(models) - len(known)
    of = f" ({len(models)} of them{f', {missing} without a number' if missing else ''})"
    found = results.find("monolingual", "mean_other")
    # A judge may have no verdict on all that a mean is over.
    told = [entry for entry in found if not math.isnan(entry.score.value)]
    order = sorted(told, key=lambda entry: -entry.score.value)
    if not order:
        return Decision(lowest, verdict, "", of)
    last = order[-1]
    best = ", ".join(f"{entry.arm['x']} {show(entry.score)}" for entry in order[:3])
    if order[0].score.value == last.score.value:
        best = "none, all are alike"
    cells = [e for e in cells_of(results, "monolingual") if e.arm["x"] == last.arm["x"]]
    above = sum(cell.score.value > 30 for cell in cells)
    detail = (
        "Another measure, the score against the monolingual model of each language, mean over the "
        f"others: best {best}; lowest {last.arm['x']} {show(last.score)}, above 30 in {above} of "
        f"{len(cells)} languages. The paper has en, it and es best, and its lowest above 30 in 9 "
        "of 11."
    )
    return Decision(lowest, verdict, detail, of)


def tuning_changes(records: Records, experiment: str) -> str:
    """Says how the models do in their own language and in the others."""
    rows = [row for row in records.experiment(experiment) if not row.is_mean]
    rows = [row for row in rows if not math.isnan(row.score.value)]
    own = [row.score.value for row in rows if row.x == row.language]
    others = [row.score.value for row in rows if row.x != row.language]
    if not (own and others):
        return "The judge has no verdict on answers in the models' own language, or in the others."
    return (
        f"In the language it is tuned on, a model scores {min(own):.0f} to {max(own):.0f} against "
        f"the untuned model. In the other languages it scores {min(others):.0f} to "
        f"{max(others):.0f}."
    )


EXPERIMENT = Experiment(
    words=Words(
        short="Untuned",
        title="Against the untuned model",
        paper="Figure 10",
        lead="What does tuning change at all? The baseline of every model is the pretrained model "
        "without any tuning.",
        caption="A bar is the model tuned on the language of the instructions; a point is a model "
        "tuned on another language. " + BARS,
    ),
    arms=arms,
    means=("mean", "mean_other"),
    findings=[(TRANSFER, transfer)],
    figure=Bars("score against the untuned model (%)", OWN, "tuned on another language"),
    result=tuning_changes,
)
