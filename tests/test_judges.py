"""Judges beside each other: what each says, where they agree, and what nobody has a verdict on."""

import dataclasses
import json
import math

import numpy as np
import pytest
from made_judges import Gated
from made_up_study import REFERENCE, write_workdir
from test_analysis import table, write_study

from ml_collections_configs import base
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.language_id import NO_WORDS
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import NOTHING, Mean
from pinch_jax.judge.certificate import FORMAT
from pinch_jax.judge.opening import open_judge
from pinch_jax.judge.verdicts import read_match
from pinch_jax.report.content import _prose, _verdicts
from pinch_jax.report.first_screen import _claim
from pinch_jax.report.judge_section import _judge_table, _score_table, judge_sentence
from pinch_jax.storage.files import json_line, read_record, write_record
from pinch_jax.study.analysis import analyse
from pinch_jax.study.comparisons import Comparison, Judged, Results, Scored
from pinch_jax.study.experiments.interface import HOLDS
from pinch_jax.study.experiments.pairs import beats_both_halves
from pinch_jax.study.experiments.pinch import replaces
from pinch_jax.study.experiments.pretrained import transfer
from pinch_jax.study.judges import _agreement, agreement_rows
from pinch_jax.study.judging import Matches, _described, _judge_by
from pinch_jax.study.measures import show
from pinch_jax.study.records import read_records
from pinch_jax.study.rows import JudgeScore
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
        assert theirs[key].score == row.score
        assert math.isnan(row.score_by_probability.value)
        # A win is `certain`, a tie, where the place decides, a half.
        wins = row.score.value / 100
        tied = theirs[key].score_by_probability.value / 100
        assert tied == pytest.approx(0.5 + (wins - 0.5) * (2 * certain - 1), abs=1e-6)
    assert all(row.same.value == 100 and row.kappa.value == 1 for row in tables.agreement)
    # Not even of a run against itself.
    assert all(math.isnan(row.score_by_probability.value) for row in tables.scores)


def test_the_columns_of_an_interval_are_those_that_readers_of_the_tables_know(tmp_path, study):
    analyse(tmp_path)
    for name, columns in (
        ("scores", "score,low,high,p,p_holm,score_same_language,low_same_language,high_same"),
        ("judges", "score_corrected,low_corrected,high_corrected,score_of_equal_length,low_of"),
        ("agreement", "same,low,high,kappa,kappa_low,kappa_high"),
        ("variance", "value,low,high,draw_sd,draw_sd_low,draw_sd_high,draw_share,"),
        ("outcomes", "draw,prompts,right,right_low,right_high,other_language,"),
    ):
        header = (tmp_path / f"{name}.csv").read_text("utf-8").partition("\n")[0]
        assert f",{columns}" in header


def test_what_language_decided_is_not_corrected_for_the_errors_of_a_judge(tmp_path, study):
    kappa = {"kappa": {"value": 0.8, "low": 0.75, "high": 0.85}}
    certificate = {"languages": {"all": kappa, "fi": kappa, "en": {}}}
    judge = MODEL | {"certificate": certificate}
    write_record(tmp_path / "study.json", study | {"judges": [judge]})
    rows = {row.language: row for row in analyse(tmp_path).judges if row.spec == "monolingual:en"}
    cell = rows["fi"]
    assert cell.score_corrected.value == pytest.approx(50 + (cell.score.value - 50) / 0.8)
    assert cell.score_corrected.low < 50 + (cell.score.low - 50) / 0.85

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
    assert rows["fi"].score_corrected.value == pytest.approx(expected)
    # Of one language its mean is the same.
    assert rows["mean_other"].score_corrected.value == pytest.approx(expected)
    # People may certify the references too.
    judge = REFERENCE | {"certificate": certificate}
    write_record(tmp_path / "study.json", study | {"judges": [judge]})
    rows = {row.language: row for row in analyse(tmp_path).judges if row.spec == "monolingual:en"}
    assert rows["fi"].score_corrected == cell.score_corrected


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
    assert math.isnan(rows[PAIR[2]].score.value)


