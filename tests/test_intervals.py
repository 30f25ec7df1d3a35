"""Intervals and p against scipy, exact enumeration and the formulas of their sources."""

import itertools

import numpy as np
import pytest
import scipy.stats

from pinch_jax.evaluate.intervals import known, mean_by_prompt, mean_of, means_over_prompts


def some_values(prompts=60, columns=3):
    rng = np.random.default_rng(5)
    skill = rng.random((prompts, 1))
    drawn = rng.random((prompts, columns))
    return np.where(drawn < skill, 100.0, np.where(drawn < skill + 0.2, 50.0, 0.0))


def of(wins, ties, prompts):
    """Return the mean of so many wins and ties; the other prompts are lost."""
    values = np.repeat([100.0, 50.0, 0.0], [wins, ties, prompts - wins - ties])
    return means_over_prompts(values[:, None])[0]


def test_wins_and_losses_have_jeffreys_interval_and_p():
    for prompts, wins in ((20, 1), (20, 10), (96, 95), (300, 120)):
        found = of(wins, 0, prompts).estimate()
        beta = scipy.stats.beta(wins + 0.5, prompts - wins + 0.5)
        expected = [100 * wins / prompts, *(100 * beta.ppf((0.025, 0.975)))]
        assert (found.value, found.low, found.high) == pytest.approx(expected)
        assert found.p == pytest.approx(min(1, 2 * min(beta.cdf(0.5), beta.sf(0.5))))


@pytest.mark.parametrize("prompts", [1, 5, 20, 300])
def test_where_all_or_none_win_interval_and_p_are_the_exact_ones(prompts):
    for wins in (0, prompts):
        found, exact = of(wins, 0, prompts).estimate(), scipy.stats.binomtest(wins, prompts)
        ends = exact.proportion_ci(method="exact")
        assert (found.low, found.high) == pytest.approx((100 * ends.low, 100 * ends.high))
        assert found.p == pytest.approx(exact.pvalue, rel=1e-9)


def test_the_least_p_passes_holms_correction_over_the_cells_of_a_whole_study():
    assert 0 < of(300, 0, 300).estimate().p * 272 < 1e-6
    assert of(40_000, 0, 40_000).estimate().p > 0, "none is 0"


@pytest.mark.parametrize("prompts", [5, 20])
def test_p_is_small_exactly_where_the_interval_leaves_the_null_out(prompts):
    for wins, ties in itertools.product(range(prompts + 1), repeat=2):
        if wins + ties > prompts:
            continue
        for null in (50.0, 90.0):
            found = of(wins, ties, prompts).estimate(null)
            assert (found.p < 0.05) == (not found.low <= null <= found.high)
            assert 0 <= found.low <= found.value <= found.high <= 100
            assert found.low < found.high


def coverage(prompts, win, tie):
    """Return how often the interval holds the true score, over all that can come out."""
    held = 0.0
    truth, lose = 100 * (win + tie / 2), round(1 - win - tie, 9)
    for wins in range(prompts + 1):
        least = 0 if lose else prompts - wins
        for ties in range(least, prompts - wins + 1) if tie else (0,):
            counts = [wins, ties, prompts - wins - ties]
            found = of(wins, ties, prompts).estimate()
            if found.low <= truth <= found.high:
                held += scipy.stats.multinomial.pmf(counts, prompts, [win, tie, lose])
    return held


@pytest.mark.parametrize(
    ("prompts", "win", "tie", "attainable"),
    [
        (20, 0.5, 0.0, 0.98),
        (20, 0.9, 0.0, 0.98),
        (20, 0.99, 0.0, 0.9832),
        (96, 0.9, 0.0, 0.98),
        (96, 0.99, 0.0, 0.9845),
        (300, 0.99, 0.0, 0.98),
        (20, 0.8, 0.2, 0.98),
        (20, 0.98, 0.02, 0.98),
        (20, 0.35, 0.3, 0.98),
        # Nearly all tie, and who does not wins.
        (24, 0.2, 0.8, 0.98),
        (96, 0.05, 0.95, 0.98),
        (320, 0.01, 0.99, 0.98),
    ],
)
def test_an_interval_holds_the_truth_in_93_of_100_studies_and_is_not_wider_than_it_must_be(
    prompts, win, tie, attainable
):
    assert 0.93 <= coverage(prompts, win, tie) <= attainable


