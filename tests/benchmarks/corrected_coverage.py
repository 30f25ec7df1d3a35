"""How often the interval of a corrected score holds the truth, beside that of the plain score.

    python tests/benchmarks/corrected_coverage.py [studies]

Prints percent of the made-up studies (1,000 unless told; about three minutes). A judge names the
better response of a pair with the chance `right`, over both orders; `first` of that comes from a
place that it prefers, and verdicts on a pair are alike. Of the pairs of a study, `ties` of what is
not certain are equally good. `silent` is how often the certificate cannot tell the judge from
chance, or the score does not fit it: nothing is said then, which is an interval from 0 to 100.
`spoken` is the coverage of those studies alone of which something is said, and `plain` that of the
score as it is. `leaves-50` is how often the corrected interval leaves out 50.
The second table is of length-controlled win rates: their mean and coverage, beside the plain ones.
"""

import itertools
import sys

import numpy as np
import scipy.special

from pinch_jax.evaluate.intervals import Estimate, means_over_prompts
from pinch_jax.judge.correction import corrected
from pinch_jax.judge.length import length_controlled

RNG = np.random.default_rng(0)
PROMPTS = 300
ALIKE = 0.5


def judged(quality, right, first):
    """Return the discounted scores [study, prompt] (0 to 1) of responses of this quality.

    `quality` is 1 where the candidate is better, 0 where it is worse, 0.5 where they are equal.
    """
    chances = np.where(quality == 1, right, np.where(quality == 0, 1 - right, 0.5))
    common = RNG.standard_normal(quality.shape)
    named = []
    for order in (first, -first):
        own = RNG.standard_normal(quality.shape)
        place = scipy.special.ndtr(np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * own)
        named.append(place < np.clip(chances + order, 0, 1))
    return np.mean(named, axis=0)


def held(estimate, truth):
    """Return whether the interval holds the truth."""
    return estimate.low - 1e-9 <= truth <= estimate.high + 1e-9


def of_correction(studies, right, pairs, score, ties, first):
    """Return coverage (all, spoken, plain), mean of corrected scores, silent, and leaving 50."""
    tied = ties * 2 * min(score, 1 - score)
    chances = [score - tied / 2, tied, 1 - score - tied / 2]
    quality = RNG.choice([1, 0.5, 0], size=(studies, PROMPTS), p=chances)
    scores = 100 * judged(quality, right, first).T
    certified = 100 * judged(np.ones((studies, pairs)), right, first).T
    good, plain, silent, leaves, means = [], [], 0, 0, []
    for found, agreement in zip(
        means_over_prompts(scores), means_over_prompts(certified), strict=True
    ):
        agreed = agreement.estimate()
        kappa = Estimate(*(end / 50 - 1 for end in (agreed.value, agreed.low, agreed.high)))
        told = corrected(found.estimate(), kappa)
        plain.append(held(found.estimate(), 100 * score))
        if np.isnan(told.value):
            silent += 1
            continue
        good.append(held(told, 100 * score))
        means.append(told.value)
        leaves += not told.low <= 50 <= told.high
    parts = (good, plain, means)
    covered, plainly, mean = (np.mean(part) if part else np.nan for part in parts)
    everything = (np.sum(good) + silent) / studies
    shares = (everything, covered, plainly, mean / 100, silent / studies, leaves / studies)
    return tuple(100 * share for share in shares)


def of_length(studies, prompts, languages, level, slope, own):
    """Return means (plain, controlled) and the coverage of the first language's win rate."""
    truth, plain, controlled, covered = 100 * scipy.special.expit(level), [], [], []
    for _ in range(studies):
        # Longer by a half on average, with a few that are much longer.
        apart = 0.5 + RNG.standard_t(3, (prompts, languages))
        slopes = slope + own * RNG.standard_normal(languages)
        scale = np.sqrt(np.mean(apart**2))
        chances = scipy.special.expit(level + slopes * np.tanh(apart / scale))
        won = RNG.random((2, prompts, languages)) < chances
        values = 100 * won.mean(axis=0)
        found = length_controlled(values, apart)[0]
        plain.append(values[:, 0].mean())
        controlled.append(found.value)
        covered.append(held(found.estimate(), truth))
    return np.mean(plain), np.mean(controlled), 100 * np.mean(covered)


def main():
    """Print the two tables."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    names = ("coverage", "spoken", "plain", "mean", "silent", "leaves-50")
    print("right pairs score ties first" + "".join(f"{name:>10}" for name in names))
    certificates = itertools.product((0.6, 0.75, 0.9), (50, 200, 1000))
    for (right, pairs), score in itertools.product(certificates, (0.5, 0.7, 0.9)):
        for ties, first in ((0.0, 0.0), (0.3, 0.1)):
            row = of_correction(studies, right, pairs, score, ties, first)
            cells = "".join(f"{value:10.1f}" for value in row)
            print(f"{right:5} {pairs:5} {score:5} {ties:4} {first:5}{cells}", flush=True)
    print("\nprompts languages level slope own   plain controlled truth coverage")
    for prompts, languages in ((96, 1), (96, 11), (300, 5)):
        for level, slope, own in ((0, 0, 0), (0, 1, 0), (-1, 1, 0.5), (1, 2, 0), (2, 1, 0.5)):
            row = of_length(studies // 5, prompts, languages, level, slope, own)
            truth = 100 * scipy.special.expit(level)
            cells = f"{row[0]:6.1f} {row[1]:10.1f} {truth:6.1f} {row[2]:8.1f}"
            print(f"{prompts:7} {languages:9} {level:5} {slope:5} {own:4} {cells}", flush=True)


if __name__ == "__main__":
    main()
