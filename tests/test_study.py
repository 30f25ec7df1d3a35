"""A miniature study, from nothing to the report."""

import dataclasses
import json
import re
import shutil

import jax
import numpy as np
import pytest
from small import small_study

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.judge.certificate import FORMAT
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.model.directory import open_directory
from pinch_jax.report.page import write_report
from pinch_jax.storage.files import CHECKSUM, read_record, write_record
from pinch_jax.study.analysis import analyse
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.plan import describe, plan_study
from pinch_jax.study.records import read_records
from pinch_jax.study.runner import run_study
from pinch_jax.study.tuning import tuned_params
from pinch_jax.study.workdir import TOKENIZER, claim_workdir
from pinch_jax.text.tokenizer import load_tokenizer
from pinch_jax.version import code_version

pytestmark = pytest.mark.usefixtures("figures_as_svg_alone")

PROMPTS = 3


def miniature(data_dir):
    config = tiny.get_config()
    small_study(config)
    config.languages = ("en", "fi", "it", "ru")
    config.corpus.data_dir = str(data_dir)
    config.mixture.examples = 24
    config.train.epochs = 1
    config.evaluate.prompts = PROMPTS
    config.evaluate.rows = 8
    config.evaluate.loss_prompts = 2
    config.study.percents = (0, 50, 100)
    config.study.pinch_examples = 4
    config.study.tuning_languages = ("en", "fi")
    config.study.breadth_orders = (("en", "fi"), ("fi", "en"))
    config.study.slavic_languages = ("ru", "hr")
    return config


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return miniature(tmp_path_factory.mktemp("corpora"))


@pytest.fixture(scope="module")
def study(config, tmp_path_factory):
    """A study that two shards have finished."""
    study = plan_study(from_config_dict(config), tmp_path_factory.mktemp("study"), progress=False)
    assert not run_study(study, (0, 2), progress=False)
    assert run_study(study, (1, 2), progress=False)
    return study


@pytest.fixture(scope="module")
def judge(study, tmp_path_factory):
    """A model that judges: one that the study has tuned."""
    kept = tmp_path_factory.mktemp("judge") / "model"
    return str(shutil.copytree(study.runs["monolingual:en"][0].directory / "model", kept))


def files(directory):
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


def test_every_set_is_trained_once_by_one_compiled_step(study):
    specs = {spec for arm in study.arms for spec in (arm.spec, *arm.baselines.values())}
    # 4 monolingual and the untuned; pinch n4, 50, 100, over 4 languages and over 2; the pairs;
    # hr. The even split of breadth is P = 100 over its languages.
    assert len(specs) == 5 + 3 + 3 + 1 + 2 + 1
    same = study.runs["uniform:en,fi"][0], study.runs["pinch:100:en,fi"][0]
    assert same[0] is same[1]
    assert len({run.fingerprint for run in study.distinct}) == len(study.distinct) < len(specs)
    assert len(list((study.workdir / "runs").iterdir())) == len(study.distinct)
    # The cache of answers has one program for each of the two widths of prompts.
    assert study.bench.compilations() == {"train_step": 1, "decode": 2}
    assert f"{len(study.distinct) - 1} distinct tuning sets" in describe(study)


def test_every_run_has_all_of_its_examples_and_answers(study):
    for run in study.distinct:
        for language in study.languages[run.directory.name]:
            lines = run.responses_in(language).read_text("utf-8").splitlines()
            asked = [json.loads(line)["id"] for line in lines]
            heldout = study.bench.corpus.heldout[language]
            assert asked == [example.id for example in heldout[:PROMPTS]]
        if run.spec != PRETRAINED:
            described = json.loads((run.directory / "mixture.json").read_text())
            assert sum(described["examples"].values()) == 24
            metrics = (run.directory / "metrics.jsonl").read_text().splitlines()
            losses = [json.loads(line) for line in metrics]
            steps = [line["step"] for line in losses if "loss" in line]
            assert steps == list(range(1, run.steps + 1))
            assert "eval/ru/loss" in losses[-1]


