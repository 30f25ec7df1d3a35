"""People as judges: a page that is blind, files that fit their pairs, and what follows."""

import base64
import hashlib
import json
import os
import re
import shutil

import annotate_in_browser
import numpy as np
import pytest
from absl import flags

from pinch_jax.errors import UserError
from pinch_jax.judge.annotation_page import write_page
from pinch_jax.judge.people import (
    PeopleJudge,
    agreement_lines,
    alpha,
    annotated,
    checksums,
    read_annotations,
    texts_of,
)
from pinch_jax.judge.scores import outcomes
from pinch_jax.judge.verdicts import judge_files, read_match
from pinch_jax.main import main
from pinch_jax.storage.files import digest, file_checksum, write_record
from pinch_jax.study.comparisons import Comparison, Judged, Results
from pinch_jax.study.experiments.human import judge_agrees, ratings
from pinch_jax.study.measures import NotRun
from pinch_jax.study.records import read_study


@pytest.fixture
def files(tmp_path):
    """Two response files of four languages, six prompts in English."""
    for place, name in enumerate(("baseline", "candidate")):
        annotate_in_browser.write_responses(tmp_path / f"{name}.jsonl", place)
    return tmp_path / "baseline.jsonl", tmp_path / "candidate.jsonl"


def said(files, number, choice, annotator="Aino", order="baseline_first", **changes):
    """Returns the line of a page about an English pair."""
    key = "en", f"q{number}"
    line = {"page": "p", "id": key[1], "language": key[0], "annotator": annotator, "order": order}
    line |= {"choice": choice, "baseline_rating": "pass", "candidate_rating": "fail"}
    line |= {"seconds": 1.5, **checksums(texts_of(read_match(*files), key))}
    line |= {"baseline_file": file_checksum(files[0]), "candidate_file": file_checksum(files[1])}
    return line | changes


def write_lines(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def judged(files, *lines):
    """Returns what the English verdicts of people say."""
    path = write_lines(files[0].with_name("said.jsonl"), *lines)
    judge = PeopleJudge(annotated(read_annotations([path]), read_match(*files)))
    output = files[0].with_name("verdicts.jsonl")
    return outcomes(judge_files(judge, *files, output, progress=False))


def data_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )


def test_a_page_fetches_nothing_runs_one_script_and_holds_texts_as_data_alone(files, tmp_path):
    page = tmp_path / "page.html"
    assert write_page(*files, page, None) == 9
    text, data = page.read_text(encoding="utf-8"), data_of(page)
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert (
        len(script) == 1 and text.count("<script") == 2 and "src=" not in text.replace("src=x", "")
    )
    hashed = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hashed}'" in text
    match = read_match(*files)
    for pair in data["pairs"]:
        texts = texts_of(match, (pair["language"], pair["id"]))
        assert {name: pair[name][0] for name in texts} == texts
        assert pair["checksums"] == {name: digest(text) for name, text in texts.items()}
    markup = text.replace(json.dumps(data, ensure_ascii=False), "")
    assert "<img" not in markup


def test_a_page_of_few_pairs_has_as_many_of_each_language_and_more_pairs_only_add_some(files):
    pages = [files[0].with_name(f"{most}.html") for most in (2, 4)]
    assert [write_page(*files, page, most) for page, most in zip(pages, (2, 4), strict=True)] == [
        2 + 3,
        4 + 3,
    ]
    few, many = ({(p["language"], p["id"]) for p in data_of(page)["pairs"]} for page in pages)
    assert few < many and data_of(pages[0])["page"] != data_of(pages[1])["page"]


def test_people_win_tie_and_lose_whichever_answer_came_first_and_say_nothing_of_the_rest(files):
    found = judged(
        files,
        said(files, 0, "first"),
        said(files, 1, "first", order="candidate_first"),
        said(files, 2, "second"),
        said(files, 3, "tie"),
        # Whoever prefers one of two equal answers prefers neither.
        said(files, 5, "second"),
    )
    assert found == {"q0": 0.0, "q1": 1.0, "q2": 1.0, "q3": 0.5, "q5": 0.5}


