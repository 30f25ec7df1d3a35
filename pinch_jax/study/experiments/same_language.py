"""In which language the models answer.

Source: Shaham et al. (2024), arXiv 2401.01854, appendix E.
"""

from pinch_jax.study.comparisons import Results
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.interface import Claim, Decision, Experiment, Words, decide
from pinch_jax.study.measures import NotRun, answered_by, in_language, show

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
    detail = f"Of the {len({run for run, _ in table})} models: {'; '.join(told)}."
    return Decision(share, decide((share, IN_LANGUAGE_PERCENT)), detail)


EXPERIMENT = Experiment(
    words=Words(
        short="Response language",
        title="In which language the models answer",
        paper="Appendix E",
        lead="Share of the responses in the language of their instruction. Three outcomes add up "
        "to all responses: right language, wrong language, too short to tell. An echo of the "
        "prompt is counted apart, since it would pass for the right language.",
        caption="A row is a run, a column a language of instructions; the deeper the colour the "
        "larger the share, from 0 to 100 % in all four panels.",
        pointer="Rest the pointer on a cell for the number.",
    ),
    findings=[(SAME_LANGUAGE, answers_in_language)],
    needs=["monolingual"],
)