def test_ties_narrow_an_interval_and_nothing_but_ties_does_not_close_it():
    widths = [(e := of(wins, 20 - 2 * wins, 20).estimate()).high - e.low for wins in (10, 5, 1, 0)]
    assert widths[0] > widths[1] > widths[2] > 5
    # As if one of 22 prompts was won and one lost: a variance of (1 + 1) / 4 / 22 a prompt.
    alone = of(0, 20, 20).estimate()
    size = 0.5 * 0.5 / (0.5 / 22 / 20)
    low, high = scipy.stats.beta(size / 2 + 0.5, size / 2 + 0.5).interval(0.95)
    assert (alone.low, alone.high) == pytest.approx((100 * low, 100 * high))


def test_a_mean_over_languages_is_as_sure_as_its_prompts_are_different():
    column = some_values(columns=1)
    alone = means_over_prompts(column)[0].estimate()
    repeated = mean_of(means_over_prompts(np.repeat(column, 11, axis=1))).estimate()
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))
    rng = np.random.default_rng(0)
    apart = np.stack([rng.permutation(column[:, 0]) for _ in range(11)], axis=1)
    found = mean_of(means_over_prompts(apart))
    assert found.value == pytest.approx(alone.value)
    width = (found.estimate().high - found.estimate().low) / (alone.high - alone.low)
    assert 1 / np.sqrt(11) < width < 1.5 / np.sqrt(11)


def test_values_that_share_few_prompts_are_not_surer_than_these_make_them():
    column = some_values(columns=1)
    alone, ids = means_over_prompts(column)[0].estimate(), [*map(str, range(60))]
    assert mean_by_prompt(column[:, 0], ids).estimate() == alone
    repeated = mean_by_prompt(np.repeat(column[:, 0], 11), np.repeat(ids, 11).tolist()).estimate()
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))
    rng, ids, held = np.random.default_rng(0), np.repeat([*"abcdefgh"], 12).tolist(), 0
    for _ in range(1000):
        # Eight prompts in twelve languages, of which a judge of chance names both orders alike.
        skill = np.sqrt(0.3) * rng.standard_normal((8, 1)) + np.sqrt(0.7) * rng.standard_normal(
            (8, 12)
        )
        found = mean_by_prompt(np.where(skill < 0, 100.0, 0.0).ravel(), ids).estimate()
        held += found.low <= 50 <= found.high
    assert 0.93 < held / 1000 < 0.98


def test_the_variance_of_a_mean_over_languages_is_that_of_the_prompts_means():
    values = some_values()
    found = mean_of(means_over_prompts(values))
    per_prompt = values.mean(axis=1)
    assert np.sum(found.influence**2) == pytest.approx(per_prompt.var() / len(values))
    assert found.value == pytest.approx(per_prompt.mean())
    assert 1 < found.inflation < 1.1, "sixty prompts tell enough"


def test_one_telling_prompt_does_not_make_many_languages_sure():
    many = np.full((3000, 11), 100.0)
    for lost in range(4):
        many[lost, lost] = 0.0
        inflation = mean_of(means_over_prompts(many)).inflation
        # The languages seem independent, which so few prompts do not tell for sure.
        assert inflation == pytest.approx(11 ** (2 / (lost + 1 + 2)), rel=0.01)
    values = many[3:99]
    found = mean_of(means_over_prompts(values)).estimate()
    pooled = of(11 * 96 - 1, 0, 11 * 96).estimate()
    assert found.low < pooled.low - 0.3
    assert found.low > of(95, 0, 96).estimate().low, "yet surer than one language that lost one"


