"""A run from its tuning set to its answers: trained once, resumable, kept as a model directory."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from pinch_jax.evaluate.evaluators import answer_metrics
from pinch_jax.files import (
    delete_folder,
    delete_unfinished,
    is_there,
    whole_folder,
    write_record,
)
from pinch_jax.locks import one_writer
from pinch_jax.mesh import gathered, parameter_shardings
from pinch_jax.model.decoder import Params
from pinch_jax.model.directory import open_directory, save_model
from pinch_jax.study.responses import answer, missing_responses, response_bar
from pinch_jax.study.run import Run, clocked, planned
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.checkpoint import Checkpoints
from pinch_jax.train.loop import Hooks, train_loop
from pinch_jax.train.lora import combine, merge
from pinch_jax.train.metrics import MetricWriter
from pinch_jax.waiting import agreed, is_primary, primary_alone, wait_for_all


def complete_run(bench: Workbench, run: Run, languages: Sequence[str], bar: tqdm) -> None:
    """Trains a run and lets it answer in these languages, as far as that is still to be done.

    `bar` counts the steps; answers have one of their own.
    """
    with one_writer(run.directory / "lock", lambda: _tidy(run)):
        params = tuned_params(bench, run, bar.update)
        # Asked for here: whoever wrote before may have answered some.
        if missing := missing_responses(bench, run, languages):
            with response_bar(bench, missing, bar.disable) as responses:
                answer(bench, run, params, missing, responses.update)


def _tidy(run: Run) -> None:
    """Deletes what a killed process left in the directory of a run."""
    delete_unfinished(run.directory)
    model, checkpoints = run.directory / "model", run.directory / "checkpoints"
    if is_there(model) and checkpoints.exists():  # a kill came just after it was written
        open_directory(model)  # if it is damaged, the run goes on from the checkpoints
        delete_folder(checkpoints)


def tuned_params(bench: Workbench, run: Run, progress: Callable[[int], None]) -> Params:
    """Returns the run's tuned parameters on the mesh: loaded where it is done, else trained.

    Raises:
        Interrupted: it was told to stop; another call goes on from the same step.
    """
    if run.plan is None:
        return bench.pretrained
    model_directory = run.directory / "model"
    if agreed(f"looking for {model_directory}", lambda: is_there(model_directory)):
        progress(run.steps)
        return open_directory(model_directory).load_on(bench.mesh)
    if is_primary():
        run.directory.mkdir(parents=True, exist_ok=True)
        write_record(run.directory / "mixture.json", planned(run))
    with clocked(run, "train_seconds"):
        state = _train(bench, run, progress)
    params = _merged(bench, state.params)
    _export(bench, params, model_directory)
    if is_primary():
        delete_folder(run.directory / "checkpoints")
    return params


def _train(bench: Workbench, run: Run, progress: Callable[[int], None]) -> Any:
    train, evaluate = bench.config.train, bench.config.evaluate
    with Checkpoints(run.directory / "checkpoints") as checkpoints:
        wait_for_all(f"the first step of {run.directory.name}")
        state = checkpoints.restore(bench.mesh, bench.abstract_state()) or bench.initial_state()
        first = int(state.step)
        metrics = MetricWriter(run.directory if is_primary() else None, first)
        try:
            hooks = Hooks(
                checkpoints=checkpoints,
                metrics=metrics,
                evaluators=[(evaluate.period_steps, one) for one in _evaluators(bench)],
                checkpoint_period_steps=train.checkpoint_period_steps,
                log_period_steps=train.log_period_steps,
                progress=progress,
            )
            step = functools.partial(bench.train_step, frozen=bench.frozen)
            state = train_loop(state, run.plan, step, bench.mesh, hooks)
        finally:
            metrics.close()
    return state


def _evaluators(bench: Workbench) -> list[Callable]:
    count = bench.config.evaluate.period_prompts
    evaluators: list[Callable] = [bench.heldout_loss]
    if count:
        heldout = {c: bench.corpus.heldout[c][:count] for c in bench.config.languages}
        seed = bench.config.seed
        evaluators.append(functools.partial(answer_metrics, bench.answers, heldout, seed))
    scaling = bench.config.lora.scaling
    return [
        lambda trained, step, e=evaluate: e(combine(bench.frozen, trained, scaling), step)
        for evaluate in evaluators
    ]


def _merged(bench: Workbench, trained: Params) -> Params:
    """Returns what a run has trained as plain float32 parameters, adapters added into weights."""
    c = bench.config
    if not c.lora.rank:
        return trained
    # What was not adapted stays the same to the bit, whatever the precision of the arithmetic.
    base = bench.pretrained if c.model.dtype == "float32" else bench.model.load_on(bench.mesh)
    shardings = parameter_shardings(bench.mesh, base)
    return jax.jit(merge, static_argnums=2, out_shardings=shardings)(base, trained, c.lora.scaling)


def _export(bench: Workbench, params: Params, directory: Path) -> None:
    """Writes a model directory in a way that one that is there is whole."""
    whole = gathered(params)

    def write():
        with whole_folder(directory) as part:
            save_model(part, bench.model, whole)

    primary_alone(f"writing {directory}", write)
