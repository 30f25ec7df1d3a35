"""What might predict transfer: the share in pretraining, script, branch, intelligibility."""

from collections.abc import Callable, Sequence

import numpy as np

from pinch_jax.evaluate.scores import Bootstrap, resample_counts
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
) -> dict[str, tuple[list[Bootstrap], list[Bootstrap]]]:
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


def share_correlation(results: Results) -> Bootstrap | None:
    """Return r over the monolingual models, None if there are under 3 or all shares are equal.

    The transfer of a language is the mean score of its model in the other languages. Every
    resample draws prompts and, because the claim is about languages, the languages too.

    Source: Shaham et al. (2024), arXiv 2401.01854, section 4.2.
    """
    study = results.study
    share = study["pretraining_share"]
    held = [e for e in results.find("monolingual", "mean_other") if e.arm["x"] in share]
    shares = np.array([share[entry.arm["x"]] for entry in held])
    if len(held) < 3 or np.ptp(shares) == 0:
        return None
    resamples = len(results.counts)
    languages = resample_counts(len(held), resamples, study["seeds"]["seed"], "languages")
    transfer = np.stack([entry.score.replicates for entry in held], axis=1)
    values = np.array([[float(entry.score.value) for entry in held]])
    whole = weighted_pearson(shares, values, np.ones_like(values))
    return Bootstrap(whole[0], weighted_pearson(shares, transfer, languages))


def weighted_pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return r of `x` [point] with each row of `y` [row, point]; NaN where one does not vary.

    `weights` [row, point] is how often the row holds each point.
    """
    weights = weights / weights.sum(axis=1, keepdims=True)

    def centred(values: np.ndarray) -> np.ndarray:
        return values - (weights * values).sum(axis=1, keepdims=True)

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (weights * a * b).sum(axis=1)

    dx, dy = centred(np.broadcast_to(x, y.shape)), centred(y.astype(np.float64))
    variances = covariance(dx, dx), covariance(dy, dy)
    varies = (variances[0] > 1e-12 * np.ptp(x) ** 2) & (variances[1] > 1e-12)
    scale = np.sqrt(np.where(varies, variances[0] * variances[1], 1.0))
    return np.where(varies, covariance(dx, dy) / scale, np.nan)
