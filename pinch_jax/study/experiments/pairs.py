"""Two languages against each of them: bilingual models and their monolingual halves.

Source: Shaham et al. (2024), arXiv 2401.01854, section 3.4.
"""

import numpy as np

from pinch_jax.config import Config
from pinch_jax.data.order import shuffled
from pinch_jax.evaluate.intervals import EVEN, mean_of
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import Bars
from pinch_jax.study.experiments.interface import (
    BARS,
    Arm,
    Claim,
    Decision,
    Experiment,
    Words,
    check_several,
    decide,
    monolingual_spec,
    uniform_spec,
)
from pinch_jax.study.measures import entries_of
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Score

PAIRS = Claim(
    claim="Bilingual sets beat both of their monolingual halves on the other 10 languages.",
    unit="% against the better of the two halves, mean over the pairs",
    rule="For each pair the lower of its two scores, each the mean over this study's other "
    "languages against one half; then the mean over the pairs. Holds if its interval lies above "
    "50; does not hold if it lies below.",
)


def arms(config: Config) -> list[Arm]:
    """Returns random pairs, half and half, against the two monolingual models of each."""
    check_several(config, "pairs")
    drawn = shuffled(config.monolingual_languages, config.study.pair_seed, "pairs")
    arms = []
    for pair in zip(drawn[::2], drawn[1::2], strict=False):
        tuned = [code for code in config.languages if code in pair]
        others = [code for code in config.languages if code not in pair]
        for half in tuned:
            baselines = dict.fromkeys(others, monolingual_spec(half))
            arms.append(
                Arm("pairs", uniform_spec(tuned), "+".join(tuned), f"against {half}", baselines)
            )
    return arms


def beats_both_halves(results: Results) -> Decision:
    """Decides by the lower score of each pair, mean over the pairs."""
    found = entries_of(results, "pairs", "mean_other")
    lower, both, lost, names = [], 0, 0, sorted({entry.arm["x"] for entry in found})
    for name in names:
        halves = [entry.score for entry in found if entry.arm["x"] == name]
        both += all(half.estimate().low > EVEN for half in halves)
        lost += any(half.estimate().high < EVEN for half in halves)
        # NaN is the least: nobody knows which half is the better one.
        lower.append(halves[int(np.argmin([half.value for half in halves]))])
    mean = mean_of(lower).estimate()
    detail = (
        f"{both} of {len(names)} pairs beat both halves, both intervals above 50; {lost} lose to "
        "one of them, its interval below."
    )
    of = f" ({len(names)} of them) in {len(found[0].languages)} other languages"
    return Decision(mean, decide((mean, EVEN)), detail, of)


def pairs_win(records: Records, experiment: str) -> str:
    """Says how many pairs beat both of their halves, by the interval."""
    pairs: dict[str, list[Score]] = {}
    for row in records.experiment(experiment, "mean_other"):
        pairs.setdefault(row.x, []).append(row)
    both = sum(all(row.score.low > EVEN for row in rows) for rows in pairs.values())
    return f"{both} of {len(pairs)} bilingual models beat both of their halves, by both intervals."


EXPERIMENT = Experiment(
    words=Words(
        short="Pairs",
        title="Two languages against each of them",
        paper="Figure 6",
        lead="Is a model tuned half and half on two languages better in the other languages than "
        "the models tuned on either one alone? Pairs are drawn at random; of an odd number of "
        "languages one is in none.",
        caption="A bar is the mean score of a bilingual model over the languages outside its pair. "
        "Its baseline is the model tuned on one of the two alone. " + BARS,
        found="Bilingual sets beat both of their halves in the other 10 languages.",
    ),
    arms=arms,
    means=("mean_other",),
    findings=[(PAIRS, beats_both_halves)],
    figure=Bars("mean score in the other languages (%)", "mean_other"),
    result=pairs_win,
)