def test_a_study_counts_each_outcome_once_and_knows_who_answered(tmp_path, study):
    (baseline, candidate), files = PAIR[:2], {}
    for run, other in ((candidate, baseline), (baseline, candidate)):
        answers = (tmp_path / "runs" / name / "responses" / "fi.jsonl" for name in (other, run))
        files[run, other, "fi"] = tuple(answers)
    records = list(read_match(*files[PAIR]).baseline.values())
    decided = {record["id"] for record in records[:4]}
    silent = {record["response"] for record in records[4:14]}
    judge = Gated(lambda first, second: None if {first, second} & silent else 1.0)
    judge.decides = lambda pair: pair.record["id"] in decided

    def judged(model, *pairs):
        judge.model, entry = model, MODEL | {"as": "made", "name": "made", "no_verdict": {}}
        entry |= dict.fromkeys(("outcomes", "asked", "with_log_odds"), 0) | {"answered_by": []}
        matches = Matches({pair: files[pair] for pair in pairs}, {"fi": [None] * len(records)})
        _judge_by(judge, entry, tmp_path, matches, progress=False)
        return entry

    assert judged("small-1", PAIR)["answered_by"] == ["small-1"]
    # It is the verdicts that know, whatever became of the answers that were paid for.
    entry = judged("large", *files)
    missing = sum(entry["no_verdict"].values())
    assert missing >= 20 and entry["outcomes"] == 2 * len(records) - missing
    assert entry["asked"] == entry["with_log_odds"] == 2 * (entry["outcomes"] - 8)
    assert entry["answered_by"] == ["large", "small-1"]
    (other,) = files.keys() - {PAIR}
    assert judged("small-2", other)["answered_by"] == ["large"]


def test_the_page_says_who_answered_and_how_much_of_a_score_is_missing(tmp_path):
    write_workdir(tmp_path, prompts=2, experiments=("monolingual",))
    records = read_records(tmp_path)
    lacking = [
        dataclasses.replace(row, prompts=8, draws=2, no_verdict=count)
        for row, count in zip(records.scores[:2], (2, 12), strict=True)
    ]
    judge = MODEL | {"model": "small", "answered_by": ["small-1"], "no_verdict": {"a": 14}}
    judge |= {"outcomes": 1234, "asked": 200, "with_log_odds": 50}

    def told(**changes):
        study = records.study | {"judges": [judge | changes]}
        held = dataclasses.replace(records, study=study, scores=lacking)
        return judge_sentence(held), _judge_table(held).rows[0]

    ours = {"judge": {"name": "small", "answered_by": ["small-1"]}, "languages": {}}
    said, row = told(certificate=ours)
    assert "no verdict on 14 pairs" in said and "up to 75 % of those of one score" in said
    assert "need not hold" not in said and "Several" not in said
    lacking[:] = [dataclasses.replace(row, prompts=640, no_verdict=1) for row in lacking]
    assert "up to 1 % of those of one score" in told()[0], "one of 1,280 is not 0 %"
    assert row[2:8] == ("small", "small-1", "–", "1,234", "14", "25")
    ends = {"value": 0.8, "low": 0.7, "high": 0.9}
    parts = {"pairs": 9, "sources": {}} | dict.fromkeys(("agreement", "flips", "kappa"), ends)
    held = {"languages": dict.fromkeys({"all", *records.languages} - {"en"}, parts)}
    assert "In English it cannot be told from chance" in told(certificate=ours | held)[0]
    of_another = ours | {"judge": {"name": "small", "answered_by": ["small-0"]}}
    assert "is of small-0, and here small-1 answered" in told(certificate=of_another)[0]
    assert "as small: small-1, small-2." in told(answered_by=["small-1", "small-2"])[0]
    scores = tuple(
        JudgeScore("monolingual", "monolingual:en", "", "en", language, judge, 8, *[NOTHING] * 4)
        for judge in ("one", "two")
        for language in ("fi", "mean_other", "mean_seen")
    )
    shown = _score_table(dataclasses.replace(records, judges=scores)).rows
    assert [row[2] for row in shown] == ["mean of the others"] * 2 + ["mean of the seen"] * 2
    assert [row[3] for row in shown] == ["one", "two"] * 2


def test_scores_that_nobody_knows_are_in_no_order():
    scores = {"en": math.nan, "fi": 40.0, "it": 20.0, "ru": 35.0}

    def entry(experiment, code, language, score):
        known_by = Mean(score, np.zeros((1, 8)), np.array([score]), 8)
        arm = {"experiment": experiment, "spec": "", "x": code, "baseline_runs": scores}
        values = () if math.isnan(score) else (1.0,)
        return Scored(arm, language, *[known_by] * 3, 8, values, (language,))

    means = [
        entry(name, code, "mean_other", score)
        for name in ("pretrained", "monolingual")
        for code, score in scores.items()
    ]
    cells = [entry("monolingual", "it", code, score) for code, score in scores.items()]
    decision = transfer(Results({}, {}, (), {}, {"model": Judged([*means, *cells], {}, {})}))
    assert "best fi 40.0 [" in decision.detail and "lowest it 20.0 [" in decision.detail
    assert "above 30 in 2 of 3 languages" in decision.detail and "nan" not in decision.detail
    assert show(means[0].score) == "no number"
    scores = {"en": math.nan, "fi": math.nan, "it": 100.0}
    cells = [entry("pinch", 100, code, score) for code, score in scores.items()]
    decision = replaces(Results({}, {}, (), {}, {"model": Judged(cells, {}, {})}))
    assert decision.number.numbers == (1, 1, 3) and decision.verdict == "cannot tell"
    assert decision.of.startswith(", of 3; the paper's 8 of 12 would be 2")
    for halves in ((100.0, math.nan), (math.nan, 100.0)):
        pair = [entry("pairs", "en+fi", "mean_other", score) for score in halves]
        decision = beats_both_halves(Results({}, {}, (), {}, {"model": Judged(pair, {}, {})}))
        assert math.isnan(decision.number.value) and decision.verdict == "cannot tell"


