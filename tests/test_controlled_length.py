"""Win rates at equal length: what length adds is taken off, and nothing else."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from pinch_jax.evaluate.intervals import known, mean_of, means_over_prompts
from pinch_jax.judge.length import length_controlled, length_of, usual_tokens
from pinch_jax.judge.logistic import fit_logistic
from pinch_jax.study.comparisons import Answers, Comparison, Judged, Results, Scored
from pinch_jax.study.judges import _length_controlled, _lengths


def drawn(rng, prompts, levels, slope):
    """Return values (win, tie, loss) and differences of candidates that are mostly longer."""
    apart = 0.5 + rng.standard_t(3, (prompts, len(levels)))
    chance = scipy.special.expit(np.array(levels) + slope * np.tanh(apart / np.std(apart)))
    return 100 * np.mean(rng.random((2, *apart.shape)) < chance, axis=0), apart


@pytest.mark.parametrize("slope", [0.0, 1.5])
def test_a_bias_for_length_is_removed_and_without_one_nothing_changes(slope):
    rng = np.random.default_rng(0)
    levels = [0.0, 1.0, -1.0]
    truth = 100 * scipy.special.expit(levels)
    plain, controlled, held = [], [], 0
    for _ in range(150):
        values, apart = drawn(rng, 200, levels, slope)
        means = length_controlled(values, apart)
        plain.append(values.mean(axis=0))
        controlled.append([mean.value for mean in means])
        ends = [mean.estimate() for mean in means]
        held += sum(e.low <= t <= e.high for e, t in zip(ends, truth, strict=True))
    assert np.mean(controlled, axis=0) == pytest.approx(truth, abs=1.2)
    assert 0.92 < held / 450 < 0.985
    off = np.mean(plain, axis=0) - truth
    assert (off > 2.5).all() if slope else (abs(off) < 1).all()


def test_influences_are_those_of_leaving_a_prompt_out():
    values, apart = drawn(np.random.default_rng(2), 60, [0.5, -0.5], 1.0)
    values[:5, 1] = np.nan
    means = length_controlled(values, apart)
    assert [mean.prompts for mean in means] == [60, 55]
    left = [
        [mean.value for mean in length_controlled(np.delete(values, p, 0), np.delete(apart, p, 0))]
        for p in range(60)
    ]
    for column, mean in enumerate(means):
        moved = mean.value - np.array(left)[:, column]
        assert np.corrcoef(moved, mean.over_draws)[0, 1] > 0.99
        assert np.sum(moved**2) == pytest.approx(np.sum(mean.over_draws**2), rel=0.15)
        assert mean.inflation == pytest.approx(1, abs=0.3) and mean.inflation > 1


def test_without_differences_it_is_the_plain_mean_draw_by_draw():
    rng = np.random.default_rng(3)
    values = rng.choice([0.0, 50.0, 100.0], (2, 80, 3))
    values[:, :, 2] = [[100.0], [0.0]]  # one draw wins all of a language, and the other nothing
    values[1, :9, 0] = np.nan
    plain, found = means_over_prompts(values), length_controlled(values, np.zeros(values.shape))
    for one, other in zip(found, plain, strict=True):
        assert one.value == pytest.approx(other.value)
        np.testing.assert_allclose(one.influence, other.influence, atol=1e-9)
        np.testing.assert_allclose(one.draws, other.draws)
        assert one.prompts == other.prompts
    same = mean_of(found).estimate()
    assert (same.low, same.high) == pytest.approx(
        (mean_of(plain).estimate().low, mean_of(plain).estimate().high)
    )
    nothing = length_controlled(np.full((4, 1), np.nan), np.zeros((4, 1)))[0]
    assert np.isnan(nothing.value) and np.isnan(nothing.estimate().low)


def test_the_fit_is_the_maximum_of_the_penalised_likelihood():
    rng = np.random.default_rng(4)
    inputs, outcomes = rng.standard_normal((90, 3)), rng.choice([0, 0.5, 1], 90)
    spread = np.array([np.inf, 2.5, 0.5])

    def loss(at):
        odds = inputs @ at
        return np.sum(np.logaddexp(0, odds) - outcomes * odds) + np.sum((at / spread) ** 2) / 2

    found, influence, added = fit_logistic(inputs, outcomes, spread)
    np.testing.assert_allclose(found, scipy.optimize.minimize(loss, np.zeros(3)).x, atol=1e-4)
    assert influence.shape == (90, 3) and (added > 0).all()
    # What tells the outcomes without a fault has a coefficient all the same.
    sure, _, _ = fit_logistic(np.sign(inputs[:, :1]), inputs[:, 0] > 0, np.array([2.5]))
    assert 2 < sure[0] < 9


class Letters:
    """Every character is a token."""

    def spans(self, text):
        return [(place, place + 1) for place in range(len(text))]


def test_lengths_are_those_of_the_language():
    usual = usual_tokens({"en": ["four", "letters"], "zh": ["四", "信"]}, Letters())
    assert usual == {"en": 5.5, "zh": 1.0}
    longer = [("ab", "ab" + "c" * 11, "en"), ("二", "二三四", "zh")]
    for baseline, candidate, code in longer:
        lengths = [length_of(text, usual[code], Letters()) for text in (baseline, candidate)]
        assert lengths[1] - lengths[0] == pytest.approx(2)


def test_a_cross_lingual_prompt_tells_no_length_of_a_text_in_the_language_of_its_answer():
    said = {"prompt": "an English prompt", "response": "二三四", "reference": "四信"}
    answers = {("run", "zh"): Answers({"a": said | {"task": "crosslingual/currency"}}, {})}
    results = Results({}, answers, ("a",), {}, {})
    assert _lengths(results, Letters()) == {("run", "zh"): {"a": 1.5}}


def test_a_mean_at_equal_lengths_has_50_where_a_run_meets_itself_as_its_score_has():
    prompts, fi = tuple(map(str, range(8))), Comparison("run", "base", "fi")
    arm = {"baseline_runs": {"en": "run", "fi": "base"}, "run": "run"}
    won = dict(zip(prompts, [1.0] * 5 + [0.0] * 3, strict=True))
    lengths = {(run, "fi"): dict.fromkeys(prompts, 1.0) for run in ("run", "base")}
    even = [known(50.0, 8)] * 3
    itself, cell = (
        Scored(arm, *told, 8, values, told[:1])
        for told, values in ((("en", *even), ()), (("fi", *even), (1.0,)))
    )
    mean = dataclasses.replace(cell, language="mean", languages=("en", "fi"))
    judged = Judged([itself, cell, mean], {fi: won}, {fi: frozenset()})
    fair = _length_controlled(Results({}, {}, prompts, {}, {"model": judged}), "model", lengths)
    assert fair[id(cell)].value == pytest.approx(62.5)
    assert fair[id(mean)].value == pytest.approx(56.25)


def test_a_comparison_has_one_number_at_equal_lengths_in_whatever_experiment():
    prompts, random = tuple(map(str, range(40))), np.random.default_rng(0)
    arm = {"baseline_runs": {"en": "base", "fi": "base"}, "run": "run"}
    pairs = [Comparison("run", "base", code) for code in ("en", "fi")]
    apart = random.normal(size=(2, 40))
    won = [
        dict(zip(prompts, (random.random(40) < 1 / (1 + np.exp(-side * row))) * 1.0, strict=True))
        for side, row in zip((3, -1), apart, strict=True)
    ]
    lengths = {("base", code): dict.fromkeys(prompts, 0.0) for code in ("en", "fi")}
    for code, row in zip(("en", "fi"), apart, strict=True):
        lengths["run", code] = dict(zip(prompts, row, strict=True))

    def scored(experiment, code):
        return Scored(
            arm | {"experiment": experiment}, code, *[known(50.0, 40)] * 3, 40, (1.0,), (code,)
        )

    entries = [scored("both", "en"), scored("both", "fi"), scored("one", "en")]
    judged = Judged(entries, dict(zip(pairs, won, strict=True)), {})
    fair = _length_controlled(Results({}, {}, prompts, {}, {"model": judged}), "model", lengths)
    both, _, one = (fair[id(entry)].value for entry in entries)
    assert both == one
    judged = Judged(entries[2:], judged.outcomes, {})
    alone = _length_controlled(Results({}, {}, prompts, {}, {"model": judged}), "model", lengths)
    assert abs(alone[id(entries[2])].value - one) > 0.1, "the slope is shared"
