"""Judges beside each other: what each says, where they agree, and what nobody has a verdict on."""

import dataclasses
import json
import math

import numpy as np
import pytest
from made_up_study import REFERENCE, write_workdir
from test_analysis import table, write_study

from ml_collections_configs import base
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.language_id import NO_WORDS
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import known
from pinch_jax.files import json_line, read_record, write_record
from pinch_jax.judge.certificate import FORMAT
from pinch_jax.judge.opening import open_judge
from pinch_jax.mesh import MeshConfig, make_mesh
from pinch_jax.report.content import _prose, _verdicts
from pinch_jax.report.first_screen import _claim
from pinch_jax.sharding import activation_sharding
from pinch_jax.study.analysis import analyse
from pinch_jax.study.comparisons import Comparison, Judged, Results, Scored
from pinch_jax.study.experiments.interface import HOLDS
from pinch_jax.study.judges import _agreement, _corrected, _length_controlled, agreement_rows
from pinch_jax.study.judging import _described
from pinch_jax.study.records import read_records
from pinch_jax.study.workdir import verdict_path

MODEL = REFERENCE | {"as": "model", "kind": "model", "name": "model", "model": "tiny"}
PAIR = "monolingual-en", "monolingual-fi", "fi"


@pytest.fixture
def study(tmp_path):
    """A study by two judges, of which the second says what the first does, with log-odds."""
    study = write_study(tmp_path, *table("monolingual", ("en", "fi"), lambda a, b: 20))
    for path in (tmp_path / "verdicts").glob("*/*.jsonl"):
        run, baseline, code = path.stem.rsplit("--", 2)
        with_odds = []
        for line in path.read_text("utf-8").splitlines():
            verdict = json.loads(line)
            del verdict["checksum"]
            sign = 1 if verdict["choice"] == "first" else -1
            with_odds.append(json_line(verdict | {"judge": "model", "log_odds": 2.0 * sign}))
        theirs = verdict_path(tmp_path, MODEL, run, baseline, code)
        theirs.parent.mkdir(exist_ok=True)
        theirs.write_text("".join(with_odds), "utf-8")
    study |= {"judges": [REFERENCE, MODEL]}
    write_record(tmp_path / "study.json", study)
    return study


def test_two_judges_that_say_the_same_have_the_same_scores_and_a_kappa_of_1(tmp_path, study):
    tables = analyse(tmp_path)
    assert {row.judge for row in tables.judges} == {"reference", "model"}
    ours, theirs = (
        {(row.spec, row.language): row for row in tables.judges if row.judge == name}
        for name in ("reference", "model")
    )
    assert ours.keys() == theirs.keys() and len(ours) >= 2
    certain = 1 / (1 + math.exp(-2.0))
    for key, row in ours.items():
        assert theirs[key].estimate() == pytest.approx(row.estimate(), nan_ok=True)
        assert math.isnan(row.score_by_probability)
        # A win is `certain`, a tie, where the place decides, a half.
        wins = row.score / 100
        tied = theirs[key].score_by_probability / 100
        assert tied == pytest.approx(0.5 + (wins - 0.5) * (2 * certain - 1), abs=1e-6)
    assert all(row.same == 100 and row.kappa == 1 for row in tables.agreement)
    # Not even of a run against itself.
    assert all(math.isnan(row.score_by_probability) for row in tables.scores)


