"""Studies beside each other: a line a study, and only like with like."""

import re

import pytest
from made_up_study import REFERENCE, write_workdir
from test_report import rewrite_scores, values

from pinch_jax.errors import UserError
from pinch_jax.report.comparison import check_judges, comparison, read_others
from pinch_jax.report.page import write_markdown, write_report
from pinch_jax.report.sections import figure_of
from pinch_jax.storage.files import read_record, write_record
from pinch_jax.study.records import read_records


@pytest.fixture
def small(tmp_path):
    return write_workdir(tmp_path / "small", experiments=("doses",))


@pytest.fixture
def large(tmp_path):
    workdir = write_workdir(tmp_path / "large", experiments=("doses",))
    rewrite_scores(workdir, lambda row: {"score": float(row["score"]) + 7})
    return workdir


def compared(workdir, *others, curve="doses"):
    records = read_records(workdir)
    curves = {curve: figure_of(records, curve)}
    return comparison(records, read_others(workdir, list(others)), curves)


@pytest.mark.usefixtures("figures_as_svg_alone")
def test_a_line_is_a_study_with_its_own_scores(small, large):
    (drawing,) = compared(small, large).drawings
    lines = {
        name: {row["at"]: row["score"] for row in values(drawing.spec) if row.get("line") == name}
        for name in ("small", "large")
    }
    scores = [row.score.value for row in read_records(small).experiment("doses", "mean")]
    assert sorted(lines["small"].values()) == pytest.approx(sorted(scores))
    for at, score in lines["small"].items():
        assert lines["large"][at] == pytest.approx(score + 7)
    assert not drawing.note
    page = write_report(small, read_others(small, [large])).read_text("utf-8")
    assert 'id="studies"' in page and (small / "report/data/studies.csv").exists()
    told = write_markdown(small, small / "beside.md", read_others(small, [large]))
    assert "## Studies beside each other" in told.read_text("utf-8")
    assert (small / "beside/studies-doses.svg").exists()


def test_a_mean_of_orders_that_no_run_has_is_compared_as_well(tmp_path):
    pair = [write_workdir(tmp_path / name, experiments=("breadth",)) for name in "ab"]
    (drawing,) = compared(*pair, curve="breadth").drawings
    assert not drawing.note and {"a", "b"} <= {row.get("line") for row in values(drawing.spec)}
    study = dict(read_record(pair[1] / "study.json", ""))
    for arm in study["arms"]:
        del arm["baseline_runs"]["he"]
    write_record(pair[1] / "study.json", study)
    assert "over different languages" in compared(*pair, curve="breadth").drawings[0].note
    # As `accent` looks at what others have answered.
    write_record(pair[1] / "study.json", study | {"arms": []})
    assert not compared(*pair, curve="breadth").drawings[0].note, "scores.csv has all languages"


def test_what_is_not_like_is_told(small, large, tmp_path):
    study = dict(read_record(large / "study.json", ""))
    for arm in study["arms"]:
        del arm["baseline_runs"]["fi"]
    write_record(large / "study.json", study)
    (drawing,) = compared(small, large).drawings
    assert re.search(r"over different languages \(small: .*fi.*; large: ((?!fi).)*\)", drawing.note)
    more = write_workdir(tmp_path / "more", experiments=("doses",), prompts=7, draws=3)
    (drawing,) = compared(small, more).drawings
    assert drawing.note == (
        "Not like with like: the studies asked other prompts; the bands of small leave the choice "
        "of examples out."
    )


def test_other_mixtures_baselines_and_kinds_of_prompts_are_told(small, large):
    config, study = (read_record(large / f"{name}.json", "") for name in ("config", "study"))
    for part, change, told in (
        ("evaluate", {"recipe": "translation-en"}, "the studies asked other prompts"),
        ("corpus", {"heldout": ["jsonl:mine-{language}.jsonl"]}, "the studies asked other prompts"),
        ("evaluate", {"new_tokens": 7}, "answers end, or are drawn, otherwise"),
        ("mixture", {"examples": 77}, "tuning sets are of other sizes"),
    ):
        write_record(large / "config.json", config | {part: config[part] | change})
        (drawing,) = compared(small, large).drawings
        assert drawing.note == f"Not like with like: {told}."
    write_record(large / "config.json", config)
    judge = study["judges"][0] | {"answered_by": ["small-2"]}
    write_record(large / "study.json", study | {"judges": [judge]})
    (drawing,) = compared(small, large).drawings
    assert drawing.note == "Not like with like: other models answered as the judge."
    for change in ({"spec": "pinch:1:en,fi"}, {"baselines": {"fi": "pretrained"}}):
        arms = [arm | change if arm["x"] == 1 else arm for arm in study["arms"]]
        write_record(large / "study.json", study | {"arms": arms})
        (drawing,) = compared(small, large).drawings
        assert "mixtures at the same place, or what they are held against" in drawing.note


def test_what_cannot_be_compared_is_refused(small, large, tmp_path):
    with pytest.raises(UserError, match="two studies called 'small'"):
        compared(small, small)
    study = read_records(large).study
    write_record(large / "study.json", study | {"judges": [REFERENCE | {"name": "other-1"}]})
    with pytest.raises(UserError, match="scores by two judges cannot be compared"):
        check_judges(small, [large])
    other = write_workdir(tmp_path / "other", experiments=("mixed",))
    with pytest.raises(UserError, match="no curve of the same experiment"):
        compared(small, other)
