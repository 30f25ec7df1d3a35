"""Scores and their statistics against hand-made verdicts and independent computations."""

import dataclasses
import re

import numpy as np
import pytest

from pinch_jax.evaluate.intervals import means_over_prompts
from pinch_jax.judge.records import Verdict
from pinch_jax.judge.scores import (
    flip_rate,
    gives_odds,
    holm,
    outcomes,
    score_summary,
    win_probabilities,
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


def test_win_tie_and_loss_follow_from_both_orders():
    found = outcomes(protocol(win="cc", tie="bc", other_tie="cb", loss="bb"))
    assert found == {"win": 1.0, "tie": 0.5, "other_tie": 0.5, "loss": 0.0}


def test_the_score_discounts_ties_and_flips_are_the_ties():
    held = protocol(a="cc", b="cc", c="bc", d="bb")
    assert told(held)[0] == 100 * (1 + 1 + 0.5 + 0) / 4
    assert flip_rate(outcomes(held).values()) == 1 / 4
    finnish = [dataclasses.replace(verdict, language="fi") for verdict in protocol(a="bb")]
    assert told(held + finnish)[0] == 100 * (1 + 1 + 0.5 + 0 + 0) / 5


def test_a_model_against_itself_scores_50_with_any_judge():
    assert told(protocol(a="bc", b="bc"))[0] == 50, "always the first"
    assert told(protocol(a="cb", b="cb"))[0] == 50, "always the second"


def test_a_prompt_without_a_verdict_in_both_orders_has_no_outcome():
    held = protocol(a="cc", b="bb")
    assert outcomes(held[:3]) == {"a": 1.0}
    assert score_summary(held[:3], 2).endswith(
        "] % of 1 prompts; no verdict on 1 prompts, which another call asks again"
    )
    assert score_summary([], 2).startswith("no score")
    for others, said in (("small-1", False), ("small-2", True)):
        by = [dataclasses.replace(held[0], model="small-1")]
        by += [dataclasses.replace(one, model=others) for one in held[1:]]
        assert ("; several models answered: small-1; small-2" in score_summary(by, 2)) == said


def told(verdicts):
    """Returns the score and its ends, as a line for people has them."""
    line = score_summary(verdicts, len(verdicts) // 2)
    return [float(x) for x in re.search(r": (\S+) \[(\S+), (\S+)\] %", line).groups()]


def test_the_line_for_people_has_the_interval_of_a_study_and_a_prompt_counts_once():
    held = protocol(**{f"p{n}": ("cc", "bc", "bb")[n % 3 if n < 9 else 0] for n in range(20)})
    values = 100 * np.array([[value] for value in outcomes(held).values()])
    (mean,) = means_over_prompts(values)
    assert told(held) == [round(x, 1) for x in mean.estimate().numbers]
    # The same wins in another language say nothing new where they are of the same prompts.
    finnish = [dataclasses.replace(verdict, language="fi") for verdict in held]
    assert told(held + finnish) == told(held)
    apart = [dataclasses.replace(verdict, id=f"fi-{verdict.id}") for verdict in finnish]
    score, low, high = told(held + apart)
    assert score == told(held)[0] and high - low < 0.8 * (told(held)[2] - told(held)[1])


def test_the_probability_is_the_mean_of_both_orders_and_language_decides_with_1_or_0():
    both = protocol(a="cb")  # the baseline first: the second is chosen; then the second again
    odds = [dataclasses.replace(v, log_odds=x) for v, x in zip(both, (-2.0, -0.5), strict=True)]
    expected = (1 / (1 + np.exp(-2.0)) + 1 / (1 + np.exp(0.5))) / 2
    assert win_probabilities(odds) == {"a": pytest.approx(expected)}
    gated = [dataclasses.replace(v, by="language") for v in protocol(b="cc")]
    assert win_probabilities(odds + gated) == {"a": pytest.approx(expected), "b": 1.0}
    assert gives_odds(odds + gated) and not gives_odds(gated)


def test_repeated_and_mixed_verdicts_are_errors():
    with pytest.raises(ValueError, match="'a': baseline_first comes twice"):
        outcomes(protocol(a="cc") + protocol(a="cc"))
    finnish = [dataclasses.replace(v, language="fi", id="z") for v in protocol(a="cc")]
    with pytest.raises(ValueError, match=r"\['en', 'fi'\]"):
        outcomes(protocol(a="cc") + finnish)


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