@pytest.mark.parametrize(
    ("choices", "outcome"),
    [
        (["first", "first", "second"], 0.0),
        (["second", "tie", "second"], 1.0),
        (["first", "second"], 0.5),
        (["tie", "second"], 0.5),
        (["tie", "tie", "second"], 0.5),
    ],
)
def test_most_annotators_decide_and_where_no_choice_leads_it_is_a_tie(files, choices, outcome):
    lines = [said(files, 0, choice, str(name)) for name, choice in enumerate(choices)]
    assert judged(files, *lines) == {"q0": outcome}


def test_verdicts_follow_when_somebody_else_has_annotated_too(files):
    first = said(files, 0, "first")
    assert judged(files, first) == {"q0": 0.0}
    more = [said(files, 0, "second", name) for name in ("Boris", "Chen")]
    assert judged(files, first, *more, said(files, 1, "tie")) == {"q0": 1.0, "q1": 0.5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidate": "0" * 16}, r"'Aino' saw other texts of en 'q0' \(page p\); give the"),
        ({"prompt": "0" * 16}, "saw other texts of en 'q0'"),
        ({"id": "q77"}, "saw other texts of en 'q77'"),
        ({"choice": "left"}, r"said\.jsonl:1: not an annotation \(choice='left' is none of"),
        ({"baseline_rating": "good"}, "baseline_rating='good' is none of"),
        ({"seconds": "long"}, r"said\.jsonl:1: not an annotation \(seconds='long' is no number"),
        ({"more": "x"}, "unexpected keyword argument 'more'"),
        ({"annotator": " "}, "annotator=.* is empty"),
    ],
)
def test_a_line_that_is_no_annotation_of_these_files_is_refused_in_one_line(
    files, changes, message
):
    with pytest.raises(UserError, match=message) as refused:
        judged(files, said(files, 0, "first") | changes)
    assert "\n" not in str(refused.value)


def test_what_stands_in_two_files_counts_once_and_a_change_of_mind_is_refused(files, tmp_path):
    early = write_lines(tmp_path / "early.jsonl", said(files, 0, "first"))
    late = write_lines(tmp_path / "late.jsonl", said(files, 0, "first"), said(files, 1, "tie"))
    assert len(read_annotations([early, late])) == 2
    write_lines(late, said(files, 0, "second"))
    with pytest.raises(UserError, match=r"late\.jsonl:1: 'Aino' says something else of en 'q0'"):
        read_annotations([early, late])


def test_nobody_has_two_voices_on_a_pair_that_pages_of_several_files_have(files):
    later = [said(files, 0, "second", baseline_file=str(place) * 64) for place in (0, 1)]
    other = said(files, 0, "first", "Boris")
    assert judged(files, *later, other) == {"q0": 0.5}
    with pytest.raises(UserError, match="'Aino' says something else of en 'q0' before it"):
        judged(files, said(files, 0, "first"), *later)


def test_alpha_is_that_of_krippendorffs_own_example():
    # Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, C: 0.815 for ordinal data.
    observers = ("123321412***", "1233224125*3", "*3332342251*", "12332441251*")
    units = [
        {str(name): float(value) for name, value in enumerate(column) if value != "*"}
        for column in zip(*observers, strict=True)
    ]
    assert alpha(units) == pytest.approx(0.815, abs=5e-4)
    assert np.isnan(alpha([{"a": 1.0}, {"b": 0.0}])) and np.isnan(alpha([{"a": 1.0, "b": 1.0}]))


def test_the_commands_make_a_page_judge_by_people_and_write_pairs_to_certify_with(
    files, tmp_path, capsys
):
    def call(command, **given):
        given |= {"baseline": files[0], "candidate": files[1]}
        with pytest.raises(SystemExit) as end:
            main(["pinch", command, *(f"--{name}={value}" for name, value in given.items())])
        flags.FLAGS.unparse_flags()
        for name in given:
            flags.FLAGS[name].unparse()
        return str(end.value.code or "") + "".join(capsys.readouterr())

    assert "5 pairs: " in call("annotate", sample=2, output=tmp_path / "page.html")
    lines = [said(files, 0, "first"), said(files, 1, "second"), said(files, 0, "first", "Boris")]
    path = write_lines(tmp_path / "said.jsonl", *lines)
    told = call("annotate", annotations=path, output=tmp_path / "pairs.jsonl")
    assert "en: 2 pairs by 2 annotators, 1 by several; Krippendorff's alpha" in told
    pairs = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    asked, ours, theirs = annotate_in_browser.QUESTIONS["en"][0]
    assert [pair["better"] for pair in pairs] == ["first", "second"]
    assert pairs[0] == {"id": "q0", "language": "en", "prompt": asked, "first": ours} | {
        "second": theirs,
        "better": "first",
        "source": "people",
        **dict.fromkeys(("reference", "answer", "task"), ""),
    }
    output = tmp_path / "verdicts.jsonl"
    told = call("judge", judge="people", annotations=path, output=output)
    assert re.search(r"candidate: 50.0 \[.*\] % of 2 prompts; no verdict on 7 prompts", told)
    kept = path.read_bytes()
    assert "would be lost" in call("judge", judge="people", annotations=path, output=path)
    assert "give both or neither" in call("judge", judge="people", output=output)
    assert path.read_bytes() == kept


