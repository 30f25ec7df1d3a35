"""The tables and findings of small studies whose answers, and so scores, are known."""

import csv
import dataclasses
import functools
import json
import re

import numpy as np
import pytest
import scipy.stats
from made_up_study import REFERENCE

from pinch_jax.corpus.cldr.examples import examples, heldout_examples
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import NOTHING, Estimate
from pinch_jax.evaluate.outcome import classify
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.judge.verdicts import judge_files
from pinch_jax.storage.files import json_line, read_kept_lines, write_record, write_text
from pinch_jax.study.analysis import analyse, findings_of, response_shares
from pinch_jax.study.comparisons import Answers
from pinch_jax.study.config import EXPERIMENTS, GAIN
from pinch_jax.study.experiments.interface import decide
from pinch_jax.study.experiments.pretraining_share import (
    LEAST_LANGUAGES,
    PREDICTORS,
    pearson,
    share_correlation,
    unpredicted,
)
from pinch_jax.study.experiments.registry import means_of
from pinch_jax.study.experiments.slavic import RELATIONS
from pinch_jax.study.reading import read_results
from pinch_jax.study.records import read_study
from pinch_jax.study.runner import majority_answers
from pinch_jax.study.workdir import verdict_path

LANGUAGES = ("en", "fi", "it", "sw", "ru")
SLAVIC = ("ru", "sr", "hr", "sl", "cs", "sk")
PROMPTS = 40


@functools.cache
def asked(language):
    return heldout_examples(language)[:PROMPTS]


@functools.cache
def majority(language):
    return majority_answers(examples(language))


def write_run(workdir, spec, examples_in, right):
    """Write a run that answers the first `right[language]` prompts rightly, others in another."""
    for language, number in right.items():
        lines = []
        other = asked("it" if language != "it" else "fi")
        for place, example in enumerate(asked(language)):
            response = example.response if place < number else other[place].response
            named = {"prompt": example.prompt, "reference": example.response}
            named |= {"task": example.task, "answer": example.answer, "response": response}
            lines.append(json_line({"id": example.id, "language": language} | named))
        path = workdir / "runs" / spec.replace(":", "-") / "responses" / f"{language}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(lines))
    return {"spec": spec, "examples": examples_in, "budgets": examples_in}


def write_study(workdir, arms, right, tuned, shares=None, experiments=(*EXPERIMENTS, GAIN)):
    """Write a study: arms (experiment, spec, x, series, baselines), right answers, examples."""
    named = []
    for experiment, spec, x, series, baselines in arms:
        arm = {"experiment": experiment, "spec": spec, "x": x, "series": series}
        arm |= {"baselines": baselines, "run": spec.replace(":", "-")}
        arm["baseline_runs"] = {code: b.replace(":", "-") for code, b in baselines.items()}
        named.append(arm)
    runs = {
        spec.replace(":", "-"): write_run(workdir, spec, tuned.get(spec, {}), right[spec])
        for spec in right
    }
    judge = ReferenceJudge()
    for arm in named:
        for language, baseline in arm["baseline_runs"].items():
            if baseline == arm["run"]:
                continue
            files = [
                workdir / "runs" / run / "responses" / f"{language}.jsonl"
                for run in (baseline, arm["run"])
            ]
            output = verdict_path(workdir, REFERENCE, arm["run"], baseline, language)
            judge_files(judge, *files, output, progress=False)
    study = {"experiments": experiments}
    study |= {"base": "en", "arms": named, "runs": runs, "pretraining_share": shares or {}}
    study |= {"languages": LANGUAGES, "judges": [REFERENCE]}
    study |= {"seeds": {"seed": 1}}
    judged = dict.fromkeys(language for answered in right.values() for language in answered)
    study["majority_answers"] = {language: majority(language) for language in judged}
    write_record(workdir / "study.json", study)
    return study


def mono(language):
    return f"monolingual:{language}"


def own(languages):
    return {code: mono(code) for code in languages}


def table(experiment, languages, transfer, right_at_home=40):
    """Return arms, right answers and examples of a table of monolingual models."""
    arms = [(experiment, mono(code), code, "", own(languages)) for code in languages]
    right = {
        mono(a): {b: right_at_home if a == b else transfer(a, b) for b in languages}
        for a in languages
    }
    return arms, right, {mono(code): {code: 100} for code in languages}


