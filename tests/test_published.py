"""The answers of a study without their prompts: written, and taken over by another directory."""

import dataclasses
import gzip
import json
import re
import shutil

import pytest
from test_study import PROMPTS, miniature

from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.storage.files import write_record
from pinch_jax.study.plan import plan_study
from pinch_jax.study.published import ANSWERS, adopt_answers, publish_answers
from pinch_jax.study.responses import missing_responses, write_responses
from pinch_jax.study.run import planned
from pinch_jax.study.workdir import claim_workdir

ANSWERED = ("en", "fi", "it", "ru")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = miniature(tmp_path_factory.mktemp("corpora"))
    config.study.experiments = ("monolingual",)
    return from_config_dict(config)


@pytest.fixture(scope="module")
def answered(config, tmp_path_factory):
    """A study one of whose runs has answered, with texts that no model of this size would write."""
    study = plan_study(config, tmp_path_factory.mktemp("study"), progress=False)
    claim_workdir(config, study.workdir)
    run = study.runs["monolingual:fi"][0]
    (run.directory / "responses").mkdir(parents=True)
    write_record(run.directory / "mixture.json", planned(run))
    for code in ANSWERED:
        asked = enumerate(study.bench.corpus.heldout[code][:PROMPTS])
        responses = [(example, f"{code} \u2028 «{number}»") for number, example in asked]
        write_responses(study.bench, run, responses)
    return study


@pytest.fixture(scope="module")
def another(config, tmp_path_factory):
    return plan_study(config, tmp_path_factory.mktemp("another") / "elsewhere", progress=False)


@pytest.fixture
def elsewhere(another):
    """The same study in another directory, of which nothing has been done."""
    yield another
    shutil.rmtree(another.workdir, ignore_errors=True)


@pytest.fixture
def folder(answered, tmp_path):
    name = answered.runs["monolingual:fi"][0].directory.name
    assert publish_answers(answered.workdir, tmp_path / "published") == [name]
    return tmp_path / "published"


