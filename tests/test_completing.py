"""Runs of a study made at once."""

import errno
import multiprocessing
import re
import signal

import pytest
from small import small_study
from trees import assert_close

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.hosts.goodput import DELEGATING, kept, read_goodput
from pinch_jax.model.directory import open_directory
from pinch_jax.storage.files import read_record
from pinch_jax.study.completing import jobs_at_once
from pinch_jax.study.plan import plan_study
from pinch_jax.study.run import DESCRIPTION, MACHINES, cores
from pinch_jax.study.runner import run_study


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    c = tiny.get_config()
    small_study(c)
    c.languages = ("en", "fi")
    c.corpus.data_dir = str(tmp_path_factory.mktemp("corpora"))
    c.mixture.examples = 8
    c.evaluate.prompts = c.evaluate.loss_prompts = 2
    c.study.experiments = ("monolingual",)
    return from_config_dict(c)


def test_runs_at_once_are_those_of_one_after_the_other(config, tmp_path):
    one, two = (plan_study(config, tmp_path / name, progress=False) for name in ("one", "two"))
    assert run_study(one, progress=False)
    with kept(two.workdir):
        assert run_study(two, progress=False, jobs=2)
    for alone, beside in zip(one.distinct, two.distinct, strict=True):
        for language in one.languages[alone.directory.name]:
            paths = (run.responses_in(language) for run in (alone, beside))
            assert len({path.read_bytes() for path in paths}) == 1
        if not alone.plan:
            continue
        models = (open_directory(run.directory / "model") for run in (alone, beside))
        # XLA splits sums over as many threads as it has.
        assert_close(*(model.load_on(one.bench.mesh) for model in models), rtol=1e-4, atol=1e-6)
        (machine,) = read_record(beside.directory / DESCRIPTION, "")[MACHINES]
        assert re.search(r"cores: (\d+)", machine)[1] == str(max(cores() // 2, 1))
    calls, seconds = read_goodput(two.workdir)
    # What the workers did they have counted, and the parent's waiting is no part of it.
    assert calls == 3 and DELEGATING not in seconds and seconds["training"] > 0


def test_what_a_worker_fails_by_is_what_the_study_fails_by(config, tmp_path):
    study = plan_study(config, tmp_path, progress=False)
    broken = study.distinct[1].directory
    broken.mkdir(parents=True)
    (broken / DESCRIPTION).write_text("no record")
    with pytest.raises(UserError, match=DESCRIPTION):
        run_study(study, (1, len(study.distinct)), progress=False, jobs=2)


def test_a_worker_that_cannot_be_started_ends_the_study_by_what_the_system_says(
    config, tmp_path, monkeypatch
):
    study = plan_study(config, tmp_path, progress=False)
    hearing = signal.getsignal(signal.SIGINT)

    def refuse(process):
        raise BlockingIOError(errno.EAGAIN, "no process is left")

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", refuse)
    with pytest.raises(BlockingIOError, match="no process is left"):
        run_study(study, progress=False, jobs=2)
    assert signal.getsignal(signal.SIGINT) is hearing


def test_more_at_once_than_there_are_cores_are_refused():
    assert jobs_at_once(cores()) == cores() and 1 <= jobs_at_once(0) <= cores()
    with pytest.raises(UserError, match=f"set --jobs={cores()}$"):
        jobs_at_once(cores() + 1)
