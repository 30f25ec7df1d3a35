"""What might predict transfer: the share in pretraining, script, branch, intelligibility."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from pinch_jax.evaluate.intervals import Z2, Estimate, Mean
from pinch_jax.languages import language
from pinch_jax.study.comparisons import Results, Scored

_SLAVIC_BRANCHES = {
    **dict.fromkeys(("ru", "uk", "be", "rue"), "East"),
    **dict.fromkeys(("sr", "hr", "bs", "sl", "mk", "bg"), "South"),
    **dict.fromkeys(("pl", "sk", "cs", "csb", "dsb", "hsb", "szl"), "West"),
}
_INTELLIGIBLE = ({"sr", "hr"}, {"sk", "cs"})

# Whether two Slavic languages are related in one of the ways that the paper looks at.
RELATIONS: dict[str, Callable[[str, str], bool]] = {
    "one script": lambda a, b: language(a).script == language(b).script,
    "one branch": lambda a, b: _branch(a) == _branch(b),
    "intelligible": lambda a, b: {a, b} in _INTELLIGIBLE,
}


def _branch(code: str) -> str:
    """Return the branch of a Slavic language; any other is a branch of its own."""
    return _SLAVIC_BRANCHES.get(language(code).base, code)


def related_and_not(
    cells: Sequence[Scored],
) -> dict[str, tuple[list[Mean], list[Mean]]]:
    """Return relation -> (scores between related languages, the other scores), where both are.

    `cells` are scores of monolingual models in other languages.
    """
    split = {}
    for name, related in RELATIONS.items():
        near = [e.score for e in cells if related(e.arm["x"], e.language)]
        far = [e.score for e in cells if not related(e.arm["x"], e.language)]
        if near and far:
            split[name] = near, far
    return split


def share_correlation(results: Results) -> Estimate | None:
    """Return r over the monolingual models, None if there are under 3 or one of both is constant.

    The transfer of a language is the mean score of its model in the other languages. The claim is
    about languages, so they are the sample: what prompts add to the scatter is in r itself.

    Source: Shaham et al. (2024), arXiv 2401.01854, section 4.2.
    """
    share = results.study["pretraining_share"]
    held = [e for e in results.find("monolingual", "mean_other") if e.arm["x"] in share]
    shares = [share[entry.arm["x"]] for entry in held]
    transfer = [entry.score.value for entry in held]
    if len(held) < 3 or np.ptp(shares) == 0 or np.ptp(transfer) < 1e-9:
        return None
    return pearson(shares, transfer)


def pearson(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Return r of three points or more with its interval by Fisher's z, and p against 0.

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
