"""Share in pretraining against transfer, and what else might predict it.

Source: Shaham et al. (2024), arXiv 2401.01854, section 4.
"""

import math
from collections.abc import Sequence

import numpy as np

from pinch_jax.evaluate.intervals import NOTHING, Z2, Estimate, mean_of
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import Scatter
from pinch_jax.study.experiments.interface import (
    FAILS,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    Claim,
    Decision,
    Experiment,
    Words,
)
from pinch_jax.study.experiments.slavic import RELATIONS, related_and_not
from pinch_jax.study.measures import NotRun, cells_of, show
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Score, score_row

# Where the paper has a word and no number: our choices, named in the rule.
WEAK_CORRELATION = 0.5
SMALL_DIFFERENCE_POINTS = 10.0
# The fewest languages with which the interval of r = 0 is within the bound.
LEAST_LANGUAGES = 3 + math.ceil(Z2 / math.atanh(WEAK_CORRELATION) ** 2)
PREDICTORS = Claim(
    claim="Neither script nor family nor mutual intelligibility predicts transfer among Slavic "
    "languages; Pearson's correlation with the share in pretraining is weak, 0.22.",
    unit="Pearson's r of pretraining share and mean transfer",
    rule=f"r, and how much more is transferred between Slavic languages of one script, of one "
    f"branch, and mutually intelligible ones, than between the others. Does not hold if r's "
    f"interval lies beyond {WEAK_CORRELATION} on either side or that of a difference above 0; "
    f"holds if r's lies within and those of all differences below {SMALL_DIFFERENCE_POINTS:g} "
    f"points. With fewer than {LEAST_LANGUAGES} languages, the paper's 12 too, r's interval is "
    "always too wide for that.",
    paper="0.22",
)


def share_correlation(results: Results) -> Estimate:
    """Returns r over the monolingual models; NOTHING of under 3, or where one of both is constant.

    The transfer of a language is the mean score of its model in the other languages. The claim is
    about languages, so they are the sample: what prompts add to the scatter is in r itself.

    Source: Shaham et al. (2024), arXiv 2401.01854, section 4.2.
    """
    share = results.study["pretraining_share"]
    found = results.find("monolingual", "mean_other")
    held = [e for e in found if e.arm["x"] in share and math.isfinite(e.score.value)]
    shares = [share[entry.arm["x"]] for entry in held]
    transfer = [entry.score.value for entry in held]
    if len(held) < 3 or np.ptp(shares) == 0 or np.ptp(transfer) < 1e-9:
        return NOTHING
    return pearson(shares, transfer)


def correlation_row(results: Results) -> list[Score]:
    """Returns Pearson's r as a row of scores.csv, if it is defined."""
    r = share_correlation(results)
    defined = not math.isnan(r.value)
    return [score_row(r, "pretraining_share", language="pearson")] if defined else []


def pearson(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Returns r of three points or more with its interval by Fisher's z, and p against 0.

    Three points leave it open from -1 to 1.

    Source: Fisher (1921), On the "Probable Error" of a Coefficient of Correlation Deduced from a
    Small Sample.
    """
    r = float(np.corrcoef(x, y)[0, 1])
    if len(x) == 3:
        return Estimate(r, -1.0, 1.0, 1.0)
    # The largest number below 1, so that a perfect line has a z.
    z = math.atanh(math.copysign(min(abs(r), 1 - 2**-53), r))
    error = 1 / math.sqrt(len(x) - 3)
    low, high = (math.tanh(z + side * math.sqrt(Z2) * error) for side in (-1, 1))
    return Estimate(r, low, high, math.erfc(abs(z) / error / math.sqrt(2)))


def unpredicted(r: Estimate, gains: Sequence[Estimate]) -> str:
    """Returns whether neither r nor any of the points gained by being related predicts transfer."""
    if max(r.low, -r.high) > WEAK_CORRELATION:
        return FAILS
    if any(gain.low > 0 for gain in gains):
        return FAILS
    weak = max(-r.low, r.high) < WEAK_CORRELATION
    small = [gain.high < SMALL_DIFFERENCE_POINTS for gain in gains]
    return HOLDS if weak and sum(small) == len(RELATIONS) else UNDECIDED


def predictors(results: Results) -> Decision:
    """Decides by r and by what related Slavic languages gain."""
    cells, r = cells_of(results, "slavic"), share_correlation(results)
    if not cells and math.isnan(r.value):
        raise NotRun("slavic; monolingual with shares in pretraining that differ")
    gains = {
        name: (mean_of(near) - mean_of(far)).estimate()
        for name, (near, far) in related_and_not(cells).items()
    }
    verdict = unpredicted(r, list(gains.values()))
    if verdict == UNDECIDED and not (cells and results.find("monolingual", "mean_other")):
        verdict = NOT_RUN
    told = "; ".join(f"{name}: {show(gain)} points more" for name, gain in gains.items())
    return Decision(r, verdict, f"Slavic: {told or 'not run'}. r is over languages.")


def shares_and_transfer(records: Records) -> dict[str, tuple[float, Estimate]]:
    """Returns language -> its share in pretraining in percent, its model's mean on the others."""
    shares = records.study["pretraining_share"]
    means = {row.x: row.score for row in records.ranked("monolingual", "mean_other")}
    codes = [code for code in records.languages if code in means and code in shares]
    return {code: (100.0 * shares[code], means[code]) for code in codes}


def analysed_r(records: Records) -> Estimate:
    """Returns the correlation as it was analysed, NaN where one of both does not vary."""
    rows = records.experiment("pretraining_share", "pearson")
    return rows[0].score if rows else NOTHING


def correlates(records: Records, experiment: str) -> str:
    """Says Pearson's r with its interval."""
    r = analysed_r(records)
    if math.isnan(r.value):
        return (
            "Pearson's r is not defined here: it needs three languages or more with a mean score, "
            "and shares and scores that differ."
        )
    languages = len(shares_and_transfer(records))
    return f"Pearson's r is {show(r, 2)} over {languages} languages, which are its sample."


EXPERIMENT = Experiment(
    words=Words(
        short="Pretraining share",
        title="Share in pretraining against transfer",
        paper="Figure 8",
        lead="Do the languages that the model saw most in pretraining transfer best?",
        caption="A point is a language: its share of the pretraining data, and the mean score of "
        "the model tuned on it in the other languages, with its 95 % interval.",
        found="The correlation is weak.",
    ),
    findings=[(PREDICTORS, predictors)],
    figure=Scatter(
        x="share of the pretraining tokens (%)",
        y="mean score in the other languages (%)",
        columns=("language", "pretraining_share_percent", "transfer", "low", "high"),
        points=shares_and_transfer,
        r=analysed_r,
    ),
    result=correlates,
    rows=correlation_row,
    needs=["monolingual"],
)