def test_a_finished_study_is_not_done_again_and_what_is_missing_is(study, capsys):
    before = files(study.workdir)
    # study.json is written at each call; nothing else is touched.
    assert run_study(study)
    told = capsys.readouterr().err
    # Steps of before are done, and give no pace by which time would be left.
    assert f"{sum(run.steps for run in study.distinct)}/" in told and "step/s" in told
    assert not re.search(r"\dstep/s", told)
    changed = {path.name for path, time in files(study.workdir).items() if before.get(path) != time}
    assert changed == {"study.json"}

    lost = study.runs["pinch:50"][0].responses_in("fi")
    answers = lost.read_bytes()
    lost.unlink()
    verdicts = next(path for path in before if "pinch-50-" in path.name and "--fi" in path.name)
    whole = verdicts.read_bytes()
    verdicts.write_bytes(whole[: len(whole) // 2])
    assert run_study(study, progress=False)
    assert lost.read_bytes() == answers
    assert verdicts.read_bytes() == whole


def test_the_tokenizer_that_is_kept_is_that_of_the_last_call(study):
    path, folder = study.workdir / "study.json", study.workdir / TOKENIZER
    # As a call left it before the model's files were replaced.
    write_record(path, read_record(path, "") | {"tokenizer": "another one's"})
    (folder / "tokenizer.model").write_bytes(b"another one's")
    assert run_study(study, progress=False)
    assert load_tokenizer(folder).checksum == study.bench.model.tokenizer.checksum


def test_a_kept_model_ends_its_answers_as_the_study_s_does_today(study, monkeypatch):
    run = study.runs["monolingual:fi"][0]
    before = open_directory(run.directory / "model")
    weights = jax.tree.map(np.array, before.weights.load())
    # As where somebody has mended a generation_config.json in its place.
    today = dataclasses.replace(study.bench.model, details={"eos_token_id": [7, 9]})
    monkeypatch.setattr(study.bench, "model", today)
    tuned_params(study.bench, run, lambda steps: None)
    after = open_directory(run.directory / "model")
    assert {7, 9} <= {*after.stop_ids} and not {7, 9} & {*before.stop_ids}
    assert jax.tree.all(jax.tree.map(np.array_equal, weights, after.weights.load()))


def test_a_run_that_was_stopped_keeps_the_code_that_began_it(study, tmp_path, monkeypatch):
    told = "--xla_dump_to=/here --xla_cpu_enable_fast_math=false"
    monkeypatch.setenv("NPROC", "7")
    monkeypatch.setenv("XLA_FLAGS", f"--xla_force_host_platform_device_count=8 {told}")
    run = dataclasses.replace(study.runs["pinch:50"][0], directory=tmp_path / "run")

    def stop(steps):
        raise KeyboardInterrupt

    path = run.directory / "run.json"
    with pytest.raises(KeyboardInterrupt):
        tuned_params(study.bench, run, stop)
    described = json.loads(path.read_text())
    assert described["code"] == [code_version()]
    del described[CHECKSUM]
    (here,) = described["machines"]
    # XLA splits sums over them: a run of one core and of two differ in their last bits.
    assert here.startswith(f"8 cpu (cores: 7), jax {jax.__version__}")
    # So may these decide; where this machine keeps its dumps is nobody's concern.
    assert here.endswith(f"numpy {np.__version__}, --xla_cpu_enable_fast_math=false")
    write_record(path, described | {"code": ["0.0.9"], "machines": ["4 TPU v4, jax 0.9"]})
    tuned_params(study.bench, run, lambda steps: None)
    # Other code goes on with the run, and is named beside the code that began it.
    worked = json.loads(path.read_text())
    assert worked["code"] == ["0.0.9", code_version()]
    assert worked["machines"] == ["4 TPU v4, jax 0.9", here]


def test_the_report_comes_from_the_study(study):
    analysis = analyse(study.workdir)
    cells = {(row.experiment, row.x, row.language): row for row in analysis.scores}
    assert cells["monolingual", "fi", "fi"].score.value == 50
    assert len(analysis.findings) == 8
    text = write_report(study.workdir).read_text("utf-8")
    for finding in analysis.findings:
        assert finding.verdict in text
    assert "50 % over all languages" in text


def test_a_finished_study_is_given_a_second_judge_and_nothing_is_answered_again(
    config, study, judge, tmp_path
):
    before = files(study.workdir / "runs")
    other = config.copy_and_resolve_references()
    other.study.judge = "model,reference"
    other.judges.model.model = judge
    both = plan_study(from_config_dict(other), study.workdir, progress=False)
    claim_workdir(both.bench.config, study.workdir)
    # A call that has not come to its end has changed no result, and the page says by what it is.
    analyse(study.workdir)
    assert read_records(study.workdir).config["study"]["judge"] == "reference"
    assert run_study(both, progress=False)
    analyse(study.workdir)
    assert read_records(study.workdir).config["study"]["judge"] == "model,reference"
    assert files(study.workdir / "runs") == before
    assert {path.name.split("-")[0] for path in (study.workdir / "verdicts").glob("*/")} == {
        "model",
        "reference",
    }
    analysis = analyse(study.workdir)
    by_model = [row for row in analysis.judges if row.judge == "model"]
    assert by_model and all(0 < row.score_by_probability.value < 100 for row in by_model)
    # The figures are the first judge's.
    assert [row.score.value for row in by_model] == [
        row.score.value for row in analysis.scores if row.wins == row.wins
    ]
    lost = next((study.workdir / "verdicts").glob("reference-*/*"))
    verdicts = lost.read_bytes()
    lost.unlink()
    other.study.judge = "reference,model"
    of_another = {"format": FORMAT, "judge": {"name": "another", "identity": "another's"}}
    write_record(tmp_path / "certificate.json", of_another)
    (tmp_path / "words.txt").write_text("Which is better?")
    for field, file, trouble in (
        ("certificate", "certificate.json", "is of another judge, 'another'"),
        ("template", "words.txt", "is missing; it needs each of"),
    ):
        wrong = other.copy_and_resolve_references()
        wrong.judges.model[field] = str(tmp_path / file)
        refused = plan_study(from_config_dict(wrong), study.workdir, progress=False)
        with pytest.raises(UserError, match=trouble):
            run_study(refused, progress=False)
        assert not lost.exists(), "the first judge, who may cost something, was asked before"
    of_references = of_another | {"judge": {"identity": ReferenceJudge.identity}}
    write_record(tmp_path / "certificate.json", of_references)
    wrong.judges.model.certificate = str(tmp_path / "certificate.json")
    with pytest.raises(UserError, match="is of the references; certify with --judge=model"):
        plan_study(from_config_dict(wrong), study.workdir, progress=False)
    lost.write_bytes(verdicts)
    (all_languages,) = (row for row in analysis.agreement if row.language == "all")
    assert -1 <= all_languages.kappa.value < 1 and all_languages.outcomes >= PROMPTS * 4 * 3
    assert "model and reference say the same" in write_report(study.workdir).read_text("utf-8")


def test_a_study_that_keeps_no_weights_trains_nothing_anew_and_judges_as_before(
    config, study, judge
):
    less = config.copy_and_resolve_references()
    less.study.judge, less.judges.model.model = "model,reference", judge
    less.study.keep_weights = "none"
    bare = plan_study(from_config_dict(less), study.workdir, progress=False)
    judged = analyse(study.workdir).judges
    before = files(study.workdir)
    # By model, whose scores at equal length need a tokenizer.
    assert any(row.score_of_equal_length.value for row in judged)
    for _ in range(2):
        assert run_study(bare, progress=False)
        after = files(study.workdir)
        gone = {path.parts[-2] for path in before if path not in after}
        assert gone == {"model"} and not list(study.workdir.glob("runs/*/model*"))
        assert {path.name for path, time in after.items() if before.get(path) != time} <= {
            "config.json",
            "study.json",
        }
    assert analyse(study.workdir).judges == judged


def test_another_study_is_refused_in_the_same_directory(config, study):
    other = config.copy_and_resolve_references()
    other.train.learning_rate = 0.5
    with pytest.raises(ValueError, match=r"config\.train\.learning_rate is 0\.\d+ there and 0\.5"):
        plan_study(from_config_dict(other), study.workdir, progress=False)


def test_a_budget_that_the_corpus_cannot_meet_stops_before_any_work(config, tmp_path):
    greedy = config.copy_and_resolve_references()
    greedy.mixture.examples = 100_000
    with pytest.raises(ValueError, match=r"100000: the corpus has only .* examples"):
        plan_study(from_config_dict(greedy), tmp_path, progress=False)
    assert not (tmp_path / "runs").exists()