def test_what_language_decided_is_not_corrected_for_the_errors_of_a_judge(tmp_path, study):
    kappa = {"kappa": {"value": 0.8, "low": 0.75, "high": 0.85}}
    certificate = {"languages": {"all": kappa, "fi": kappa, "en": {}}}
    judge = MODEL | {"certificate": certificate}
    write_record(tmp_path / "study.json", study | {"judges": [judge]})
    rows = {row.language: row for row in analyse(tmp_path).judges if row.spec == "monolingual:en"}
    cell = rows["fi"]
    assert cell.score_corrected == pytest.approx(50 + (cell.score - 50) / 0.8)
    assert cell.low_corrected < 50 + (cell.low - 50) / 0.85

    path = verdict_path(tmp_path, MODEL, *PAIR)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    decided = sorted({line["id"] for line in lines})[::2]
    lost, kept = [], []
    for line in lines:
        del line["checksum"]
        (lost if line["id"] in decided else kept).append(line["winner"] == "candidate")
        line |= {"by": "language"} if line["id"] in decided else {}
    path.write_text("".join(map(json_line, lines)), "utf-8")
    rows = {row.language: row for row in analyse(tmp_path).judges if row.spec == "monolingual:en"}
    of_judge, of_language = 100 * np.mean(kept), 100 * np.mean(lost)
    expected = (of_language + 50 + (of_judge - 50) / 0.8) / 2
    assert rows["fi"].score_corrected == pytest.approx(expected)
    # Of one language its mean is the same.
    assert rows["mean_other"].score_corrected == pytest.approx(expected)


def test_prompts_without_a_verdict_are_left_out_counted_and_never_mistaken_for_damage(
    tmp_path, study
):
    path = verdict_path(tmp_path, MODEL, *PAIR)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    # One order of the first prompt, both of the second.
    path.write_text("".join([lines[0], *lines[4:]]), "utf-8")
    with pytest.raises(UserError, match="differ in 2 prompts"):
        analyse(tmp_path)
    lacking = MODEL | {"no_verdict": {path.stem: 2}}
    write_record(tmp_path / "study.json", study | {"judges": [lacking, REFERENCE]})
    tables = analyse(tmp_path)
    (cell,) = (r for r in tables.scores if r.run == PAIR[0] and r.language == PAIR[2])
    assert (cell.no_verdict, cell.wins + cell.ties + cell.losses) == (2, cell.prompts - 2)
    path.write_text("", "utf-8")
    silent = MODEL | {"no_verdict": {path.stem: int(cell.prompts)}}
    write_record(tmp_path / "study.json", study | {"judges": [silent]})
    rows = {row.language: row for row in analyse(tmp_path).scores if row.run == PAIR[0]}
    assert [rows[code].no_verdict for code in (PAIR[2], PAIR[0][-2:])] == [cell.prompts, 0]
    assert math.isnan(rows[PAIR[2]].score)


def test_kappa_and_its_interval_are_those_of_the_textbook_and_of_simulation():
    counts = {(0, 0): 25, (0, 1): 13, (0, 2): 12, (1, 0): 12, (1, 1): 2, (1, 2): 16}
    counts |= {(2, 0): 3, (2, 1): 15, (2, 2): 2}
    told = [(a / 2, b / 2) for (a, b), count in counts.items() for _ in range(count)]
    held = [(str(place), *pair) for place, pair in enumerate(told)]
    matrix = np.zeros((3, 3))
    for (a, b), count in counts.items():
        matrix[a, b] = count / 100
    chance = matrix.sum(0) @ matrix.sum(1)
    number, same, _, _, kappa, low, high = _agreement(held)
    assert number == 100 and same == pytest.approx(29)
    assert kappa == pytest.approx((0.29 - chance) / (1 - chance))
    random, found = np.random.default_rng(0), []
    for _ in range(400):
        drawn = [told[i] for i in random.integers(0, 100, 100)]
        found.append([*_agreement([(str(i), *pair) for i, pair in enumerate(drawn)])][4])
    # Chance is taken as known, which is on the safe side.
    assert 1 < (high - low) / 2 / (1.96 * np.std(found)) < 1.4
    *_, kappa_of_few, least, most = _agreement([(str(i), i % 2, i % 2) for i in range(5)])
    assert (kappa_of_few, most) == (1, 1) and least < 0.1, "five prompts prove little"
    assert all(map(math.isnan, [*_agreement([("a", 0.5, 0.5)])][4:])), "nothing but ties"
    # The same outcomes twice over are no more prompts.
    twice = [*_agreement(held + held)]
    assert twice[4:] == pytest.approx([kappa, low, high])