def rewritten(folder, change):
    """Lets a function change the lines of the one file of answers."""
    (path,) = folder.glob(f"*/{ANSWERS}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    change(lines)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()))


def test_what_is_taken_over_is_what_was_answered_and_the_run_is_finished(
    answered, folder, elsewhere
):
    run = elsewhere.runs["monolingual:fi"][0]
    assert missing_responses(elsewhere.bench, run, ANSWERED) == list(ANSWERED)
    assert adopt_answers(elsewhere, folder) == [run.directory.name]
    assert missing_responses(elsewhere.bench, run, ANSWERED) == []
    told = answered.runs["monolingual:fi"][0]
    for code in ANSWERED:
        assert run.responses_in(code).read_bytes() == told.responses_in(code).read_bytes()
    described = [of.directory / "mixture.json" for of in (run, told)]
    assert described[0].read_bytes() == described[1].read_bytes()
    # What is there is not taken over again.
    assert adopt_answers(elsewhere, folder) == []


def test_neither_a_prompt_nor_the_time_is_published(answered, folder):
    (path,) = folder.glob(f"*/{ANSWERS}")
    time = path.read_bytes()[4:8]  # Source: RFC 1952, section 2.3.1
    assert time == bytes(4)
    text = gzip.decompress(path.read_bytes()).decode()
    prompts = [e.prompt for code in ANSWERED for e in answered.bench.corpus.heldout[code][:PROMPTS]]
    assert len(prompts) == PROMPTS * len(ANSWERED) and not any(prompt in text for prompt in prompts)


def test_answers_to_other_prompts_or_made_in_another_way_are_refused(config, folder, elsewhere):
    rewritten(folder, lambda lines: lines[0].update(new_tokens=7))
    with pytest.raises(ValueError, match=r"new_tokens is 7 there and \d+ here; take the corpus"):
        adopt_answers(elsewhere, folder)
    rewritten(folder, lambda lines: lines[0].update(new_tokens=config.evaluate.new_tokens))
    rewritten(folder, lambda lines: lines[1].update(id=lines[2]["id"]))
    with pytest.raises(ValueError, match=r"prompts_sha256 is '.*' there and '.*' here"):
        adopt_answers(elsewhere, folder)
    rewritten(folder, lambda lines: lines[1].update(id="nobody.asked"))
    with pytest.raises(ValueError, match=r"the corpus has no prompt .*nobody\.asked"):
        adopt_answers(elsewhere, folder)
    assert missing_responses(
        elsewhere.bench, elsewhere.runs["monolingual:fi"][0], ANSWERED
    ) == list(ANSWERED)


def test_an_answer_that_was_changed_is_refused_where_the_folder_says_what_was_answered(
    folder, elsewhere
):
    run = elsewhere.runs["monolingual:fi"][0]
    rewritten(folder, lambda lines: lines[1].update(response="changed"))
    with pytest.raises(UserError, match=r"answers\.jsonl\.gz does not match its answers_sha256"):
        adopt_answers(elsewhere, folder)
    assert missing_responses(elsewhere.bench, run, ANSWERED) == list(ANSWERED)
    rewritten(folder, lambda lines: lines[0].pop("answers_sha256"))
    assert adopt_answers(elsewhere, folder) == [run.directory.name], "as older folders are"


def test_a_folder_of_another_study_says_how_runs_are_named(config, folder, tmp_path):
    other = dataclasses.replace(config, seed=config.seed + 1)
    elsewhere = plan_study(other, tmp_path / "elsewhere", progress=False)
    claim_workdir(other, elsewhere.workdir)
    with pytest.raises(UserError, match="none of its runs has answered yet"):
        publish_answers(elsewhere.workdir, tmp_path / "more")
    with pytest.raises(UserError, match=r"no answers of this study; .*monolingual-en-"):
        adopt_answers(elsewhere, folder)
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="no answers of this study"):
        adopt_answers(elsewhere, folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ":1: not JSON"),
        ("[]\n", ":1: not a JSON object"),
        ("{}\nnull\n", ":2: not a JSON object"),
        ('{}\n\n{"id": "1"}\n', ":2: not JSON"),
        ('{}\n{"id": "1", "language": "en"}\n', ":2: no field 'response'"),
        ('{}\n{"id": "1", "language": "en", "response": null}\n', ":2: response=null is no text"),
        ('{}\n{"id": ["1"], "language": "en", "response": ""}\n', r':2: id=\["1"\] is no text'),
        ('{}\n{"id": "1", "language": "en", "response": "\\ud800"}\n', ":2: response: character 0"),
    ],
)
def test_answers_that_somebody_broke_are_refused_with_their_line(folder, elsewhere, content, told):
    (path,) = folder.glob(f"*/{ANSWERS}")
    path.write_bytes(gzip.compress(content.encode()))
    with pytest.raises(UserError, match=re.escape(str(path)) + told):
        adopt_answers(elsewhere, folder)
    assert not elsewhere.workdir.exists()


def test_of_a_finished_study_what_it_compares_is_published(answered, tmp_path):
    name, path = answered.runs["monolingual:fi"][0].directory.name, answered.workdir / "study.json"
    arm = {"run": name, "baseline_runs": {"fi": name}}
    write_record(path, {"experiments": [], "arms": [arm]})
    publish_answers(answered.workdir, tmp_path)
    path.unlink()
    with gzip.open(tmp_path / name / ANSWERS) as file:
        lines = [json.loads(line) for line in file]
    assert {line["language"] for line in lines[1:]} == {"fi"} < {*ANSWERED}


def test_answers_are_not_published_into_the_runs_themselves(answered):
    before = sorted(answered.workdir.rglob("*"))
    with pytest.raises(UserError, match="the runs of this study are there; name another folder"):
        publish_answers(answered.workdir, answered.workdir / "runs")
    assert sorted(answered.workdir.rglob("*")) == before
