"""Scores and their statistics against hand-made verdicts and independent computations."""

import dataclasses

import numpy as np
import pytest
import scipy.stats

from pinch_jax.evaluate.records import Verdict
from pinch_jax.evaluate.scores import (
    Bootstrap,
    bootstrap_means,
    flip_rate,
    holm,
    interval,
    mean_of,
    outcomes,
    p_value,
    resample_counts,
    score_verdicts,
)


def choice_of(winner, order):
    return "first" if order.startswith(winner) else "second"


def protocol(**winners):
    """Return the verdicts of prompts: two letters, who won in each order."""
    named = {"b": "baseline", "c": "candidate"}
    return [
        Verdict(identity, "en", order, choice_of(named[letter], order), named[letter], "hand", "")
        for identity, letters in winners.items()
        for order, letter in zip(("baseline_first", "candidate_first"), letters, strict=True)
    ]


def some_outcomes(prompts=60, columns=3):
    rng = np.random.default_rng(5)
    skill = rng.random((prompts, 1))
    drawn = rng.random((prompts, columns))
    return np.where(drawn < skill, 100.0, np.where(drawn < skill + 0.2, 50.0, 0.0))


def test_win_tie_and_loss_follow_from_both_orders():
    found = outcomes(protocol(win="cc", tie="bc", other_tie="cb", loss="bb"))
    assert found == {"win": 1.0, "tie": 0.5, "other_tie": 0.5, "loss": 0.0}


def test_the_score_discounts_ties_and_flips_are_the_ties():
    held = protocol(a="cc", b="cc", c="bc", d="bb")
    assert score_verdicts(held) == 100 * (1 + 1 + 0.5 + 0) / 4
    assert flip_rate(outcomes(held).values()) == 1 / 4
    finnish = [dataclasses.replace(verdict, language="fi") for verdict in protocol(a="bb")]
    assert score_verdicts(held + finnish) == 100 * (1 + 1 + 0.5 + 0 + 0) / 5
    with pytest.raises(ValueError, match="nothing to score"):
        score_verdicts([])


def test_a_model_against_itself_scores_50_with_any_judge():
    assert score_verdicts(protocol(a="bc", b="bc")) == 50, "always the first"
    assert score_verdicts(protocol(a="cb", b="cb")) == 50, "always the second"


def test_half_judged_repeated_and_mixed_verdicts_are_errors():
    with pytest.raises(ValueError, match=r"'a': only in order \['baseline_first'\]"):
        outcomes(protocol(a="cc")[:1])
    with pytest.raises(ValueError, match="'a': baseline_first comes twice"):
        outcomes(protocol(a="cc") + protocol(a="cc"))
    finnish = [dataclasses.replace(v, language="fi", id="z") for v in protocol(a="cc")]
    with pytest.raises(ValueError, match=r"\['en', 'fi'\]"):
        outcomes(protocol(a="cc") + finnish)


def test_every_resample_draws_as_many_prompts_as_there_are():
    counts = resample_counts(40, 500, seed=3)
    assert counts.shape == (500, 40)
    assert np.array_equal(counts.sum(axis=1), np.full(500, 40))
    assert np.array_equal(counts, resample_counts(40, 500, seed=3))
    assert not np.array_equal(counts, resample_counts(40, 500, seed=4))
    # Each prompt is Binomial(40, 1/40): mean 1, variance 39/40.
    assert abs(counts.var() - 39 / 40) < 0.05


def test_means_equal_an_explicit_loop_over_drawn_prompts_also_where_prompts_are_missing():
    values = some_outcomes()
    values[::7, 1] = np.nan
    counts = resample_counts(len(values), 200, seed=1)
    found = bootstrap_means(values, counts)
    for row, held in enumerate(counts.astype(int)):
        drawn = values[np.repeat(np.arange(len(values)), held)]
        np.testing.assert_allclose(found.replicates[row], np.nanmean(drawn, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.value, np.nanmean(values, axis=0), rtol=1e-6)


def test_intervals_agree_with_scipy():
    values = some_outcomes()
    found = bootstrap_means(values, resample_counts(len(values), 20_000, seed=2))
    low, high = interval(found.replicates)
    for column in range(values.shape[1]):
        expected = scipy.stats.bootstrap(
            (values[:, column],), np.mean, n_resamples=20_000, method="percentile", rng=0
        ).confidence_interval
        assert abs(low[column] - expected.low) < 0.6
        assert abs(high[column] - expected.high) < 0.6


def test_differences_are_paired():
    values = some_outcomes(columns=1)
    shifted = np.concatenate([values, np.roll(values, 1, axis=0), values - 10], axis=1)
    found = bootstrap_means(shifted, resample_counts(len(values), 2000))
    same_prompts, other_prompts = found[0] - found[2], found[0] - found[1]
    assert np.allclose(same_prompts.replicates, 10, atol=1e-3)
    assert other_prompts.replicates.std() > 1
    assert same_prompts.value == pytest.approx(10)


def test_a_mean_over_languages_uses_one_resample_for_all():
    values = some_outcomes()
    found = bootstrap_means(values, resample_counts(len(values), 500))
    together = bootstrap_means(values.mean(axis=1, keepdims=True), resample_counts(60, 500))
    mean = mean_of(found[column] for column in range(3))
    np.testing.assert_allclose(mean.replicates, together.replicates[:, 0], rtol=1e-5)
    assert mean.value == pytest.approx(values.mean())


def test_a_column_without_prompts_has_neither_score_nor_interval_nor_p():
    values = some_outcomes(columns=2)
    values[:, 1] = np.nan
    values[1:, 0] = np.nan
    found = bootstrap_means(values, resample_counts(len(values), 300))
    assert np.isnan(dataclasses.astuple(found[1].estimate())).all()
    one_prompt = found[0].estimate()
    assert np.isnan(found[0].replicates).any(), "some resamples miss the only prompt"
    assert one_prompt.value == one_prompt.low == one_prompt.high == values[0, 0]


def test_p_is_small_exactly_where_the_interval_leaves_50_out():
    rng = np.random.default_rng(0)
    for shift in (0.0, 1.9, 2.02, -1.9, -2.02, 8.0):
        replicates = 50 + shift + rng.standard_normal(20_000)
        low, high = interval(replicates)
        assert (p_value(replicates) < 0.05) == (not low < 50 < high)
        normal = 2 * scipy.stats.norm.sf(abs(shift))
        assert p_value(replicates) == pytest.approx(normal, abs=0.02)


def test_p_is_never_zero_and_a_constant_50_cannot_be_rejected():
    assert p_value(np.full(999, 80.0)) == 2 / 1000
    assert p_value(np.full(999, 50.0)) == 1
    assert Bootstrap(np.array(50.0), np.full(9, 50.0)).estimate().p == 1


def test_holm_equals_the_hand_computed_example():
    # Sorted .01 .013 .014 .19 .5 times 5 4 3 2 1 = .05 .052 .042 .38 .5, made monotone.
    found = holm([0.19, 0.013, np.nan, 0.014, 0.01, 0.5])
    np.testing.assert_allclose(found, [0.38, 0.052, np.nan, 0.052, 0.05, 0.5])


def test_holm_rejects_what_the_step_down_procedure_rejects():
    rng = np.random.default_rng(1)
    for _ in range(50):
        p = rng.random(12) ** 4
        rejected = np.zeros(12, bool)
        for step, place in enumerate(np.argsort(p)):
            if p[place] > 0.05 / (12 - step):
                break
            rejected[place] = True
        assert np.array_equal(holm(p) <= 0.05, rejected)
    assert holm([0.9, 0.8]).max() <= 1
    assert holm([]).size == 0
