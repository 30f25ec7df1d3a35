"""Draws of a tuning set: what a draw changes, and what several tell that one cannot."""

import csv
import dataclasses
import gc
import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
from small import small_study

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Mean, mean_of, means_over_prompts
from pinch_jax.judge.records import Verdict
from pinch_jax.study.analysis import analyse
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.registry import means_of
from pinch_jax.study.experiments.sweep import with_sweeps
from pinch_jax.study.outcomes import ALL_TASKS
from pinch_jax.study.plan import plan_study
from pinch_jax.study.reading import read_results
from pinch_jax.study.records import read_study
from pinch_jax.study.runner import run_study
from pinch_jax.study.variance import components


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = tiny.get_config()
    small_study(config)
    config.languages = ("en", "fi", "it")
    config.corpus.data_dir = str(tmp_path_factory.mktemp("corpora"))
    config.mixture.examples = 24
    config.train.epochs = 1
    config.evaluate.prompts = 6
    config.evaluate.rows = 8
    config.evaluate.loss_prompts = 2
    config.study.monolingual_languages = ("en", "fi")
    return with_sweeps(from_config_dict(config), ["pinch:0,25,50"])


def drawn(config, draws, workdir):
    study = dataclasses.replace(config.study, draws=draws)
    return plan_study(dataclasses.replace(config, study=study), workdir, progress=False)


@pytest.fixture(scope="module")
def studies(config, tmp_path_factory):
    """A finished study of one draw, which then goes on to two in its work directory."""
    workdir = tmp_path_factory.mktemp("study")
    one = drawn(config, 1, workdir)
    assert run_study(one, progress=False)
    before = analyse(workdir)
    done = {path: path.stat().st_mtime_ns for path in workdir.glob("runs/*/model/*")}
    two = drawn(config, 2, workdir)
    assert run_study(two, progress=False)
    assert done == {path: path.stat().st_mtime_ns for path in done}
    return one, before, two, analyse(workdir)


def examples(run, language):
    """Return the ids of a run's examples in a language, by step."""
    steps = [run.plan.examples_at(step) for step in range(run.steps)]
    return [id for step in steps for code, id in step if code == language]


def test_the_first_draw_is_the_study_of_one_and_the_others_have_other_examples(studies):
    one, _, two, _ = studies
    assert one.arms == two.arms
    for spec, runs in two.runs.items():
        assert runs[0].directory == one.runs[spec][0].directory
        assert len({run.directory for run in runs}) == 2
        assert len({run.steps for run in runs}) == 1
        code = "fi" if spec == "monolingual:fi" else "en"
        sets = [frozenset(examples(run, code)) for run in runs]
        assert len(set(sets)) == 2 and len({len(ids) for ids in sets}) == 1
    assert two.languages.items() >= one.languages.items()


def test_within_each_draw_arms_are_nested(studies):
    _, _, two, _ = studies
    for small, large in zip(two.runs["pinch:25"], two.runs["pinch:50"], strict=True):
        for code in ("fi", "it"):
            assert set(examples(small, code)) < set(examples(large, code))
        assert set(examples(large, "en")) < set(examples(small, "en"))


def test_the_untuned_model_is_one_run_in_all_draws(config, tmp_path):
    study = drawn(with_sweeps(config, ["pinch:0,25@pretrained"]), 3, tmp_path)
    assert len({run.directory for run in study.runs[PRETRAINED]}) == 1
    assert len(study.distinct) == 1 + 2 * 3


def test_a_score_is_the_mean_of_its_draws_recomputed_from_the_files(studies):
    _, before, two, after = studies
    with (two.workdir / "draws.csv").open(encoding="utf-8", newline="") as file:
        held = list(csv.DictReader(file))
    assert {row["draw"] for row in held} == {"0", "1"}
    for old, new in zip(before.scores, after.scores, strict=True):
        place = ("experiment", "spec", "language", "run")
        assert [getattr(old, n) for n in place] == [getattr(new, n) for n in place]
        own = [r for r in held if (r["spec"], r["language"]) == (new.spec, new.language)]
        scores = [float(row["score"]) for row in own]
        assert len(scores) == new.draws == 2 and old.draws == 1
        assert scores[0] == pytest.approx(old.score.value, abs=1e-3)
        assert np.mean(scores) == pytest.approx(new.score.value, abs=1e-3), "six digits in the file"
        if new.language == "fi" and new.wins == new.wins:
            assert new.wins + new.ties + new.losses == 2 * new.prompts
            assert new.score.value == pytest.approx(
                100 * (new.wins + new.ties / 2) / (2 * new.prompts)
            )
    assert not before.draws and not before.variance


