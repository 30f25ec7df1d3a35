"""Tuning languages chosen by typology, against languages drawn at random.

Source: Soykan and Şahin (2024), arXiv 2410.07809.
"""

from collections.abc import Sequence

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import EVEN, Estimate, Mean, mean_of
from pinch_jax.study.comparisons import Arm as Compared
from pinch_jax.study.comparisons import Results, compared, examples_of
from pinch_jax.study.experiments.interface import BARS, Arm, Claim, Decision, Words, decide
from pinch_jax.study.experiments.related import SAME_SIZE, parted, related_experiment
from pinch_jax.study.measures import NotRun, show

NAME = "typology"
# How many sets of languages are drawn; few, so that their part of the interval is wide.
SELECTIONS = 4
CAREFUL = Claim(
    claim="Languages chosen by linguistic features generally lead to better outcomes than "
    "languages chosen at random (arXiv 2410.07809).",
    unit="% against as many languages drawn at random, mean of all languages and of the drawn sets",
    rule="The score against each drawn set, mean of all languages of the study, then of the drawn "
    "sets. Its interval reaches from the lower to the upper end of two: that for other examples "
    "and prompts, and that for other drawn sets and prompts. Holds if it lies above 50; does not "
    f"hold if it lies below. {SAME_SIZE} The paper takes the middles of clusters of languages, "
    "here each language is the farthest from those before it.",
)


def arms(config: Config) -> list[Arm]:
    """Returns the languages that typology selects against those of each draw."""
    tuned, _ = parted(config, NAME)
    chosen, size = f"uniform:{len(tuned)}-by-typology", len(tuned)
    return [
        Arm(NAME, chosen, f"random{draw}", f"vs draw {draw}", dict.fromkeys(config.languages, by))
        for draw, by in ((n, f"uniform:{size}-by-random{n}") for n in range(1, SELECTIONS + 1))
    ]


def beats_chance(results: Results) -> Decision:
    """Decides by the mean over the drawn sets; its interval holds for other ones too."""
    means = [entry for entry in results.find(NAME, "mean") if not entry.is_itself]
    if len(means) < 2:
        raise NotRun(f"{NAME} against two sets of languages that differ from the chosen one")
    by_examples = mean_of(entry.score for entry in means).estimate()
    by_sets = over_sets(results, [entry.arm for entry in means], means[0].languages).estimate()
    ends = min(by_examples.low, by_sets.low), max(by_examples.high, by_sets.high)
    score = Estimate(by_examples.value, *ends)

    def tuned(run: str) -> str:
        return " ".join(examples_of(results.study, run))

    told = [
        f"{tuned(entry.arm['baseline_runs'][entry.languages[0]])}: {show(entry.score)}"
        for entry in means
    ]
    detail = (
        f"Chosen: {tuned(means[0].arm['run'])}. Against {'; '.join(told)}. For other examples "
        f"{show(by_examples)}, for other drawn sets {show(by_sets)}."
    )
    return Decision(score, decide((score, EVEN)), detail)


def over_sets(results: Results, arms: Sequence[Compared], languages: Sequence[str]) -> Mean:
    """Returns the mean of languages in which each arm counts as a draw, mean of its own draws."""
    outcomes = next(iter(results.judged.values())).outcomes

    def drawn(arm: Compared, code: str) -> dict[str, float]:
        held = [outcomes[pair] for pair in compared(arm, code) if pair in outcomes]
        ids = dict.fromkeys(id for one in held for id in one)
        told = {id: [one[id] for one in held if id in one] for id in ids}
        return {id: sum(values) / len(values) for id, values in told.items()}

    return mean_of(results.mean([drawn(arm, code) for arm in arms]) for code in languages)


EXPERIMENT = related_experiment(
    words=Words(
        short="Typology",
        title="Should tuning languages be far apart?",
        lead="Some languages are chosen so that their grammar differs most, by features of syntax. "
        f"Is a model tuned on them better than one tuned on as many drawn languages? {SAME_SIZE}",
        caption=f"A bar is the mean score against one drawn set of languages. {BARS}",
        found="Careful selection by linguistic features generally leads to better outcomes than a "
        "random one.",
        source="arXiv 2410.07809, “Linguistically-Informed Multilingual Instruction Tuning” "
        "(Soykan and Şahin, 2024)",
    ),
    arms=arms,
    findings=[(CAREFUL, beats_chance)],
)