def test_a_study_shows_what_people_say_of_its_models_and_how_far_its_judge_agrees(files, tmp_path):
    study = {"runs": {run: {"spec": f"spec {run}"} for run in ("a", "b")}, "languages": ("en",)}
    study["arms"] = [{"run": "b", "baseline_runs": {"en": "a"}}]
    pair = {"q0": 0.0, "q1": 0.0, "q2": 0.5}
    judged = {"reference": Judged([], {Comparison("b", "a", "en"): pair}, {})}
    prompts = tuple(f"q{number}" for number in range(6))
    results = Results(study, {}, prompts, {}, judged, tmp_path)
    with pytest.raises(NotRun, match="annotations of answers that were judged"):
        judge_agrees(results)
    runs = [tmp_path / "runs" / run / "responses" / "en.jsonl" for run in ("a", "b")]
    for path, held in zip(runs, files, strict=True):
        path.parent.mkdir(parents=True)
        shutil.copy(held, path)
    (tmp_path / "annotations").mkdir()
    # The judge says as Aino, the opposite, and a tie where she does not: 1, 0 and a half. Boris saw
    # the models the other way about: the judge says the opposite of him.
    turned = {"baseline_file": file_checksum(files[1]), "candidate_file": file_checksum(files[0])}
    lines = [said(files, 0, "first"), said(files, 1, "second"), said(files, 2, "second")]
    lines += [said(files, 0, "first", "Boris", **turned), said(files, 5, "tie")]
    lines += [said(files, 0, "first", "Chen", baseline_file="0" * 64)]
    write_lines(tmp_path / "annotations" / "all.jsonl", *lines)
    decision = judge_agrees(results)
    assert decision.number.value == pytest.approx(100 * (0.5 + 0 + 0.5) / 3)
    assert decision.number.low < 33 < decision.number.high and decision.of == " (en)"
    assert (
        "'reference' with people: en 33.3 [" in decision.detail
        and "of 3 prompts" in decision.detail
    )
    assert "1 annotations are of answers that this study has not." in decision.detail

    class Study:
        workdir, runs = tmp_path, {"a": "spec a", "b": "spec b"}

    Study.study = study
    assert ratings(Study) == {("en", "a"): (0, 4, 1), ("en", "b"): (0, 1, 4)}
    assert [*agreement_lines({("en",): read_annotations(tmp_path.glob("annotations/*"))[:1]})] == [
        "en: 1 pairs by 1 annotators, 0 by several; Krippendorff's alpha of their choices is not "
        "defined."
    ]


def test_annotations_that_may_not_be_read_are_not_taken_for_none(tmp_path, monkeypatch):
    write_record(tmp_path / "study.json", {"experiments": []})
    assert read_study(tmp_path)["experiments"] == []
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / ".DS_Store").touch()
    assert read_study(tmp_path)["experiments"] == []
    (tmp_path / "annotations" / "aino.jsonl.txt").touch()
    with pytest.raises(UserError, match=r"aino\.jsonl\.txt: is no \.jsonl file"):
        read_study(tmp_path)

    def refuse(*_):
        raise PermissionError("annotations")

    # Root, who runs some tests, may read all.
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(PermissionError):
        read_study(tmp_path)


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_page_is_used_in_a_browser_by_keyboard_alone(tmp_path):
    annotate_in_browser.use_page(tmp_path)
