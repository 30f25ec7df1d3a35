"""How often a 95 % interval holds the truth: one language, means over languages, differences.

    python tests/benchmarks/interval_coverage.py [studies [draws | holm]]

Prints percent of the made-up studies (1,000 unless told; about ten minutes). One language is exact,
by enumeration, up to 300 prompts. `ties` is how much of what is not certain is a tie. `alike` is
how alike the languages are in one prompt, as the correlation of what decides its win: 0 are
languages that have nothing in common, which prompts of one corpus never are. Where tuning sets are
drawn several times, a column is how much of what decides a win is how good the draw is; under it
stands the percent of a score's variance that draws then give. With `draws` that table alone. With
`holm` another: of studies of 132 scores of one language, all even and independent, in what percent
some score is marked after Holm's correction; and what percent of scores have p below 0.05, 0.01 and
0.001.
"""

import itertools
import sys

import numpy as np
import scipy.special
import scipy.stats

from pinch_jax.evaluate.intervals import Mean, mean_of, means_over_prompts
from pinch_jax.judge.scores import holm

SCORES, TIES = (0.5, 0.9, 0.99), (0.0, 0.3, 0.8)
FEW = (0.01, 0.02, 0.05, 0.1, 0.2)
RNG = np.random.default_rng(0)


def chances(score, ties):
    """Return the chances of a win and of a tie that give this score."""
    tie = ties * 2 * min(score, 1 - score)
    return score - tie / 2, tie


def exact(prompts, score, ties):
    """Return the coverage in one language, over all wins and ties that can come out."""
    win, tie = chances(score, ties)
    wins, tied = (part.ravel() for part in np.indices((prompts + 1, prompts + 1)))
    wins, tied = (part[wins + tied <= prompts] for part in (wins, tied))
    lost = prompts - wins - tied
    log = scipy.special.gammaln(prompts + 1) + sum(
        scipy.special.xlogy(count, max(0.0, chance)) - scipy.special.gammaln(count + 1)
        for count, chance in ((wins, win), (tied, tie), (lost, 1 - win - tie))
    )
    held = 0.0
    for a, b, c, chance in zip(wins, tied, lost, np.exp(log), strict=True):
        if chance > 1e-7:
            values = np.repeat([100.0, 50.0, 0.0], [a, b, c])[:, None]
            held += chance * holds(means_over_prompts(values)[0], 100 * score)
    return 100 * held


def holds(statistic: Mean, truth):
    """Return whether the interval holds the truth."""
    found = statistic.estimate()
    return found.low - 1e-9 <= truth <= found.high + 1e-9


def drawn(common, prompts, languages, score, ties, alike):
    """Return the values [prompt, language] of one study; `common` [prompt] moves all languages."""
    win, tie = chances(score, ties)
    own = RNG.standard_normal((prompts, languages))
    place = scipy.special.ndtr(np.sqrt(alike) * common[:, None] + np.sqrt(1 - alike) * own)
    return np.where(place < win, 100.0, np.where(place < win + tie, 50.0, 0.0))


def of_means(studies, languages, prompts, score, ties, alike):
    """Return the coverage of a mean over languages."""
    held = 0
    for _ in range(studies):
        common = RNG.standard_normal(prompts)
        values = drawn(common, prompts, languages, score, ties, alike)
        held += holds(mean_of(means_over_prompts(values)), 100 * score)
    return 100 * held / studies


def of_differences(studies, languages, prompts, scores, ties, alike):
    """Return the coverage of a difference of two models over the same prompts."""
    held = 0
    for _ in range(studies):
        common = RNG.standard_normal(prompts)
        first, second = (
            mean_of(means_over_prompts(drawn(common, prompts, languages, score, ties, alike)))
            for score in scores
        )
        held += holds(first - second, 100 * (scores[0] - scores[1]))
    return 100 * held / studies


def drawn_several(draws, languages, prompts, win, by_draws):
    """Return values [draw, prompt, language] of two models: draws and prompts move all of them."""
    draw = RNG.standard_normal((2, draws, 1, 1)) * np.sqrt(by_draws)
    prompt = RNG.standard_normal((1, 1, prompts, 1)) * np.sqrt(0.3)
    own = RNG.standard_normal((2, draws, prompts, languages)) * np.sqrt(0.7 - by_draws)
    return np.where(scipy.special.ndtr(draw + prompt + own) < win, 100.0, 0.0)


