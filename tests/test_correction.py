"""Scores without a judge's errors: unbiased, honest about what is not known, silent by chance."""

import math

import numpy as np
import pytest
import scipy.optimize

from pinch_jax.evaluate.intervals import NOTHING, Estimate, means_over_prompts
from pinch_jax.judge.correction import corrected, tells, with_decided
from pinch_jax.study.comparisons import Comparison, Judged, Results, Scored
from pinch_jax.study.judges import _corrected


def scores(rng, quality, right, place):
    """Return discounted scores of a judge that errs, and prefers a place, on each pair."""
    chance = np.select([quality == 1, quality == 0], [right, 1 - right], 0.5)
    named = [rng.random(quality.shape) < chance + order for order in (place, -place)]
    return 100 * np.mean(named, axis=0)


@pytest.mark.parametrize("place", [0.0, 0.2])
def test_the_correction_takes_the_errors_out_whatever_ties_and_places(place):
    rng = np.random.default_rng(0)
    # 55 % better, 15 % equal: the true score is 62.5.
    quality = rng.choice([1, 0.5, 0], size=(400, 300), p=[0.55, 0.15, 0.3])
    found, held = [], 0
    for judged, known in zip(
        scores(rng, quality, 0.75, place),
        scores(rng, np.ones((400, 300)), 0.75, place),
        strict=True,
    ):
        score, agreement = means_over_prompts(np.stack([judged, known], axis=1))
        right = agreement.estimate()
        kappa = Estimate(*(end / 50 - 1 for end in (right.value, right.low, right.high)))
        told = corrected(score.estimate(), kappa)
        found.append((score.value, told.value))
        held += told.low <= 62.5 <= told.high
    plain, right = np.mean(found, axis=0)
    assert plain == pytest.approx(50 + 12.5 / 2, abs=0.3)
    assert right == pytest.approx(62.5, abs=0.5)
    assert 0.925 < held / 400 < 0.98


@pytest.mark.parametrize("score", [(70, 62, 77), (55, 48, 63), (50, 40, 60), (44, 41, 49)])
@pytest.mark.parametrize("kappa", [(0.8, 0.7, 0.88), (0.6, 0.2, 0.9), (1.0, 0.9, 1.0)])
def test_the_ends_are_where_the_score_and_kappa_just_agree(score, kappa):
    told = corrected(Estimate(*score, p=0.04), Estimate(*kappa))

    def gap(ratio, sign):
        """Return how far score - ratio kappa is from 0, beyond the end of its interval."""
        far = sign * (score[0] - 50)
        reach = score[2] - score[0] if sign == 1 else score[0] - score[1]
        slack = kappa[0] - (kappa[1] if ratio > 0 else kappa[2])
        return far - ratio * kappa[0] + np.hypot(reach, ratio * slack)

    high = 50 + scipy.optimize.brentq(gap, -500, 5000, args=(1,))
    low = 50 - scipy.optimize.brentq(gap, -500, 5000, args=(-1,))
    assert told.value == pytest.approx(50 + (score[0] - 50) / kappa[0])
    assert (told.low, told.high) == pytest.approx((max(low, 0), min(high, 100)))
    assert told.p == 0.04 and (told.low <= 50 <= told.high) == (score[1] <= 50 <= score[2])
    turned = corrected(
        Estimate(*(100 - end for end in (score[0], score[2], score[1]))), Estimate(*kappa)
    )
    assert (turned.value, turned.low) == pytest.approx((100 - told.value, 100 - told.high))


def test_nothing_is_said_by_chance_or_of_a_score_that_cannot_be():
    score = Estimate(70.0, 65.0, 75.0)
    for kappa in (Estimate(0.1, -0.1, 0.3), Estimate(-0.5, -0.6, -0.4), NOTHING):
        assert not tells(kappa) and np.isnan(corrected(score, kappa).value)
    assert np.isnan(corrected(NOTHING, Estimate(0.8, 0.7, 0.9)).value)
    # With kappa at 0.2 no score is above 60.
    assert np.isnan(corrected(Estimate(90.0, 85.0, 94.0), Estimate(0.2, 0.1, 0.3)).value)
    assert np.isnan(corrected(Estimate(10.0, 6.0, 15.0), Estimate(0.2, 0.1, 0.3)).value)
    even = corrected(Estimate(50.0, 50.0, 50.0), Estimate(0.8, 0.7, 0.9))
    assert (even.value, even.low, even.high) == (50, 50, 50), "nothing but ties"
    perfect = Estimate(1.0, 1.0, 1.0)
    told = corrected(score, perfect)
    assert (told.value, told.low, told.high) == pytest.approx((70, 65, 75))