def test_analysis_keeps_one_mean_a_score_one_file_of_verdicts_and_each_text_once(studies):
    """Where there are many draws, prompts and sets, it took several times the memory."""
    workdir, alive = studies[2].workdir, []

    def alive_now(kind):
        return {id(one) for one in gc.get_objects() if type(one) is kind}

    def watched(*arm):
        alive.append(len(alive_now(Verdict)))
        return means_of(*arm)

    others, verdicts = alive_now(Mean), len(alive_now(Verdict))
    results = read_results(workdir, read_study(workdir), watched)
    held = alive_now(Mean) - others
    assert held and held <= {id(entry.score) for entry in results.scored}
    assert max(alive) - verdicts <= 2 * len(results.prompts)
    asked = [one.records for (_, code), one in results.answers.items() if code == "fi"]
    assert len(asked) > 2
    for identity in results.prompts:
        assert len({id(records[identity]["prompt"]) for records in asked}) == 1


def test_outcomes_are_over_all_draws_and_each_draw_has_its_own(studies):
    _, before, two, after = studies
    alone = {(row.run, row.language, row.task): row.right.value for row in before.outcomes}
    together = [row for row in after.outcomes if not row.draw]
    assert {(row.run, row.language, row.task) for row in together} == alone.keys()
    for row in together:
        runs = next(runs for runs in two.runs.values() if runs[0].directory.name == row.run)
        own = [
            other.right.value
            for other in after.outcomes
            if other.draw and other.run in {run.directory.name for run in runs}
            if (other.language, other.task) == (row.language, row.task)
        ]
        if row.task != ALL_TASKS:
            assert not own
            continue
        assert len(own) == 2 and own[0] == pytest.approx(alone[row.run, row.language, row.task])
        assert row.right.value == pytest.approx(np.mean(own))


def test_two_sets_that_are_one_in_the_first_draw_alone_are_refused(config, tmp_path):
    mixture = dataclasses.replace(config.mixture, examples=20)
    tie = dataclasses.replace(config, mixture=mixture, seed=3)
    tie = with_sweeps(tie, ["pinch:10,n2"])
    assert len({run.directory for run in drawn(tie, 1, tmp_path).distinct}) == 3, "one pinch"
    with pytest.raises(UserError, match="'pinch:10' and 'pinch:n2' are the same tuning set in"):
        drawn(tie, 2, tmp_path)


def test_means_of_others_leave_out_what_any_draw_or_a_recipe_is_tuned_on():
    codes = ("en", "fi", "it", "ru")
    runs = {
        "first": {"en": 9, "fi": 1},
        "second": {"en": 9, "it": 1},
        "made": {"translation-en-ru": 9},
    }
    arms = [
        {"experiment": "mine", "run": drawn[0], "draws": [{"run": run} for run in drawn]}
        | {"baseline_runs": dict.fromkeys(codes, "own")}
        for drawn in (("first", "second"), ("made", "made"))
    ]
    study = {"base": "en", "languages": codes, "experiments": (), "sweeps": ["mine"], "arms": arms}
    study["runs"] = {run: {"examples": held} for run, held in runs.items()}
    assert [means_of(study, arm)["mean_other"] for arm in arms] == [["ru"], ["fi", "it"]]


def test_no_draw_is_refused(config):
    fields = dataclasses.asdict(config) | {"study": dataclasses.asdict(config.study)}
    fields["study"] |= {"draws": 0, "sweeps": ()}
    with pytest.raises(UserError, match=r"config\.study\.draws=0"):
        from_config_dict(fields | {"study": fields["study"] | {"experiments": ("monolingual",)}})


def made_up(rng, draws, languages, by_draws, score):
    """Return values [draw, prompt, language]: how good a draw is moves all of its languages."""
    shape = draws, 96, languages
    draw, prompt = rng.standard_normal((draws, 1, 1)), rng.standard_normal((1, 96, 1))
    rest = np.sqrt(0.7 - by_draws) * rng.standard_normal(shape)
    place = scipy.special.ndtr(np.sqrt(by_draws) * draw + np.sqrt(0.3) * prompt + rest)
    return np.where(place < score - 0.05, 100.0, np.where(place < score + 0.05, 50.0, 0.0))


@pytest.mark.parametrize("draws", [3, 5])
@pytest.mark.parametrize("by_draws", [0.0, 0.02, 0.2])
def test_an_interval_holds_the_truth_whatever_part_of_the_variance_is_draws(draws, by_draws):
    rng, studies = np.random.default_rng(draws), 600
    held, widths = 0, []
    for _ in range(studies):
        found = mean_of(means_over_prompts(made_up(rng, draws, 4, by_draws, 0.5))).estimate()
        held += found.low <= 50 <= found.high
        widths.append(found.high - found.low)
    # Three standard errors of a share of 600 below 95.
    assert held / studies > 0.95 - 3 * np.sqrt(0.95 * 0.05 / studies)
    if by_draws == 0.0:  # what nothing varies with is worth no wide interval
        alone = mean_of(means_over_prompts(made_up(rng, 1, 4, 0.0, 0.5))).estimate()
        assert np.median(widths) < 1.2 * (alone.high - alone.low)