def of_draws(studies, draws, languages, score, by_draws):
    """Return the coverage of a mean and of a difference, and the share of variance of draws."""
    held, told, shares = 0, 0, []
    for _ in range(studies):
        values = drawn_several(draws, languages, 96, score, by_draws)
        first, second = (mean_of(means_over_prompts(model)) for model in values)
        held += holds(first, 100 * score)
        told += holds(first - second, 0.0)
        shares.append((np.var(first.draws, ddof=1) / draws, first.prompt_variance))
    by, rest = np.mean(shares, axis=0)
    return 100 * held / studies, 100 * told / studies, 100 * by / (by + rest)


def print_draws(studies):
    """Print the table of sets that were drawn several times."""
    parts = (0.0, 0.01, 0.03, 0.1, 0.3)
    names = "".join(f"{part:>18}" for part in parts)
    print(f"\nseveral draws: mean / difference (% draws)\ndraws languages score{names}")
    for draws, languages, score in itertools.product((3, 5, 10), (1, 11), (0.5, 0.9)):
        row = (of_draws(studies, draws, languages, score, part) for part in parts)
        cells = "".join(f"  {a:5.1f}/{b:5.1f} ({c:2.0f})" for a, b, c in row)
        print(f"{draws:5} {languages:9} {score:5}{cells}", flush=True)


def of_holm(studies, draws, by_draws, cells=132):
    """Return the percent of studies with a marked score, and of scores with p below three ends."""
    found = []
    for _ in range(studies):
        draw = np.sqrt(by_draws) * RNG.standard_normal((draws, 1, cells))
        prompt = np.sqrt(0.3) * RNG.standard_normal((1, 96, cells))
        own = np.sqrt(0.7 - by_draws) * RNG.standard_normal((draws, 96, cells))
        values = np.where(draw + prompt + own < 0, 100.0, 0.0)
        found.append([mean.estimate().p for mean in means_over_prompts(values)])
    p = np.array(found)
    marked = np.mean([holm(study).min() < 0.05 for study in p])
    return 100 * np.array([marked, *(np.mean(p < end) for end in (0.05, 0.01, 0.001))])


def print_holm(studies):
    """Print the table of scores that are marked though all are even."""
    parts = (0.0, 0.01, 0.03, 0.1, 0.3)
    names = "".join(f"{part:>24}" for part in parts)
    print(f"\nmarked after Holm (p below 0.05, 0.01, 0.001)\ndraws{names}")
    for draws in (3, 4, 5, 10):
        rows = (of_holm(studies, draws, part) for part in parts)
        cells = "".join(f"  {a:5.1f} ({b:4.2f} {c:4.2f} {d:5.3f})" for a, b, c, d in rows)
        print(f"{draws:5}{cells}", flush=True)


def main():
    """Print the five tables."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    if sys.argv[2:]:
        {"draws": print_draws, "holm": print_holm}[sys.argv[2]](studies)
        return
    print("one language, exact\nprompts  score " + "".join(f"  ties {t}" for t in TIES))
    for prompts, score in itertools.product((5, 20, 96, 300), SCORES):
        row = (exact(prompts, score, ties) for ties in TIES)
        print(f"{prompts:7} {score:6}", *(f"{value:9.1f}" for value in row), flush=True)
    print("one language, exact, all others tie\nprompts" + "".join(f" {w:8} won" for w in FEW))
    for prompts in (24, 96, 320):
        row = (exact(prompts, (1 + won) / 2, 1.0) for won in FEW)
        print(f"{prompts:7}", *(f"{value:11.1f}" for value in row), flush=True)
    columns = list(itertools.product(TIES, (0.0, 0.3, 0.6)))
    names = "".join(f"  {ties}/{alike}" for ties, alike in columns)
    print(f"\nmeans over languages\nlanguages prompts  score{names}  (ties/alike)")
    for languages, prompts, score in itertools.product((2, 11), (20, 96, 300, 1000), SCORES):
        row = (of_means(studies, languages, prompts, score, t, a) for t, a in columns)
        cells = "".join(f"{value:9.1f}" for value in row)
        print(f"{languages:9} {prompts:7} {score:6}{cells}", flush=True)
    print(f"\ndifferences of two models\nlanguages prompts       scores{names}  (ties/alike)")
    pairs = ((0.5, 0.5), (0.5, 0.3), (0.9, 0.5), (0.99, 0.9), (0.0, 0.05))
    for languages, prompts, scores in itertools.product((1, 11), (20, 96, 300), pairs):
        row = (of_differences(studies, languages, prompts, scores, t, a) for t, a in columns)
        cells = "".join(f"{value:9.1f}" for value in row)
        print(f"{languages:9} {prompts:7} {scores!s:>12}{cells}", flush=True)
    print_draws(studies)


if __name__ == "__main__":
    main()
