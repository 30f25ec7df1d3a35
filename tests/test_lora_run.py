"""A run with adapters, from the config to the exported model and its answers."""

import dataclasses

import jax
import numpy as np
import pytest

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.devices.mesh import path_name
from pinch_jax.model.directory import open_directory
from pinch_jax.study.run import make_run
from pinch_jax.study.tuning import forget_weights, tuned_params
from pinch_jax.study.workbench import Workbench

ADAPTED = ("query", "down")


def make_config(data_dir, **lora):
    config = tiny.get_config()
    config.languages = ("en", "fi")
    config.study.experiments = ("monolingual",)
    config.corpus.data_dir = str(data_dir)
    config.mixture.examples = 24
    config.train.epochs = 1
    config.train.learning_rate = 0.02
    config.evaluate.rows = 8
    config.evaluate.loss_prompts = 2
    config.evaluate.period_prompts = 2
    config.model.dtype = "bfloat16"
    config.lora.rank = 2
    config.lora.projections = ADAPTED
    config.lora.update(lora)
    return from_config_dict(config)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Returns (workbench, run, tuned parameters, adapters in its last checkpoint)."""
    data_dir, workdir = tmp_path_factory.mktemp("corpora"), tmp_path_factory.mktemp("work")
    bench = Workbench(make_config(data_dir), progress=False)
    run = make_run(bench, "pinch:50", workdir)
    return bench, run, tuned_params(bench, run, lambda steps: None)


def test_the_exported_model_is_the_one_that_answers(finished):
    bench, run, tuned = finished
    exported = open_directory(run.directory / "model").weights.load()
    changed = set()
    for (path, x), y, before in zip(
        jax.tree_util.tree_leaves_with_path(exported),
        jax.tree.leaves(tuned),
        jax.tree.leaves(bench.model.weights.load()),
        strict=True,
    ):
        assert x.dtype == y.dtype == np.float32 and np.array_equal(x, y), path_name(path)
        if not np.array_equal(x, before):
            changed.add(path_name(path))
    assert changed == {"layers/attention/query", "layers/feedforward/down"}
    prompts = [e.prompt for e in bench.corpus.heldout["fi"][:8]]
    again = tuned_params(bench, run, lambda steps: None)
    assert bench.answers(again, prompts, 0) == bench.answers(tuned, prompts, 0)


def test_adapters_alone_are_kept_and_later_make_the_same_model(finished, tmp_path, monkeypatch):
    bench, whole, tuned = finished
    run = make_run(bench, "pinch:50", tmp_path)

    def tune(kept):
        study = dataclasses.replace(bench.config.study, keep_weights=kept)
        monkeypatch.setattr(bench, "config", dataclasses.replace(bench.config, study=study))
        steps = []
        params = tuned_params(bench, run, steps.append)
        assert all(map(np.array_equal, jax.tree.leaves(params), jax.tree.leaves(tuned)))
        return steps

    assert tune("adapters") == [0] + run.steps * [1]
    # Again without a step, from what is a small part of a model.
    assert tune("adapters") == tune("none") == [run.steps]
    weights = whole.directory / "model" / "model.safetensors"
    checkpoints = run.directory / "checkpoints"
    held = sum(path.stat().st_size for path in checkpoints.rglob("*") if path.is_file())
    assert 0 < held < 0.5 * weights.stat().st_size and not (run.directory / "model").exists()
    assert tune("all") == [run.steps] and not checkpoints.exists()
    ours, theirs = (each.directory / "model" / "checksums.json" for each in (run, whole))
    assert ours.read_bytes() == theirs.read_bytes()
    forget_weights(run)
    assert {path.name for path in run.directory.iterdir()} == {
        "metrics.jsonl",
        "mixture.json",
        "run.json",
        "tensorboard",
    }


def test_frozen_weights_are_held_once_in_the_precision_of_the_arithmetic(finished):
    bench, _, _ = finished
    kinds = {path_name(p).rpartition("/")[2]: x.dtype.name for p, x in
             jax.tree_util.tree_leaves_with_path(bench.frozen)}  # fmt: skip
    assert kinds.pop("scale") == "float32" and set(kinds.values()) == {"bfloat16"}
    assert bench.frozen is bench.pretrained
    state = bench.initial_state()
    assert {x.dtype.name for x in jax.tree.leaves(state)} == {"float32", "int32"}
    sizes = [sum(x.nbytes for x in jax.tree.leaves(t)) for t in (state, bench.frozen)]
    assert sizes[0] < 0.1 * sizes[1]


def test_what_decides_adapters_is_in_the_fingerprint(finished, tmp_path):
    bench, run, _ = finished
    data_dir = bench.config.corpus.data_dir

    def fingerprint(config):
        return Workbench(config, progress=False).fingerprint(run.plan)

    assert fingerprint(bench.config) == run.fingerprint
    others = [
        make_config(data_dir, rank=3),
        make_config(data_dir, alpha=3.0),
        make_config(data_dir, projections=("query",)),
        dataclasses.replace(bench.config, seed=1),
        make_config(data_dir, rank=0),
    ]
    *_, of_full = told = [run.fingerprint, *map(fingerprint, others)]
    with jax.default_matmul_precision("highest"):
        told.append(fingerprint(bench.config))
    assert len({*told}) == len(told) == 7
    # Where all parameters are trained, nothing of it matters.
    assert fingerprint(make_config(data_dir, rank=0, alpha=3.0)) == of_full
