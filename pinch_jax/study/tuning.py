"""A run from its tuning set to its answers: trained once, resumable, kept as config.study says."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pinch_jax.evaluate.evaluators import answer_metrics
from pinch_jax.hosts.goodput import doing, training
from pinch_jax.hosts.locks import one_writer, only_writer
from pinch_jax.hosts.waiting import agreed, is_primary, primary_alone, wait_for_all
from pinch_jax.model.decoder import Params
from pinch_jax.model.directory import open_directory, save_model
from pinch_jax.storage.buckets import in_bucket
from pinch_jax.storage.files import UNFINISHED, write_record
from pinch_jax.storage.folders import delete_folder, delete_unfinished, is_there, whole_folder
from pinch_jax.study.naming import names_of
from pinch_jax.study.responses import answer, missing_responses, response_bar
from pinch_jax.study.run import Run, note_code, planned
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.checkpoint import Checkpoints
from pinch_jax.train.loop import Hooks, train_loop
from pinch_jax.train.lora import combine, merge
from pinch_jax.train.metrics import MetricWriter
from pinch_jax.train.profile import profiled
from pinch_jax.train.trackers import open_trackers


def complete_run(
    bench: Workbench,
    run: Run,
    languages: Sequence[str],
    progress: Callable[[int], None],
    quiet: bool,
) -> None:
    """Trains a run and lets it answer in these languages, as far as that is still to be done.

    `progress` hears of steps, first of those that were done before; answers have a bar of their
    own, unless `quiet`.
    """
    with one_writer(run.directory / "lock", lambda: _tidy(run)):
        params = tuned_params(bench, run, progress)
        # Asked for here: whoever wrote before may have answered some.
        if missing := missing_responses(bench, run, languages):
            with response_bar(bench, missing, quiet) as responses:
                answer(bench, run, params, missing, responses.update)


def paced(bar: tqdm) -> Callable[[int], None]:
    """Returns what a run tells a bar of its steps by; the first call is of those done before."""
    begun = False

    def tell(steps: int) -> None:
        nonlocal begun
        if not (begun or bar.disable):
            bar.initial += steps  # they say nothing of the time that is left
        begun = True
        bar.update(steps)

    return tell


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
        kept = open_directory(model_directory)
        params = kept.load_on(bench.mesh)
        if kept.details != bench.model.details:  # where answers end decides no weights
            primary_alone(f"deleting {model_directory}", lambda: delete_folder(model_directory))
            _export(bench, params, model_directory)
        return params
    if is_primary():
        run.directory.mkdir(parents=True, exist_ok=True)
        write_record(run.directory / "mixture.json", planned(run))
    note_code(run)
    params = _merged(bench, _train(bench, run, progress).params)
    if bench.config.keeps_adapters:
        return params
    _export(bench, params, model_directory)
    if is_primary():
        delete_folder(run.directory / "checkpoints")
    return params


def forget_weights(run: Run) -> None:
    """Deletes the weights of a run; its answers and metrics stay."""

    def delete() -> None:
        held = [run.directory / name for name in ("model", "checkpoints")]
        if held := [folder for folder in held if folder.exists()]:
            with only_writer(run.directory / "lock"):
                for folder in held:  # what is there is whole
                    if in_bucket(folder):
                        delete_folder(folder)
                    else:
                        folder.rename(folder.with_name(folder.name + UNFINISHED))
                delete_unfinished(run.directory)

    primary_alone(f"deleting the weights of {run.label}", delete)


def _train(bench: Workbench, run: Run, progress: Callable[[int], None]) -> Any:
    train, evaluate = bench.config.train, bench.config.evaluate
    with Checkpoints(run.directory / "checkpoints") as checkpoints:
        wait_for_all(f"the first step of {run.directory.name}")
        state = checkpoints.restore(bench.mesh, bench.abstract_state()) or bench.initial_state()
        first = int(state.step)
        metrics = _metrics(bench, run, first)
        try:
            step = functools.partial(bench.train_step, frozen=bench.frozen)
            # Of one run alone: the others do the same.
            wanted, bench.profile = bench.profile, None
            tracing = profiled(step, first, wanted, run.directory / "profile")
            with training(run.directory.name, progress) as told, tracing as step:
                hooks = Hooks(
                    checkpoints=checkpoints,
                    metrics=metrics,
                    evaluators=[(evaluate.period_steps, one) for one in _evaluators(bench)],
                    checkpoint_period_steps=train.checkpoint_period_steps,
                    log_period_steps=train.log_period_steps,
                    progress=told,
                )
                state = train_loop(state, run.plan, step, bench.mesh, hooks)
            if bench.config.keeps_adapters:
                checkpoints.save(state)
        finally:
            metrics.close()
    return state


def _metrics(bench: Workbench, run: Run, first: int) -> MetricWriter:
    if not is_primary():
        return MetricWriter(None)
    c = bench.config
    name = names_of([run.spec], c.languages, c.mixture.base)[run.spec]
    name += f", draw {run.draw}" * bool(run.draw)
    trackers = open_trackers(c.track, run.directory, name, planned(run), first)
    return MetricWriter(run.directory, first, trackers)


def _evaluators(bench: Workbench) -> list[Callable]:
    count = bench.config.evaluate.period_prompts
    evaluators: list[Callable] = [bench.heldout_loss]
    if count:
        heldout = {c: bench.corpus.heldout[c][:count] for c in bench.config.languages}
        seed = bench.config.seed
        evaluators.append(functools.partial(answer_metrics, bench.answers, heldout, seed))

    def whole(trained):
        return combine(bench.frozen, trained, bench.config.lora.scaling)

    return [
        doing("evaluating")(lambda trained, step, e=evaluate: e(whole(trained), step))
        for evaluate in evaluators
    ]


def _merged(bench: Workbench, trained: Params) -> Params:
    """Returns what a run has trained as plain float32 parameters, adapters added into weights."""
    c = bench.config
    if not c.lora.rank:
        return trained
    # What was not adapted stays the same to the bit, whatever the precision of the arithmetic.
    anew = c.model.dtype != "float32"
    base = bench.model.load_on(bench.mesh) if anew else bench.pretrained
    return merge(base, trained, c.lora.scaling, donate=anew)


@doing("saving")
def _export(bench: Workbench, params: Params, directory: Path) -> None:
    """Writes a model directory in a way that one that is there is whole."""
    with whole_folder(directory, primary_alone, wait_for_all) as part:
        save_model(part, bench.model, params)
