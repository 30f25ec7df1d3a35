"""How alike languages are: representations of the same prompts compared, clusters, correlations.

A pair of languages is no sample of its own: pairs share languages. So what each language has by
itself is taken off first, intervals leave out a language at a time, and p comes of naming the
languages anew.
"""

import math

import numpy as np
import scipy.cluster.hierarchy
import scipy.special
from scipy.spatial.distance import squareform

from pinch_jax.evaluate.intervals import NOTHING, Estimate

# With fewer languages, little is left of their pairs once the languages' own levels are off.
LEAST_LANGUAGES = 8
SHUFFLES = 999
ALPHA = 0.05


def similarity(states: np.ndarray) -> np.ndarray:
    """Returns the debiased linear CKA [L, L] of states [L, prompts, D] of the same prompts.

    1 is alike up to a rotation and a scale, and around 0 unrelated, however few the prompts are;
    NaN where the states of a language do not vary.

    Source: Kornblith et al. (2019), arXiv 1905.00414; Nguyen et al. (2020), arXiv 2010.15327,
    equation 3, with the unbiased estimator of Song et al. (2012).
    """
    states = states.astype(np.float64)
    states = states - states.mean(axis=1, keepdims=True)
    grams = np.einsum("lpd,lqd->lpq", states, states)
    count = grams.shape[1]
    grams[:, range(count), range(count)] = 0.0
    sums = grams.sum(axis=2)
    shared = np.einsum("lpq,mpq->lm", grams, grams)
    shared += np.outer(sums.sum(axis=1), sums.sum(axis=1)) / ((count - 1) * (count - 2))
    shared -= 2 * sums @ sums.T / (count - 2)
    own = np.diag(shared)
    own = np.sqrt(np.where(own > 0, own, math.nan))
    return shared / np.outer(own, own)


def without_levels(pairs: np.ndarray) -> np.ndarray:
    """Returns symmetric values [L, L] less what each of both languages adds to all its pairs.

    The diagonal is 0. Which languages are alike at all, or hard for all, is what is taken off.
    """
    size = len(pairs)
    wanted = pairs.sum(axis=1) - np.diag(pairs)
    levels = (wanted - wanted.sum() / (2 * (size - 1))) / (size - 2)
    left = pairs - np.add.outer(levels, levels)
    np.fill_diagonal(left, 0.0)
    return left


def tree_of(alike: np.ndarray) -> np.ndarray:
    """Returns scipy's linkage of languages, by the mean of 1 - CKA."""
    return scipy.cluster.hierarchy.linkage(squareform(1.0 - alike, checks=False), "average")


def best_cut(alike: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the largest mean silhouette of a cut of the tree, and the cluster of each language.

    Source: Rousseeuw (1987), Silhouettes: a Graphical Aid to the Interpretation and Validation of
    Cluster Analysis; a language alone counts 0.
    """
    tree, apart = tree_of(alike), 1.0 - alike
    np.fill_diagonal(apart, 0.0)
    cuts = scipy.cluster.hierarchy.cut_tree(tree, range(2, len(alike))).T
    return max(((_silhouette(apart, cut), cut) for cut in cuts), key=lambda found: found[0])


def _silhouette(apart: np.ndarray, cluster: np.ndarray) -> float:
    member = cluster[:, None] == np.unique(cluster)
    sizes, total = member.sum(axis=0), apart @ member
    inside = (total * member).sum(axis=1) / np.maximum(sizes[cluster] - 1, 1)
    outside = np.where(member, np.inf, total / sizes).min(axis=1)
    larger = np.maximum(inside, outside)
    shown = (sizes[cluster] > 1) & (larger > 0)
    return float(np.mean(np.where(shown, outside - inside, 0.0) / np.where(shown, larger, 1.0)))


def clusters(alike: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Returns the cluster of each language, None if there are none to be seen, and p.

    Any table of numbers has a tree. Clusters show in that who is like a third language is like
    its kin too: p is how often a cut is as good once the pairs are shuffled, beside what the
    levels of their languages explain.
    """
    rng, size = np.random.default_rng(0), len(alike)
    score, cut = best_cut(alike)
    left = without_levels(alike)
    upper = np.triu_indices(size, 1)
    as_good = 0
    for _ in range(SHUFFLES):
        shuffled = np.zeros_like(alike)
        shuffled[upper] = rng.permutation(left[upper])
        as_good += best_cut(alike - left + shuffled + shuffled.T)[0] >= score
    p = (1 + as_good) / (1 + SHUFFLES)
    return (cut if p < ALPHA else None), p


def pair_correlation(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Returns r of two symmetric tables [L, L] over pairs, the languages' levels taken off.

    The interval is for other languages: Fisher's z, with Student's t and the jackknife over
    languages. p names the languages of one table anew. NOTHING where a table does not vary.

    Source: Snijders and Borgatti (1999), Non-Parametric Standard Errors and Tests for Network
    Statistics; Mantel (1967), The Detection of Disease Clustering.
    """
    size = len(x)
    value = _correlation(x, y)
    rests = [np.delete(np.arange(size), out) for out in range(size)]
    parts = np.array([_correlation(x[np.ix_(r, r)], y[np.ix_(r, r)]) for r in rests])
    if math.isnan(value) or np.isnan(parts).any():
        return NOTHING
    z, rng = np.arctanh(np.clip(parts, -1 + 2**-53, 1 - 2**-53)), np.random.default_rng(0)
    error = math.sqrt((size - 2) / (2 * size) * np.sum((z - z.mean()) ** 2))
    reach = scipy.special.stdtrit(size - 1, 1 - ALPHA / 2) * error
    middle = math.atanh(max(-1 + 2**-53, min(value, 1 - 2**-53)))
    orders = (rng.permutation(size) for _ in range(SHUFFLES))
    as_far = sum(abs(_correlation(x[np.ix_(o, o)], y)) >= abs(value) - 1e-12 for o in orders)
    p = (1 + as_far) / (1 + SHUFFLES)
    return Estimate(value, math.tanh(middle - reach), math.tanh(middle + reach), p)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    a, b = without_levels(x), without_levels(y)
    length = math.sqrt(np.sum(a * a) * np.sum(b * b))
    tiny = 1e-9 * max(1.0, float(np.abs(x).max() * np.abs(y).max()))
    return float(np.sum(a * b) / length) if length > tiny else math.nan