@pytest.mark.parametrize("draws", [2, 3, 5, 10])
@pytest.mark.parametrize("errors", [0.5, 3.0, 8.0, 30.0])
def test_p_of_few_draws_is_students_however_small_it_is(draws, errors):
    apart = np.linspace(-0.1, 0.1, draws)
    error = np.sqrt(np.var(apart, ddof=1) / draws)
    # Nothing varies with prompts, and so many of them say so.
    found = Mean(50 + errors * error, np.zeros((draws, 1)), 50 + errors * error + apart, 1e9)
    expected = 2 * scipy.stats.t.sf(errors, draws - 1)
    assert found.estimate().p == pytest.approx(expected, rel=0.03)


def test_p_of_three_draws_that_lie_close_by_chance_is_not_small_for_it():
    rng, shape = np.random.default_rng(0), (3, 96, 2000)
    draw, prompt = rng.standard_normal((3, 1, 2000)), rng.standard_normal((1, 96, 2000))
    place = np.sqrt(0.3) * (draw + prompt) + np.sqrt(0.4) * rng.standard_normal(shape)
    found = [even.estimate() for even in means_over_prompts(np.where(place < 0, 100.0, 0.0))]
    p = np.array([one.p for one in found])
    assert 70 < np.sum(p < 0.05) < 130
    # Two are expected; there were 11 while Student's tail had the weight of the variance.
    assert np.sum(p < 0.001) < 7
    assert all((one.p < 0.05) == (not one.low <= 50 <= one.high) for one in found)


def test_a_difference_of_paired_draws_is_told_where_the_scores_alone_are_not():
    rng = np.random.default_rng(0)
    first = made_up(rng, 3, 4, 0.2, 0.5)
    worse = np.where(rng.random(first.shape) < 0.2, 0.0, first)
    one, other = (mean_of(means_over_prompts(values)) for values in (first, worse))
    scores, difference = [mean.estimate() for mean in (one, other)], (one - other).estimate()
    assert scores[0].low < scores[1].high, "each score is uncertain, for its draws lie apart"
    assert difference.low > 0
    unpaired = mean_of(means_over_prompts(np.roll(worse, 1, axis=0)))
    assert (one - unpaired).estimate().low < 0


def test_the_parts_of_the_variance_are_those_that_were_put_in():
    rng, sd = np.random.default_rng(1), 6.0
    found, held = [], 0
    for _ in range(300):
        draw, prompt = sd * rng.standard_normal((5, 1)), 20 * rng.standard_normal((1, 200))
        values = 50 + draw + prompt + 10 * rng.standard_normal((5, 200))
        parts = components(means_over_prompts(values[:, :, None])[0])
        found.append((parts.draw.value, parts.prompt, parts.both))
        held += parts.draw.low <= sd**2 <= parts.draw.high
    assert np.mean(found, axis=0) == pytest.approx((sd**2, 20**2 / 200, 10**2 / 200), rel=0.12)
    assert held / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)
    silent = means_over_prompts(np.concatenate([values, np.full((3, 200), np.nan)])[:, :, None])[0]
    assert components(silent).draw.numbers == pytest.approx(parts.draw.numbers)
    heard = means_over_prompts(values[:, :, None])[0]
    assert silent.draw_variance == pytest.approx(heard.draw_variance)


def test_several_draws_of_which_one_alone_has_a_value_have_no_interval():
    values = made_up(np.random.default_rng(3), 3, 2, 0.3, 0.5)
    whole = means_over_prompts(values)
    # Each language is told in two draws, and both in one.
    values[0, :, 0] = values[1, :, 1] = np.nan
    parts = means_over_prompts(values)
    assert all(np.isfinite(part.estimate().numbers).all() for part in parts)
    for silent in (mean_of(parts), parts[0] - parts[1], mean_of(parts) - mean_of(whole)):
        assert np.isnan(silent.estimate().numbers).all()
    values[1, :, 0] = np.nan
    one = means_over_prompts(values)[0]
    assert np.isnan(one.estimate().numbers).all()
    assert np.isfinite(one.over_prompts().estimate().numbers).all(), "one draw was not asked to"


def test_more_draws_need_fewer_prompts_and_few_draws_may_never_do():
    rng = np.random.default_rng(2)
    draw, prompt = np.array([[-3.0], [-1.0], [1.0], [3.0]]), 10 * rng.standard_normal((1, 200))
    values = 50 + draw + prompt + 10 * rng.standard_normal((4, 200))
    parts = components(means_over_prompts(values[:, :, None])[0])
    needed = [parts.prompts_needed(draws) for draws in (3, 10, 20, 40)]
    assert needed[0] == float("inf")
    assert all(a > b for a, b in itertools.pairwise(needed[1:]))