def test_kappa_and_its_interval_are_those_of_the_textbook_and_of_simulation():
    counts = {(0, 0): 25, (0, 1): 13, (0, 2): 12, (1, 0): 12, (1, 1): 2, (1, 2): 16}
    counts |= {(2, 0): 3, (2, 1): 15, (2, 2): 2}
    told = [(a / 2, b / 2) for (a, b), count in counts.items() for _ in range(count)]
    held = [(str(place), *pair) for place, pair in enumerate(told)]
    matrix = np.zeros((3, 3))
    for (a, b), count in counts.items():
        matrix[a, b] = count / 100
    chance = matrix.sum(0) @ matrix.sum(1)
    number, same, kappa = _agreement(held)
    assert number == 100 and same.value == pytest.approx(29)
    assert kappa.value == pytest.approx((0.29 - chance) / (1 - chance))
    random, found = np.random.default_rng(0), []
    for _ in range(400):
        drawn = [told[i] for i in random.integers(0, 100, 100)]
        found.append(_agreement([(str(i), *pair) for i, pair in enumerate(drawn)])[2].value)
    # Chance is taken as known, which is on the safe side.
    assert 1 < (kappa.high - kappa.low) / 2 / (1.96 * np.std(found)) < 1.4
    *_, few = _agreement([(str(i), i % 2, i % 2) for i in range(5)])
    assert (few.value, few.high) == (1, 1) and few.low < 0.1, "five prompts prove little"
    assert all(map(math.isnan, _agreement([("a", 0.5, 0.5)])[2].numbers)), "nothing but ties"
    *_, lopsided = _agreement([(str(i), 1.0, float(i > 0)) for i in range(30)])
    assert (lopsided.value, lopsided.low) == pytest.approx((0, -1), abs=1e-6), "never below -1"
    # The same outcomes twice over are no more prompts.
    assert _agreement(held + held)[2].numbers == pytest.approx(kappa.numbers)


def test_what_two_judges_agree_on_is_counted_by_outcome_and_not_where_language_decided(tmp_path):
    # One prompt has ten outcomes, which are the same, and four have one each, which are not.
    told = [("a", float(i % 2), float(i % 2)) for i in range(10)]
    told += [(x, 1.0, 0.0) for x in "bcde"]
    count, same, kappa = _agreement(told)
    assert (count, same.value) == (14, pytest.approx(100 * 10 / 14))
    assert same.low < same.value < same.high and kappa.low < kappa.value < kappa.high
    chance = (5 / 14) * (9 / 14) + (9 / 14) * (5 / 14)
    assert kappa.value == pytest.approx((10 / 14 - chance) / (1 - chance))
    pair = Comparison("run", "baseline", "en")
    ours, theirs = ({x: y for x, *both in told[9:] for y in both[i : i + 1]} for i in (0, 1))
    judged = {
        "one": Judged([], {pair: ours}, {pair: frozenset("b")}),
        "two": Judged([], {pair: theirs | {"f": 1.0}}, {pair: frozenset("f")}),
    }
    row, every = agreement_rows(Results({}, {}, tuple("abcdef"), {}, judged))
    assert (row.outcomes, row.same) == (every.outcomes, every.same)
    assert (row.outcomes, row.same.value) == (4, 25.0)


def test_a_certificate_of_another_judge_is_refused_before_any_weights_are_loaded(
    tmp_path, monkeypatch
):
    config = from_config_dict(base.get_config()).judges["model"]
    config = dataclasses.replace(config, model="tiny", certificate=str(tmp_path / "it.json"))
    shard = Shard(make_mesh(MeshConfig()))
    judge = open_judge("model", config, NO_WORDS, shard, tmp_path / "paid")
    held = {"format": FORMAT, "judge": {"name": "model", "identity": judge.identity}}
    write_record(tmp_path / "it.json", held)
    assert _described("model", config, judge)["certificate"] == held
    # Renamed it is the same judge, and whoever has its old name is another one.
    renamed = held | {"judge": held["judge"] | {"name": "renamed"}}
    assert _described("renamed", config, judge)["certificate"] == renamed
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
    for name in ("halves", "typology"):
        found = (dataclasses.replace(claim, experiment=name),)
        held = dataclasses.replace(records, study=study, findings=found)
        assert _claim(held, {name}).startswith("The judge cannot be told from chance")
        if name == "halves":
            assert _verdicts(held).startswith("The judge cannot be told from chance")
        # No paper claims what an experiment of one's own does.
        assert _prose(held)["claim"] == ("Claim" if name == "halves" else "The paper's claim")
