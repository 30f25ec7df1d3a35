"""The same content in every language, against one language and against other content in each.

Source: Weber et al. (2024), arXiv 2402.13703; the second question is ours.
"""

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import EVEN, mean_of
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.interface import (
    BARS,
    Arm,
    Claim,
    Decision,
    Words,
    decide,
    monolingual_spec,
    uniform_spec,
)
from pinch_jax.study.experiments.related import (
    SAME_SIZE,
    above_even,
    mean_score,
    parted,
    related_experiment,
    series_arms,
    series_scores,
)
from pinch_jax.study.measures import entries_of, show

NAME = "parallel_content"
ONE, DISJOINT = "one language", "vs disjoint content"
PARALLEL = Claim(
    claim="Tuning on parallel instead of monolingual corpora benefits following instructions "
    "across languages (arXiv 2402.13703).",
    unit="% against a monolingual model, in the languages it was not tuned on; mean of these "
    "models",
    rule="The score of the model tuned on parallel content against each monolingual model, mean of "
    "the languages that one was not tuned on, then of these models. Holds if the interval lies "
    f"above 50; does not hold if it lies below. {SAME_SIZE} In the paper parallel sets are larger.",
)
CONTENT = Claim(
    claim="Ours, not the paper's: the same content in every language is better than other content "
    "in each.",
    unit="% against disjoint content, mean of all languages",
    rule="The score of parallel against disjoint content over the same languages, mean of all. "
    f"Holds if the interval lies above 50; does not hold if it lies below. {SAME_SIZE}",
)


def arms(config: Config) -> list[Arm]:
    """Returns the parallel set against each language alone, and against the disjoint one."""
    tuned, _ = parted(config, NAME)
    parallel, disjoint = (f"{how}:{uniform_spec(tuned)}" for how in ("parallel", "disjoint"))
    compared = []
    for code in tuned:
        others = [other for other in config.languages if other != code]
        baselines = dict.fromkeys(others, monolingual_spec(code))
        compared.append(Arm(NAME, parallel, ONE, f"vs {code} alone", baselines))
    return compared + series_arms(NAME, (DISJOINT, parallel, config.languages, disjoint))


def beats_one_language(results: Results) -> Decision:
    """Decides by the mean over the monolingual models; says what of it neither was tuned on."""
    score = mean_score(results, NAME, x=ONE).estimate()
    arms = entries_of(results, NAME, "mean_other", x=ONE)
    of = f"; {show(mean_of(entry.score for entry in arms))} in those that neither was tuned on"
    return Decision(score, decide((score, EVEN)), series_scores(results, NAME), of)


EXPERIMENT = related_experiment(
    words=Words(
        short="Parallel content",
        title="The same content in every language?",
        lead="One tuning set has the same few instructions in several languages. Is it better than "
        f"as many instructions in one language, or than other ones in each? {SAME_SIZE}",
        caption="A bar is the mean score of the model tuned on parallel content; what it is held "
        f"against stands beside it. {BARS}",
        found="Parallel instead of monolingual corpora improve cross-lingual instruction following "
        "by up to 9.9 %.",
        source="arXiv 2402.13703, “Investigating Multilingual Instruction-Tuning” (Weber et al., "
        "2024)",
    ),
    arms=arms,
    means=("mean", "mean_other"),
    findings=[
        (PARALLEL, beats_one_language),
        (CONTENT, lambda results: above_even(results, NAME, DISJOINT)),
    ],
)
