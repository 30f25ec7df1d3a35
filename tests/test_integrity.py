"""Every file that a study keeps, damaged: who reads it names it, or nothing comes out otherwise.

`pytest -s` prints the table.
"""

import shutil
import types

import pytest
from test_study import miniature

from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.model.directory import open_directory
from pinch_jax.report.page import write_report
from pinch_jax.study.analysis import analyse
from pinch_jax.study.plan import plan_study
from pinch_jax.study.published import adopt_answers, publish_answers
from pinch_jax.study.records import TABLES, read_records
from pinch_jax.study.responses import missing_responses
from pinch_jax.study.runner import run_study
from pinch_jax.study.tuning import _tidy
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import claim_workdir, write_command

# A bit flipped, cut short, cut short between lines, and another file of its kind in its place.
DAMAGES = ("flipped", "truncated", "lines lost", "swapped")
# No number of the report comes from them: they are made anew, or are for people to read.
HARMLESS = {
    *(f"study/{name}" for name in (*TABLES, "checksums.json", "command.txt")),
    "study/runs/mono*/mixture.json",
}
# The points of a loss curve: no result comes from them.
UNNOTICED = {"lines lost": {"metrics.jsonl"}, "swapped": {"metrics.jsonl"}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study of two languages, its corpora and its published answers."""
    root = tmp_path_factory.mktemp("finished")
    config = miniature(root / "corpora")
    config.languages, config.study.experiments = ("en", "fi"), ("monolingual",)
    config = from_config_dict(config)
    study = plan_study(config, root / "study", progress=False)
    assert run_study(study, progress=False)
    write_command(root / "study", "pinch study")
    analyse(root / "study")
    publish_answers(root / "study", root / "published")
    return study, plan_study(config, root / "elsewhere", progress=False), root


def readers(study, elsewhere, root):
    """Returns each kind of file with what reads it."""
    config, run = study.bench.config, study.runs["monolingual:en"][0]

    def answered():
        for code in missing_responses(study.bench, run, ("en", "fi")):
            raise ValueError(f"{code}.jsonl: answered anew")

    def model():
        open_directory(run.directory / "model").weights.load()

    def adopted():
        shutil.rmtree(elsewhere.workdir / "runs", ignore_errors=True)
        adopt_answers(elsewhere, root / "published")

    def curves():
        read_records(root / "study").run_lines(run.directory.name, "metrics.jsonl")

    report, ids = lambda: analyse(root / "study"), lambda: Workbench(config, False).tokenized
    held = "study/runs/monolingual-en*"
    return {
        "study/config.json": lambda: claim_workdir(config, root / "study"),
        "study/study.json": report,
        "study/verdicts/*.jsonl": report,
        f"{held}/responses/en.jsonl": report,
        f"{held}/metrics.jsonl": curves,
        **{f"{held}/model/{path.name}": model for path in (run.directory / "model").iterdir()},
        "corpora/tokenized/fi-*/*.npy": ids,
        "corpora/tokenized/fi-*/checksums.json": ids,
        "published/mono*/answers.jsonl.gz": adopted,
        f"{held}/responses/fi.jsonl": answered,
    }


def damaged(path, others, damage):
    """Returns what a file becomes, or None where it cannot be damaged so."""
    content = path.read_bytes()
    half = len(content) // 2
    if damage == "flipped":
        return content[:half] + bytes([content[half] ^ 0x40]) + content[half + 1 :]
    if damage == "truncated":
        return content[:half]
    if damage == "lines lost":
        return content[: content.rfind(b"\n", 0, half) + 1] if path.suffix == ".jsonl" else None
    return next((o.read_bytes() for o in others if o.read_bytes() != content), None)


def outcome(read):
    """Returns the message of what reads a damaged file, "" if it says nothing."""
    try:
        read()
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("damage", DAMAGES)
def test_who_reads_a_damaged_file_names_it(finished, damage):
    *_, root = finished
    silent = set()
    for kind, read in readers(*finished).items():
        for path in sorted(root.glob(kind)):
            alike = [*root.glob(f"**/{path.name}"), *path.parent.glob("*--*.jsonl")]
            whole, others = path.read_bytes(), [other for other in alike if other != path]
            if (content := damaged(path, others, damage)) is None:
                continue
            path.write_bytes(content)
            said = outcome(read).replace(str(root), "")
            path.write_bytes(whole)
            print(f"{path.relative_to(root)} | {damage} | {said or 'not noticed'}")
            # Of a corpus and of a cache the folder is named, which is to be deleted.
            if path.name not in said and path.parents[1].name not in said:
                silent.add(path.name)
    assert silent <= UNNOTICED.get(damage, set())


@pytest.mark.usefixtures("figures_as_svg_alone")
def test_what_is_no_source_of_a_result_changes_none(finished):
    study, _, root = finished
    results = [(root / "study" / name).read_bytes() for name in TABLES]
    for kind in HARMLESS:
        for path in root.glob(kind):
            path.write_bytes(damaged(path, [], "truncated"))
    again = plan_study(study.bench.config, root / "study", progress=False)
    assert run_study(again, progress=False)
    analyse(root / "study")
    write_report(root / "study")
    assert [(root / "study" / name).read_bytes() for name in TABLES] == results


def test_a_damaged_model_does_not_take_the_checkpoints_with_it(tmp_path):
    run = types.SimpleNamespace(directory=tmp_path)
    (tmp_path / "checkpoints/4").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    with pytest.raises(UserError, match=r"model has no checksums\.json"):
        _tidy(run)
    assert (tmp_path / "checkpoints/4").exists()