def test_what_two_judges_agree_on_is_counted_by_outcome_and_not_where_language_decided(tmp_path):
    # One prompt has ten outcomes, which are the same, and four have one each, which are not.
    told = [("a", float(i % 2), float(i % 2)) for i in range(10)]
    told += [(x, 1.0, 0.0) for x in "bcde"]
    count, same, low, high, kappa, least, most = _agreement(told)
    assert (count, same) == (14, pytest.approx(100 * 10 / 14)) and low < same < high
    chance = (5 / 14) * (9 / 14) + (9 / 14) * (5 / 14)
    assert kappa == pytest.approx((10 / 14 - chance) / (1 - chance)) and least < kappa < most
    pair = Comparison("run", "baseline", "en")
    ours, theirs = ({x: y for x, *both in told[9:] for y in both[i : i + 1]} for i in (0, 1))
    judged = {
        "one": Judged([], {pair: ours}, {pair: frozenset("b")}),
        "two": Judged([], {pair: theirs | {"f": 1.0}}, {pair: frozenset("f")}),
    }
    row, every = agreement_rows(Results({}, {}, tuple("abcdef"), {}, judged))
    assert (row.outcomes, row.same) == (every.outcomes, every.same) == (4, 25.0)


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
    assert told("mean_other", "fi") == told("fi", "fi")
    assert told("mean", "en", "fi", "it").value == pytest.approx(np.mean([*expected.values()]))
    outcomes.update({pair: {} for pair in outcomes if pair.language == "fi"})
    assert math.isnan(told("mean", "en", "fi").value), "over less than its score is"


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


def test_a_certificate_of_another_judge_is_refused_before_any_weights_are_loaded(
    tmp_path, monkeypatch
):
    config = from_config_dict(base.get_config()).judges["model"]
    config = dataclasses.replace(config, model="tiny", certificate=str(tmp_path / "it.json"))
    shard = activation_sharding(make_mesh(MeshConfig()))
    judge = open_judge("model", config, NO_WORDS, shard, tmp_path / "paid")
    held = {"format": FORMAT, "judge": {"name": "model", "identity": judge.identity}}
    write_record(tmp_path / "it.json", held)
    assert _described("model", config, judge)["certificate"] == held
    ungated = dataclasses.replace(config, language_gate=False)
    other = open_judge("model", ungated, NO_WORDS, shard, tmp_path / "paid")
    with pytest.raises(UserError, match=r"judges\.model\.certificate=.*is of another judge"):
        _described("model", ungated, other)
    assert "_params" not in vars(other), "nobody has asked it"


@pytest.mark.parametrize(("low", "says"), [(-0.15, "cannot be told from chance"), (0.02, "")])
def test_findings_by_a_judge_of_chance_are_said_to_be_none(tmp_path, low, says):
    write_workdir(tmp_path, prompts=2, experiments=("monolingual",))
    kappa = {"value": 0.1, "low": low, "high": 0.3}
    held = read_record(tmp_path / "study.json", "")
    held["judges"] = [MODEL | {"certificate": {"languages": {"all": {"kappa": kappa}}}}]
    write_record(tmp_path / "study.json", held)
    told = _verdicts(read_records(tmp_path))
    assert told.startswith(f"The judge {says}" if says else "Of the paper's")
    assert "no finding below that rests on its scores" in told or not says


def test_neither_claims_of_ones_own_nor_of_other_papers_are_decided_by_a_judge_of_chance(tmp_path):
    write_workdir(tmp_path, prompts=2, experiments=("monolingual",))
    records = read_records(tmp_path)
    kappa = {"value": 0.1, "low": -0.1, "high": 0.3}
    chance = MODEL | {"certificate": {"languages": {"all": {"kappa": kappa}}}}
    study = records.study | {"judges": [chance], "experiments": ["typology"], "sweeps": []}
    claim = dataclasses.replace(records.findings[0], verdict=HOLDS)
    for name, told in (("halves", _verdicts), ("typology", _claim)):
        found = (dataclasses.replace(claim, experiment=name),)
        held = dataclasses.replace(records, study=study, findings=found)
        assert told(held).startswith("The judge cannot be told from chance")
        # No paper claims what an experiment of one's own does.
        assert _prose(held)["claim"] == ("Claim" if name == "halves" else "The paper's claim")