def test_missing_prompts_are_in_neither_mean_nor_variance():
    values = some_values()
    values[::7, 1] = np.nan
    found = means_over_prompts(values)
    kept = values[np.isfinite(values[:, 1]), 1]
    assert found[1].value == pytest.approx(kept.mean())
    assert found[1].estimate().low == pytest.approx(
        means_over_prompts(kept[:, None])[0].estimate().low
    )
    none = means_over_prompts(np.full((4, 1), np.nan))[0].estimate()
    assert np.isnan([none.value, none.low, none.high, none.p]).all()


def test_a_language_with_few_prompts_that_are_alike_is_not_certain_in_a_mean():
    values = np.concatenate([some_values(), np.full((60, 1), np.nan)], axis=1)
    values[:2, 3] = 100.0
    means = means_over_prompts(values)
    found, rest = mean_of(means).estimate(), mean_of(means[:3]).estimate()
    # Who wins half of all prompts wins both of two in a quarter of the cases.
    assert found.low < (3 * rest.value + 50.0) / 4 < found.value < found.high
    ties, certain = of(0, 60, 60), known(50.0, 60)
    assert mean_of([*means[:3], ties]).inflation == mean_of([*means[:3], certain]).inflation


def test_differences_are_paired():
    values = some_values(columns=1)
    worse = np.where(np.arange(60)[:, None] % 10 == 0, np.maximum(values - 50, 0), values)
    paired = means_over_prompts(np.concatenate([values, worse], axis=1))
    unpaired = means_over_prompts(np.concatenate([values, np.roll(worse, 7, axis=0)], axis=1))
    close, far = (a - b for a, b in (paired, unpaired))
    assert close.value == pytest.approx(far.value) == pytest.approx((values - worse).mean())
    close, far = close.estimate(), far.estimate()
    assert close.high - close.low < 0.6 * (far.high - far.low)


def test_a_difference_has_newcombes_interval_of_jeffreys_ends():
    # Newcombe's paired method with the correlation of the two columns, shrunk for 60 prompts.
    values = some_values(columns=2)
    first, second = means_over_prompts(values)
    a, b = first.estimate(), second.estimate()
    r = np.corrcoef(values.T)[0, 1] * 60 / (60 + 1.959964**2)
    down, up = (a.value - a.low, b.high - b.value), (a.high - a.value, b.value - b.low)
    low, high = (np.sqrt(x**2 + y**2 - 2 * r * x * y) for x, y in (down, up))
    found = (first - second).estimate()
    assert found.low == pytest.approx(found.value - low)
    assert found.high == pytest.approx(found.value + high)
    mirrored = (second - first).estimate()
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_two_models_that_agree_in_every_prompt_may_differ_in_the_next():
    first, second = means_over_prompts(np.repeat(some_values(columns=1), 2, axis=1))
    found = (first - second).estimate()
    assert found.value == 0 and found.low < -2 and found.high > 2
    lost = means_over_prompts(np.zeros((60, 2)))
    nothing = (lost[0] - lost[1]).estimate()
    assert nothing.value == 0 and nothing.low < -5 and nothing.high > 5


def test_a_sum_of_differences_counts_what_is_in_both_once():
    a, b, c = means_over_prompts(some_values())
    twice = ((a - b) - (b - c)).estimate()
    assert twice.value == pytest.approx(a.value - 2 * b.value + c.value)
    same = ((a - b) - (a - b)).estimate()
    assert (same.value, same.low, same.high) == (0, 0, 0)
    third = ((a - b) / 3).estimate()
    assert third.high == pytest.approx((a - b).estimate().high / 3)


def test_what_is_known_has_no_interval_and_adds_none():
    a = means_over_prompts(some_values(columns=1))[0]
    even = known(50.0, 60)
    assert (even.estimate().low, even.estimate().high, even.estimate().p) == (50, 50, 1)
    found, alone = (a - even).estimate(), a.estimate()
    assert (found.low + 50, found.high + 50) == pytest.approx((alone.low, alone.high))
    assert mean_of([a, even]).prompts == 60