def doses(experiment, curves, others=("fi", "it", "sw", "ru")):
    """Return arms over P, with the right answers of the English and the other languages."""
    arms, right = [], {mono(code): dict.fromkeys(LANGUAGES, 0) | {code: 30} for code in LANGUAGES}
    tuned = {mono(code): {code: 100} for code in LANGUAGES}
    for percent, (english, rest) in curves.items():
        spec = f"pinch:{percent}" if percent else mono("en")
        arms.append((experiment, spec, percent, "", own(LANGUAGES)))
        right[spec] = {"en": english} | dict.fromkeys(LANGUAGES[1:], rest)
        tuned[spec] = {"en": 100} | (dict.fromkeys(others, 5) if percent else {})
    return arms, right, tuned


def findings(workdir):
    """Return the findings alone; `analyse` makes every table beside them."""
    return findings_of(read_results(workdir, read_study(workdir), means_of))


def finding(workdir, number):
    return findings(workdir)[number - 1]


def rows(workdir, name="scores.csv"):
    with (workdir / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def monolingual(tmp_path_factory):
    """Models that transfer 0, 8, 16, 24 and 32 right answers, but nothing from it to ru."""
    workdir = tmp_path_factory.mktemp("monolingual")

    def transfer(tuned, judged):
        return 0 if (tuned, judged) == ("it", "ru") else 8 * LANGUAGES.index(tuned)

    shares = {"en": 0.1, "fi": 0.2, "it": 0.3, "sw": 0.4, "ru": 0.5}
    write_study(workdir, *table("monolingual", LANGUAGES, transfer), shares=shares)
    analyse(workdir)
    return workdir


def test_a_score_counts_the_prompts_that_only_one_of_two_models_answers(monolingual):
    held = {(row["x"], row["language"]): row for row in rows(monolingual)}
    cell = held["sw", "fi"]  # 24 right against 40: wins 0, both right or wrong alike: ties
    assert (cell["wins"], cell["ties"], cell["losses"]) == ("0", "24", "16")
    assert float(cell["score"]) == 100 * (24 * 0.5) / 40
    assert float(cell["flip_rate"]) == 24 / 40
    assert float(cell["low"]) < 30 < float(cell["high"]) < 50
    assert float(cell["p"]) <= float(cell["p_holm"])


def test_a_model_against_itself_is_50_by_construction_and_in_no_mean(monolingual):
    held = {(row["x"], row["language"]): row for row in rows(monolingual)}
    itself = held["fi", "fi"]
    assert [itself[name] for name in ("score", "low", "high")] == ["50", "50", "50"]
    assert [itself[name] for name in ("wins", "p", "p_holm")] == ["", "", ""]
    mean = held["fi", "mean_other"]
    cells = [float(held["fi", code]["score"]) for code in LANGUAGES if code != "fi"]
    assert float(mean["score"]) == pytest.approx(np.mean(cells))
    assert mean["prompts"] == str(4 * PROMPTS) and mean["p_holm"] == ""


def test_holm_counts_the_cells_of_the_table_without_its_diagonal_and_means(monolingual):
    cells = [row for row in rows(monolingual) if row["p_holm"]]
    assert len(cells) == 5 * 4
    lowest = min(float(row["p"]) for row in cells)
    # The cells of English are all alike, so the smallest p is corrected by all 20.
    assert min(float(row["p_holm"]) for row in cells) == pytest.approx(20 * lowest, rel=1e-4)


def test_scores_in_the_same_language_leave_wrong_language_responses_out(monolingual):
    held = {(row["x"], row["language"]): row for row in rows(monolingual)}
    # In the 24 prompts that both answer in Finnish, both answer rightly.
    assert float(held["sw", "fi"]["score_same_language"]) == 50
    assert held["en", "fi"]["score_same_language"] == "", "no prompt is left"
    assert held["en", "mean_other"]["score_same_language"] == ""
    assert held["it", "ru"]["score_same_language"] == ""
    mean = held["it", "mean_other"]["score_same_language"]
    assert mean == "", "over three languages it is no mean of the four"
    assert float(held["sw", "mean_other"]["score_same_language"]) == 50


def test_response_shares_and_the_chance_level(monolingual):
    held = {(row["spec"], row["language"]): row for row in rows(monolingual, "responses.csv")}
    row = held[mono("sw"), "fi"]
    assert float(row["exact_match"]) == float(row["right_language"]) == 24 / 40
    assert float(row["wrong_language"]) == 16 / 40 and float(row["echo"]) == 0
    chance = float(row["chance"])
    assert chance == np.mean([majority("fi")[e.task] == e.answer for e in asked("fi")]) > 0


def test_chance_is_that_of_the_task_where_a_recipe_makes_the_prompt():
    record = {"task": "crosslingual/currency", "answer": "Euro"}
    study = {"majority_answers": {"fi": {"currency": "Euro"}}, "runs": {"run": {"spec": "a"}}}
    assert response_shares([Answers({"a": record}, {})], "run", "fi", study).chance == 1.0


def test_the_interval_of_exact_answers_is_over_the_prompts_with_a_reference_and_over_draws():
    study = {"majority_answers": {"fi": {}}, "runs": {"run": {"spec": "a"}}}
    records = {place: {"task": "", "answer": ""} for place in range(40)}

    def shares(*counts):
        """Returns the row of draws with so many exact answers; every other prompt is open."""
        outcome = classify("?", "Kyllä.", "fi", "")
        draws = [
            {i: dataclasses.replace(outcome, exact_match=i // 2 < n if i % 2 else None) for i in of}
            for n, of in zip(counts, [range(40)] * len(counts), strict=True)
        ]
        return response_shares([Answers(records, draw) for draw in draws], "run", "fi", study)

    beta = scipy.stats.beta(5 + 0.5, 15 + 0.5)
    assert shares(5).exact.numbers == pytest.approx((25, *(100 * beta.ppf((0.025, 0.975)))))
    assert shares(5, 6, 6).exact.value == pytest.approx(100 * shares(5, 6, 6).exact_match)
    assert shares(1, 5, 9).exact.low < shares(5).exact.low, "draws that lie apart"


def test_the_majority_answer_is_the_most_frequent_of_its_task():
    held = examples("sw")
    for task, answer in majority_answers(held).items():
        given = [example.answer for example in held if example.task == task]
        assert given.count(answer) == max(given.count(other) for other in set(given))


def test_the_share_correlation_is_pearsons_r_of_the_means_with_an_interval(monolingual):
    study = json.loads((monolingual / "study.json").read_text())
    results = read_results(monolingual, study, means_of)
    found = share_correlation(results)
    means = [
        float(results.find("monolingual", "mean_other", x=c)[0].score.value) for c in LANGUAGES
    ]
    expected = np.corrcoef(list(study["pretraining_share"].values()), means)[0, 1]
    assert found.value == pytest.approx(expected)
    row = next(r for r in rows(monolingual) if r["experiment"] == "pretraining_share")
    assert float(row["low"]) <= float(row["score"]) <= float(row["high"])
    assert float(row["score"]) == pytest.approx(expected, rel=1e-5)
    # A model without a score takes nothing from the others.
    (judged,) = results.judged.values()
    scored = [
        dataclasses.replace(e, score=results.mean([{}]))
        if (e.arm["x"], e.is_mean) == ("it", True)
        else e
        for e in judged.scored
    ]
    some = dataclasses.replace(results, judged={"one": dataclasses.replace(judged, scored=scored)})
    rest = [place for place, code in enumerate(LANGUAGES) if code != "it"]
    shares = [*study["pretraining_share"].values()]
    assert share_correlation(some) == pearson(np.take(shares, rest), np.take(means, rest))


def test_r_has_fishers_interval_and_three_points_leave_it_open():
    rng = np.random.default_rng(0)
    for size in (4, 5, 12, 40):
        x = rng.random(size)
        y = x + rng.random(size)
        found, theirs = pearson(x, y), scipy.stats.pearsonr(x, y)
        ends = theirs.confidence_interval(0.95)
        assert (found.value, found.low, found.high) == pytest.approx((theirs.statistic, *ends))
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    assert dataclasses.astuple(pearson((1, 2, 3), (1, 2, 4)))[1:] == (-1, 1, 1)


def test_the_same_study_gives_the_same_files_again(monolingual):
    names = ("scores.csv", "responses.csv", "findings.json")
    before = [(monolingual / name).read_bytes() for name in names]
    analyse(monolingual)
    assert [(monolingual / name).read_bytes() for name in names] == before


def test_findings_whose_experiments_were_not_run_say_so(monolingual):
    findings = json.loads((monolingual / "findings.json").read_text())
    assert [entry["number"] for entry in findings] == list(range(1, 9))
    for number in (1, 2, 3, 4, 5, 6):
        entry = findings[number - 1]
        assert entry["verdict"] == "not run" and entry["detail"].startswith("not run")
        assert entry["value"] is entry["low"] is entry["high"] is None
    assert all(entry["rule"] and entry["claim"] for entry in findings)


@pytest.mark.parametrize(
    ("transfer", "verdict"),
    [
        ({"en": 14, "fi": 12}, "holds"),
        ({"en": 14, "fi": 7}, "cannot tell"),
        ({"en": 14, "fi": 0}, "does not hold"),
    ],
)
def test_finding_1_needs_every_model_above_the_untuned_one(tmp_path, transfer, verdict):
    arms, right, tuned = table("monolingual", LANGUAGES, lambda a, b: transfer.get(a, 20))
    against = dict.fromkeys(LANGUAGES, "pretrained")
    arms += [("pretrained", mono(code), code, "", against) for code in LANGUAGES]
    right["pretrained"] = dict.fromkeys(LANGUAGES, 6)
    write_study(tmp_path, arms, right, tuned)
    found = finding(tmp_path, 1)
    assert found.verdict == verdict
    lowest = min(transfer.values())
    assert found.value == pytest.approx(50 + 50 * (lowest - 6) / PROMPTS)


def test_finding_1_fails_by_one_model_though_the_judge_is_silent_on_another(tmp_path):
    arms, right, tuned = table("monolingual", LANGUAGES, lambda a, b: 0 if a == "en" else 20)
    against = dict.fromkeys(LANGUAGES, "pretrained")
    arms += [("pretrained", mono(code), code, "", against) for code in LANGUAGES]
    right["pretrained"] = dict.fromkeys(LANGUAGES, 6)
    write_study(tmp_path, arms, right, tuned)
    results = read_results(tmp_path, read_study(tmp_path), means_of)

    def silent_on(*models):
        (judged,) = results.judged.values()
        scored = [
            dataclasses.replace(e, score=results.mean([{}])) if e.arm["x"] in models else e
            for e in judged.scored
        ]
        judged = {"one": dataclasses.replace(judged, scored=scored)}
        return findings_of(dataclasses.replace(results, judged=judged))[0]

    found = silent_on("fi")
    assert found.verdict == "does not hold"
    assert found.value == pytest.approx(50 - 50 * 6 / PROMPTS)
    assert found.unit.endswith("(5 of them, 1 without a number)")
    assert silent_on("en").verdict == "cannot tell", "the others are above"
    assert silent_on(*LANGUAGES).value is None


@pytest.mark.parametrize(
    ("curves", "verdict"),
    [
        ({0: (30, 0), 1: (29, 15)}, "holds"),
        ({0: (30, 10), 1: (30, 2)}, "does not hold"),
        ({0: (30, 5), 1: (30, 6)}, "cannot tell"),
        ({0: (40, 0), 1: (30, 11)}, "cannot tell"),
        # The others rise, but English loses more than they gain.
        ({0: (40, 0), 1: (10, 10)}, "does not hold"),
    ],
)
def test_finding_2_needs_a_rise_above_what_english_loses(tmp_path, curves, verdict):
    write_study(tmp_path, *doses("pinch", curves))
    found = finding(tmp_path, 2)
    assert found.verdict == verdict
    assert found.value == pytest.approx(50 * (curves[1][1] - curves[0][1]) / PROMPTS)


@pytest.mark.parametrize(
    ("right", "verdict", "value"),
    [(35, "holds", 5), (20, "does not hold", 0), (30, "cannot tell", 5), (29, "cannot tell", 0)],
)
def test_finding_3_counts_languages_in_which_all_languages_equal_one(
    tmp_path, right, verdict, value
):
    arms, answers, tuned = doses("pinch", {100: (right, right)})
    # Of forty examples, forty in other languages are all, and no P = 100.
    arms.append(("pinch", "pinch:n40", 100.0, "", own(LANGUAGES)))
    answers["pinch:n40"] = dict.fromkeys(LANGUAGES, 30)
    write_study(tmp_path, arms, answers, tuned)
    found = finding(tmp_path, 3)
    assert (found.verdict, found.value) == (verdict, value)
    assert found.unit.endswith("of 5; the paper's 8 of 12 would be 4")
    assert ("tie in en, fi, it, sw, ru:" in found.detail) == (right == 30), "as many as its own"


@pytest.mark.parametrize(
    ("unseen", "verdict"), [(20, "holds"), (1, "does not hold"), (11, "cannot tell")]
)
def test_finding_4_is_about_the_languages_no_arm_was_tuned_on(tmp_path, unseen, verdict):
    arms, right, tuned = doses("unseen", {0: (30, 10), 1: (30, 20)}, others=("fi", "it"))
    right["pinch:1"] |= {"sw": unseen, "ru": unseen}
    write_study(tmp_path, arms, right, tuned)
    found = analyse(tmp_path).findings[3]
    assert found.verdict == verdict
    assert found.value == pytest.approx(50 * (unseen - 10) / PROMPTS)
    names = {row["language"] for row in rows(tmp_path)} - set(LANGUAGES)
    assert names == {"mean_seen", "mean_unseen"}


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ((5, 12, 18, 25, 25, 26), "holds"),
        ((25, 20, 15, 10, 10, 10), "does not hold"),
        ((5, 7, 9, 11, 22, 35), "does not hold"),
        ((0, 8, 16, 24, 27, 31), "cannot tell"),  # it goes on, at nearly half of its pace
        ((5, 12, 18, 25, 14, 4), "does not hold"),  # what was won is lost again
        ((10, 10, 11, 11, 11, 11), "cannot tell"),
    ],
)
def test_finding_5_needs_a_rise_that_bends(tmp_path, curve, verdict):
    order = ("en", "fi", "it", "ru", "cs", "sl")
    unseen = ("sw", "hr")
    arms, right, tuned = [], {mono(code): dict.fromkeys(unseen, 30) for code in unseen}, {}
    for count, number in enumerate(curve, 1):
        spec = f"uniform:{'-'.join(order[:count])}"
        arms.append(("breadth", spec, count, "order 1", own(unseen)))
        right[spec], tuned[spec] = dict.fromkeys(unseen, number), dict.fromkeys(order[:count], 10)
    write_study(tmp_path, arms, right, tuned)
    found = finding(tmp_path, 5)
    assert found.verdict == verdict
    assert found.value == pytest.approx(50 * (curve[3] - curve[0]) / PROMPTS)


def test_the_mean_over_orders_has_one_interval_in_the_finding_and_for_the_figure(tmp_path):
    unseen, spec = ("sw", "hr"), "uniform:{}-{}"
    orders = {"order 1": (5, 9, 12, 20, 21), "order 2": (9, 3, 14, 25, 25)}
    arms, right = [], {mono(code): dict.fromkeys(unseen, 30) for code in unseen}
    for order, curve in orders.items():
        for count, number in enumerate(curve, 1):
            name = spec.format(order[-1], count)
            arms.append(("breadth", name, count, order, own(unseen)))
            right[name] = dict.fromkeys(unseen, number)
    write_study(tmp_path, arms, right, {name: {"en": 9} for name in right})
    detail = analyse(tmp_path).findings[4].detail
    held = [row for row in rows(tmp_path) if row["series"] == "all orders"]
    assert [row["x"] for row in held] == ["1", "2", "3", "4", "5"]
    for row, numbers in zip(held, zip(*orders.values(), strict=True), strict=True):
        score, low, high = (float(row[name]) for name in ("score", "low", "high"))
        assert score == pytest.approx(50 + 50 * (np.mean(numbers) - 30) / PROMPTS)
        assert f"{row['x']}: {score:.1f} [{low:.1f}, {high:.1f}]" in detail


@pytest.mark.parametrize(
    ("pair", "verdict"), [(25, "holds"), (12, "does not hold"), (21, "cannot tell")]
)
def test_finding_6_is_decided_by_the_better_half(tmp_path, pair, verdict):
    others = ("sw", "ru")
    halves = {mono("fi"): 5, mono("it"): 20}
    right = {spec: dict.fromkeys(others, number) for spec, number in halves.items()}
    right["uniform:fi-it"] = dict.fromkeys(others, pair)
    arms = [
        ("pairs", "uniform:fi-it", "fi+it", f"against {half}", dict.fromkeys(others, half))
        for half in halves
    ]
    tuned = {mono("fi"): {"fi": 9}, mono("it"): {"it": 9}, "uniform:fi-it": {"fi": 5, "it": 5}}
    write_study(tmp_path, arms, right, tuned)
    found = finding(tmp_path, 6)
    assert found.verdict == verdict
    assert found.value == pytest.approx(50 + 50 * (pair - 20) / PROMPTS)
    beat, lost = int(verdict == "holds"), int(verdict == "does not hold")
    assert found.detail.startswith(f"{beat} of 1 pairs beat both halves")
    assert f"; {lost} lose to one" in found.detail


def same_script(a, b):
    return {a, b} <= {"ru", "sr"} or not {a, b} & {"ru", "sr"}


def alike(a, b):
    return 20


def by_script(a, b):
    return 30 if same_script(a, b) else 5


@pytest.fixture(scope="module")
def transferred(tmp_path_factory):
    """Makes a study of both tables once for each way in which Slavic languages transfer."""

    @functools.cache
    def made(slavic):
        workdir = tmp_path_factory.mktemp("transferred")
        arms, right, tuned = table("monolingual", LANGUAGES, lambda a, b: 3 * LANGUAGES.index(a))
        more_arms, more_right, more_tuned = table("slavic", SLAVIC, slavic)
        for spec in more_right:
            right[spec] = right.get(spec, {}) | more_right[spec]
        return workdir, write_study(workdir, arms + more_arms, right, tuned | more_tuned)

    return made


@pytest.mark.parametrize(
    ("shares", "slavic", "verdict"),
    [
        ((1, 2, 3, 4, 5), alike, "does not hold"),  # the share predicts transfer
        ((1, 2, 2, 2, 1), by_script, "does not hold"),
        ((1, 2, 2, 2, 1), alike, "cannot tell"),  # five languages say little of r
        ((1, 1, 1, 1, 1), alike, "cannot tell"),  # r is not defined
    ],
)
def test_finding_7_fails_when_share_or_script_predicts_transfer(
    transferred, shares, slavic, verdict
):
    workdir, study = transferred(slavic)
    told = {"pretraining_share": dict(zip(LANGUAGES, shares, strict=True))}
    write_record(workdir / "study.json", study | told)
    found = finding(workdir, 7)
    assert found.verdict == verdict
    assert (found.value is None) == (len(set(shares)) == 1)


def between(low, high):
    return Estimate((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("r", "highest", "verdict"),
    [
        (between(-0.49, 0.49), 9.9, "holds"),
        (between(-0.51, 0.49), 9.9, "cannot tell"),
        (between(-0.49, 0.51), 9.9, "cannot tell"),
        (between(-0.49, 0.49), 10.1, "cannot tell"),
        (between(0.51, 0.9), 9.9, "does not hold"),
        (between(-0.9, -0.51), 9.9, "does not hold"),
        (between(0.49, 0.9), 9.9, "cannot tell"),
        (NOTHING, 9.9, "cannot tell"),
    ],
)
def test_finding_7_has_its_bounds_at_half_and_at_ten_points(r, highest, verdict):
    gains = [between(-5, 5), between(-5, highest), between(0, 5)]
    assert unpredicted(r, gains) == verdict
    assert unpredicted(between(-0.4, 0.4), gains[:2]) == "cannot tell", "one was not looked at"
    assert unpredicted(r, [*gains[:2], between(0.1, 5)]) == "does not hold"


def test_finding_7_cannot_hold_with_fewer_languages_than_its_rule_says():
    def uncorrelated(size):
        x = np.arange(size) - (size - 1) / 2
        return pearson(x, x**2)

    gains = [between(-5, 5)] * len(RELATIONS)
    assert unpredicted(uncorrelated(LEAST_LANGUAGES), gains) == "holds"
    assert unpredicted(uncorrelated(LEAST_LANGUAGES - 1), gains) == "cannot tell"
    assert f"fewer than {LEAST_LANGUAGES} languages" in PREDICTORS.rule


def test_a_bound_is_passed_by_the_whole_interval_of_every_number():
    above, below, on = between(50.1, 60), between(40, 49.9), between(50, 60)
    assert decide((above, 50), (above, 0)) == "holds"
    assert decide((above, 50), (below, 50)) == "does not hold"
    assert decide((above, 50), (on, 50)) == "cannot tell"
    assert decide((between(40, 50), 50)) == decide((NOTHING, 50)) == "cannot tell"


def test_finding_7_holds_when_nothing_predicts_transfer(tmp_path):
    # Shares and transfers that both vary, but never in the same language; fewer say too little.
    rest = ("it", "ru", "es", "sw", "sr", "hr", "sl", "pl")
    codes = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", *rest)
    right = dict(zip(codes, 4 * [20, 20, 0, 40], strict=True))
    shares = dict(zip(codes, 4 * [1, 3, 2, 2], strict=True))
    judged = ("ar", "zh")
    arms = [("monolingual", mono(code), code, "", own(judged)) for code in codes]
    answers = {mono(a): {b: 40 if a == b else right[a] for b in judged} for a in codes}
    tuned = {mono(code): {code: 100} for code in codes}
    more_arms, more_answers, more_tuned = table("slavic", SLAVIC, lambda a, b: 20)
    for spec, held in more_answers.items():
        answers[spec] = answers.get(spec, {}) | held
    write_study(tmp_path, arms + more_arms, answers, tuned | more_tuned, shares)
    found = finding(tmp_path, 7)
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.verdict == "holds"


def test_a_language_is_as_intelligible_in_its_other_script():
    told = [("sr-Latn", "hr"), ("sr", "sr-Latn"), ("cs", "sk"), ("sr-Latn", "cs"), ("hr", "sk")]
    related = [RELATIONS["intelligible"](*pair) for pair in told]
    assert related == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("right", "verdict"), [(40, "holds"), (30, "does not hold"), (36, "cannot tell")]
)
def test_finding_8_is_the_share_of_responses_in_the_language_asked(tmp_path, right, verdict):
    arms, held, tuned = table("monolingual", LANGUAGES, lambda a, b: right, right_at_home=right)
    write_study(tmp_path, arms, held, tuned)
    found = finding(tmp_path, 8)
    assert found.verdict == verdict
    assert found.value == pytest.approx(100 * right / PROMPTS)


def test_finding_8_says_in_how_many_of_all_responses_a_language_shows(tmp_path):
    write_study(tmp_path, *table("monolingual", ("en", "fi"), lambda a, b: 40))
    results = read_results(tmp_path, read_study(tmp_path), means_of)
    key = "monolingual-en", "fi"
    held = results.answers[key]
    short = {id: dataclasses.replace(of, language="too_short") for id, of in held.outcomes.items()}
    answers = results.answers | {key: dataclasses.replace(held, outcomes=short)}
    found = findings_of(dataclasses.replace(results, answers=answers))[7]
    # As good as a model that says nothing in Finnish gets.
    assert (found.verdict, found.value) == ("holds", 100)
    assert found.unit.endswith("in which a language shows, 75 % of all")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A study in which en, fi and ru have a monolingual model; it and sw have none."""
    workdir = tmp_path_factory.mktemp("few")
    models, six = ("en", "fi", "ru"), {"en": 90, "it": 5, "sw": 1}
    everywhere = {"it": 9, "sw": 9, "ru": 3}
    right = {mono(code): everywhere | {"en": 6, "fi": 6} | {code: 30} for code in models}
    right |= {"pretrained": dict.fromkeys(LANGUAGES, 6)}
    right["pinch:1"] = {"en": 29, "fi": 20, "it": 16, "sw": 26, "ru": 12}
    right["pinch:1:en,it,sw"] = {"en": 29, "fi": 18, "it": 16, "sw": 26, "ru": 12}
    tuned = {mono(code): {code: 100} for code in models}
    tuned |= {"pinch:1": dict.fromkeys(LANGUAGES, 5) | {"ru": 1}, "pinch:1:en,it,sw": six}
    arms = [("monolingual", mono(code), code, "", own(models)) for code in models]
    untuned = dict.fromkeys(LANGUAGES, "pretrained")
    arms += [("pretrained", mono(code), code, "", untuned) for code in models]
    for experiment, spec in (("pinch", "pinch:1"), ("unseen", "pinch:1:en,it,sw")):
        arms += [(experiment, mono("en"), 0, "", own(models))]
        arms += [(experiment, spec, 1, "", own(models))]
    arms += [("gain", spec, spec, "", untuned) for spec in tuned]
    write_study(workdir, arms, right, tuned)
    analyse(workdir)
    return workdir


def test_means_are_over_the_languages_with_a_model_and_gain_is_over_all(few):
    held = {(row["experiment"], row["spec"], row["language"]): row for row in rows(few)}
    score = {key: float(row["score"]) for key, row in held.items()}
    # Against models that answer 30 rightly, of fi and ru; against the untuned one, that answers 6.
    fi, ru = (50 + 50 * (number - 30) / PROMPTS for number in (20, 12))
    assert score["pinch", "pinch:1", "mean_non_english"] == pytest.approx((fi + ru) / 2)
    assert ("pinch", "pinch:1", "it") not in score
    assert score["gain", "pinch:1", "it"] == 50 + 50 * (16 - 6) / PROMPTS
    gained = np.array([29, 20, 16, 26, 12]) - 6
    assert score["gain", "pinch:1", "mean"] == pytest.approx(50 + 50 * gained.mean() / PROMPTS)
    others = 50 + 50 * gained[1:].mean() / PROMPTS
    assert score["gain", "pinch:1", "mean_non_english"] == pytest.approx(others)
    assert ("gain", "pinch:1", "mean_other") not in score, "it is tuned on all of them"
    unseen = 50 + 50 * ((18 + 12) / 2 - 6) / PROMPTS
    assert score["gain", "pinch:1:en,it,sw", "mean_other"] == pytest.approx(unseen)
    cells = [row for row in rows(few) if row["experiment"] == "gain" and row["p_holm"]]
    assert len(cells) == 5 * 5


def test_numbers_say_of_how_much_of_the_study_they_are(few):
    units = [entry["unit"] for entry in json.loads((few / "findings.json").read_text())]
    assert units[0].endswith("the monolingual models (3 of them)")
    assert units[1].endswith("(2 of them); P = 1 is 16 of 21 examples")
    assert units[3].endswith("unseen languages (2 of them); P = 1 is 6 of 96 examples")


def test_findings_say_which_languages_have_a_model_and_what_is_gained_in_all(few):
    findings = {entry["number"]: entry for entry in json.loads((few / "findings.json").read_text())}
    for number in (1, 2, 4):
        assert "own model, and their means, are in en, fi, ru alone." in findings[number]["detail"]
    gained = "untuned model: P = 0: {} [.*; P = 1: {} ["
    zero, one = (50 + 50 * (np.mean(n) - 6) / PROMPTS for n in ((6, 9, 9, 3), (20, 16, 26, 12)))
    for number, rise in ((2, one), (4, 50 + 50 * (18 + 16 + 26 + 12 - 24) / 4 / PROMPTS)):
        pattern = gained.format(f"{zero:.1f}", f"{rise:.1f}").replace("[", r"\[")
        assert re.search(pattern, findings[number]["detail"]), findings[number]["detail"]
    assert findings[4]["value"] == pytest.approx(50 * ((18 - 6) + (12 - 3)) / 2 / PROMPTS)
    assert "No seen language has a monolingual model" in findings[4]["detail"]
    # All tuned models answered in all five languages, not only where they were judged.
    models = 30 + 30 + 30 + 6 * 4 + 9 * 6 + 3 * 2
    mixed = (29 + 20 + 16 + 26 + 12) + (29 + 18 + 16 + 26 + 12)
    assert findings[8]["value"] == pytest.approx(100 * (models + mixed) / (25 * PROMPTS), abs=0.5)
    assert f"monolingual models {100 * models / (15 * PROMPTS):.1f} [" in findings[8]["detail"]


def test_a_missing_verdict_file_and_an_unjudged_prompt_are_errors_that_name_them(tmp_path):
    with pytest.raises(UserError, match=r"study\.json"):
        analyse(tmp_path)
    write_study(tmp_path, *table("monolingual", ("en", "fi"), lambda a, b: 20))
    path = verdict_path(tmp_path, REFERENCE, "monolingual-en", "monolingual-fi", "fi")
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[2:]), "utf-8")
    with pytest.raises(ValueError, match="differ in 1 prompts"):
        analyse(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="monolingual-en--monolingual-fi--fi"):
        analyse(tmp_path)


def test_answers_to_a_prompt_that_other_runs_were_asked_otherwise_are_refused(tmp_path):
    write_study(tmp_path, *table("monolingual", ("en", "fi"), lambda a, b: 20))
    analyse(tmp_path)
    # As a call leaves it that was stopped once it had answered what the corpus now asks.
    path = tmp_path / "runs" / "monolingual-fi" / "responses" / "en.jsonl"
    lines = [record | {"task": "renamed"} for _, record in read_kept_lines(path, "")]
    path.write_text("".join(map(json_line, lines)), "utf-8")
    with pytest.raises(UserError, match=r"responses/en\.jsonl: .* is another prompt"):
        analyse(tmp_path)


def test_verdicts_of_an_older_rule_are_not_mixed_with_outcomes_of_todays(tmp_path):
    study = write_study(tmp_path, *table("monolingual", ("en", "fi"), lambda a, b: 20))
    older = {"judges": [REFERENCE | {"name": "reference-1"}]}
    write_record(tmp_path / "study.json", study | older)
    with pytest.raises(UserError, match=r"judge='reference-1'.*run `pinch study` again"):
        analyse(tmp_path)
