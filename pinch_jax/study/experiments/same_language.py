"""In which language the models answer.

Source: Shaham et al. (2024), arXiv 2401.01854, appendix E.
"""

import math

import numpy as np

from pinch_jax.study.comparisons import Results
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.figure import HeatMap
from pinch_jax.study.experiments.interface import Claim, Decision, Experiment, Words, decide
from pinch_jax.study.measures import NotRun, answered_by, in_language, show
from pinch_jax.study.records import Records

# The paper has a word and no number: our choice, named in the rule.
IN_LANGUAGE_PERCENT = 90.0
SAME_LANGUAGE = Claim(
    claim="The tuned models answer in the language of the instruction.",
    unit="% of the tuned models' responses in which a language shows",
    rule=f"The share of responses in the language of their instruction, those too short to tell "
    f"left out; mean over all tuned models and languages. Holds if its interval lies "
    f"above {IN_LANGUAGE_PERCENT:g} %; does not hold if it lies below.",
)


def answers_in_language(results: Results) -> Decision:
    """Decides by the share over all tuned models and languages."""
    arms, runs = results.study["arms"], results.study["runs"]
    tuned = [run for run, entry in runs.items() if entry["spec"] != PRETRAINED]
    if not (table := answered_by(results, tuned)):
        raise NotRun("any tuned model")
    share = in_language(results, table)
    shown = [
        outcome.too_short is False
        for run, code in table
        for drawn in results.draws[run]
        for outcome in results.answers[drawn, code].outcomes.values()
    ]
    of = f", {100 * np.mean(shown):.0f} % of all"
    models = {arm["x"]: arm["run"] for arm in arms if arm["experiment"] == "monolingual"}
    by_percent = [arm for arm in arms if arm["experiment"] in ("pinch", "unseen")]
    doses = [arm["run"] for arm in by_percent if arm["x"] != 0]
    parts = {
        "monolingual models": answered_by(results, models.values()),
        "these in their own language": [
            (run, code) for code, run in models.items() if (run, code) in results.answers
        ],
        "models with any P above 0": answered_by(results, doses),
    }
    told = [f"{name} {show(in_language(results, part))} %" for name, part in parts.items() if part]
    count = len({run for run, _ in table})
    detail = "; ".join((f"{count} models in all", *told)) + "."
    return Decision(share, decide((share, IN_LANGUAGE_PERCENT)), detail, of)


def in_which_language(records: Records, experiment: str) -> str:
    """Says how many of the tuned models' responses are in the language of the instruction."""
    rows = [row for row in records.responses if row.spec != PRETRAINED]
    rows = [row for row in rows if not math.isnan(row.right_language)]
    if not rows:
        return "The language of none of these responses can be identified."
    right, wrong, short, echo = (
        100 * np.average([getattr(row, field) for row in rows], weights=[r.prompts for r in rows])
        for field in ("right_language", "wrong_language", "too_short", "echo")
    )
    return (
        f"Of the tuned models' responses {right:.1f} % are in the language of the instruction, "
        f"{wrong:.1f} % in another one, and {short:.1f} % too short to tell. {echo:.1f} % only "
        "repeat the instruction."
    )


EXPERIMENT = Experiment(
    words=Words(
        short="Response language",
        title="In which language the models answer",
        paper="Appendix E",
        lead="How many of the responses are in the language of their instruction? A response that "
        "repeats the instruction counts as such, too; the table counts it apart.",
        caption="A row is a model, the best first. A column is a language of instructions. The "
        "deeper the colour, the more responses are in the language of the instruction.",
        found=SAME_LANGUAGE.claim,
    ),
    findings=[(SAME_LANGUAGE, answers_in_language)],
    figure=HeatMap(means={}, of="right_language"),
    result=in_which_language,
    needs=["monolingual"],
)