def test_what_language_decided_stands_beside_what_is_corrected():
    rng = np.random.default_rng(5)
    prompts, held = 200, 0
    for _ in range(600):
        decided = rng.random(prompts) < 0.5
        won = 100.0 * (rng.random(prompts) < np.where(decided, 0.95, 0.2))
        parts = [won[~decided], won[decided]]
        judged, by_language = (means_over_prompts(part[:, None])[0].estimate() for part in parts)
        told = with_decided(judged, by_language, decided.mean(), prompts)
        assert told.value == pytest.approx(won.mean())
        held += told.low <= 57.5 <= told.high
    assert 0.92 < held / 600 < 0.97
    assert with_decided(judged, NOTHING, 0.0, 9) is judged
    assert np.isnan(with_decided(NOTHING, by_language, 0.5, 9).value)
    unequal = with_decided(Estimate(50.0, 40.0, 60.0), Estimate(100.0, 100.0, 100.0), 0.2, 10**9)
    assert (unequal.value, unequal.low, unequal.high) == pytest.approx((60, 52, 68), abs=1e-3)
    low = with_decided(Estimate(1.0, 0.0, 4.0), Estimate(60.0, 40.0, 80.0), 0.02, 4)
    high = with_decided(Estimate(99.0, 96.0, 100.0), Estimate(40.0, 20.0, 60.0), 0.02, 4)
    assert (low.low, high.high) == (0, 100)


def test_a_corrected_mean_takes_each_draw_and_each_language_as_its_score_does():
    """Draws differ in how much language decided, languages in kappa, and a run meets itself."""
    prompts = tuple(map(str, range(40)))
    rng, names = np.random.default_rng(0), {code: f"base-{code}" for code in ("en", "fi")}
    draws = [{"run": f"run-{d}", "baseline_runs": names | {"it": f"run-{d}"}} for d in (0, 1)]
    arm, outcomes, decided, expected = {"draws": draws}, {}, {}, {"it": 50.0}
    kappas = {"en": 0.9, "fi": 0.5, "it": 0.7, "all": 0.8}
    for code in names:
        means = []
        for draw, count in zip(draws, (4, 30), strict=True):
            pair = Comparison(draw["run"], names[code], code)
            values = rng.choice([0.0, 0.5, 0.5, 1.0], 40) * (np.arange(40) >= count)
            outcomes[pair] = dict(zip(prompts, values.tolist(), strict=True))
            decided[pair] = frozenset(prompts[:count])
            fair = 50 + (100 * values - 50) / kappas[code]
            means.append(np.where(np.arange(40) < count, 0, fair).mean())
        expected[code] = np.mean(means)
    kappas = {x: {"kappa": {"value": k, "low": k - 0.1, "high": k}} for x, k in kappas.items()}
    results = Results({}, {}, prompts, {}, {"model": Judged([], outcomes, decided)})

    def told(language, *codes):
        entry = Scored(arm | {"baseline_runs": names}, language, *[None] * 3, 40, (1.0,), codes)
        judge = {"as": "model", "certificate": {"languages": kappas}}
        return _corrected(results, judge, entry)

    assert told("fi", "fi").value == pytest.approx(expected["fi"])
    # Of one language its mean is the same, and not corrected by what the judge is elsewhere.
    assert told("mean_other", "fi").numbers == told("fi", "fi").numbers
    assert told("mean", "en", "fi", "it").value == pytest.approx(np.mean([*expected.values()]))
    outcomes.update({pair: {} for pair in outcomes if pair.language == "fi"})
    assert math.isnan(told("mean", "en", "fi").value), "over less than its score is"
