"""One run: a tuning set in, tuned weights and their answers out, every part resumable."""

import contextlib
import dataclasses
import functools
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import logging
from tqdm import tqdm

from pinch_jax.corpus.example import Example
from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.evaluate.answering import answer_prompts, answers_key
from pinch_jax.evaluate.evaluators import answer_metrics
from pinch_jax.evaluate.records import read_responses, response_record
from pinch_jax.files import (
    delete_unfinished,
    json_line,
    read_record,
    whole_folder,
    write_record,
    write_text,
)
from pinch_jax.locks import only_writer
from pinch_jax.mesh import gathered, parameter_shardings
from pinch_jax.model.decoder import Params
from pinch_jax.model.directory import open_directory, save_model
from pinch_jax.stops import stoppable
from pinch_jax.study.experiments.interface import PRETRAINED
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.checkpoint import Checkpoints
from pinch_jax.train.loop import train_loop
from pinch_jax.train.lora import check_rank, combine, merge
from pinch_jax.train.metrics import MetricWriter
from pinch_jax.waiting import agreed, is_primary, primary_alone, wait_for_all

DESCRIPTION = "run.json"
# What run.json knows that the plan of a run does not.
CLOCKS = ("train_seconds", "decode_seconds")


@dataclasses.dataclass(frozen=True)
class Run:
    """One distinct tuning set and its place on disk.

    Attributes:
        spec: the first of the specs that mean this set, or PRETRAINED.
        plan: its batches; None for the untuned model.
        directory: runs/<name>-<fingerprint>.
    """

    spec: str
    plan: BatchPlan | None
    fingerprint: str
    directory: Path

    @property
    def steps(self) -> int:
        """Steps of training; none for the untuned model."""
        return self.plan.steps if self.plan else 0


def make_run(bench: Workbench, spec: str, workdir: Path) -> Run:
    """Returns the run of a spec; nothing is started.

    Raises:
        UserError: the corpus, or the model that is adapted, is too small for what is asked.
    """
    c = bench.config
    for code in c.languages:
        bench.corpus.prompts(code, c.evaluate.prompts)
    check_rank(bench.decoder, c.lora)
    plan = None if spec == PRETRAINED else bench.plan(spec)
    fingerprint = bench.fingerprint(plan)
    # Cut: the fingerprint is what tells two runs apart.
    name = re.sub(r"[^\w.]+", "-", spec)[:48]
    return Run(spec, plan, fingerprint, workdir / "runs" / f"{name}-{fingerprint[:12]}")


def complete_run(bench: Workbench, run: Run, languages: Sequence[str], bar: tqdm) -> None:
    """Trains a run and lets it answer in these languages, as far as that is still to be done.

    `bar` counts the steps; answers have one of their own.
    """
    with _only_writer_of(run):
        params = tuned_params(bench, run, bar.update)
        # Asked for here: whoever wrote before may have answered some.
        if missing := missing_responses(bench, run, languages):
            with response_bar(bench, missing, bar.disable) as responses:
                answer(bench, run, params, missing, responses.update)


@contextlib.contextmanager
def _only_writer_of(run: Run) -> Iterator[None]:
    """Holds the directory of a run while the block runs: no other call works on it."""
    with contextlib.ExitStack() as held:

        def hold():
            held.enter_context(only_writer(run.directory / "lock"))
            delete_unfinished(run.directory)
            if (run.directory / "model").exists():  # a kill came just after it was written
                shutil.rmtree(run.directory / "checkpoints", ignore_errors=True)

        primary_alone(f"waiting for {run.directory}", hold)
        yield


def tuned_params(bench: Workbench, run: Run, progress: Callable[[int], None]) -> Params:
    """Returns the run's tuned parameters on the mesh: loaded where it is done, else trained.

    Raises:
        Interrupted: it was told to stop; another call goes on from the same step.
    """
    if run.plan is None:
        return bench.pretrained
    model_directory = run.directory / "model"
    if agreed(f"looking for {model_directory}", model_directory.exists):
        progress(run.steps)
        return bench.load(open_directory(model_directory))
    if is_primary():
        run.directory.mkdir(parents=True, exist_ok=True)
        write_record(run.directory / "mixture.json", _planned(run))
    with _clocked(run, "train_seconds"):
        state = _train(bench, run, progress)
    params = _merged(bench, state.params)
    _export(bench, params, model_directory)
    if is_primary():
        shutil.rmtree(run.directory / "checkpoints")
    return params


def describe_run(run: Run) -> dict[str, Any]:
    """Returns what a run is, by its plan, and the seconds that it has taken.

    Raises:
        UserError: its run.json is damaged, or another run's.
    """
    path = run.directory / DESCRIPTION
    if not path.exists():
        return _planned(run)
    remedy = "delete it, and only the seconds that the run took are lost"
    held = read_record(path, remedy)
    if held.get("fingerprint", run.fingerprint) != run.fingerprint:
        raise UserError(f"{path} is that of another run, {held.get('spec')!r}; {remedy}")
    return _planned(run) | {name: held[name] for name in CLOCKS if name in held}


def _planned(run: Run) -> dict[str, Any]:
    if (plan := run.plan) is None:
        return {"spec": run.spec, "fingerprint": run.fingerprint, "steps": 0}
    totals = plan.totals()
    return {
        "spec": run.spec,
        "fingerprint": run.fingerprint,
        "steps": plan.steps,
        "budgets": plan.budgets,
        "composition": plan.mixture.composition,
        "granularity": plan.mixture.granularity,
        "dropped": plan.dropped,
        **totals,
    }


def _train(bench: Workbench, run: Run, progress: Callable[[int], None]) -> Any:
    train, evaluate = bench.config.train, bench.config.evaluate
    with Checkpoints(run.directory / "checkpoints") as checkpoints:
        wait_for_all(f"the first step of {run.directory.name}")
        state = checkpoints.restore(bench.mesh, bench.abstract_state()) or bench.initial_state()
        first = int(state.step)
        metrics = MetricWriter(run.directory if is_primary() else None, first)
        try:
            state = train_loop(
                state,
                run.plan,
                functools.partial(bench.train_step, frozen=bench.frozen),
                bench.mesh,
                checkpoints,
                metrics,
                [(evaluate.period_steps, evaluator) for evaluator in _evaluators(bench)],
                train.checkpoint_period_steps,
                train.log_period_steps,
                progress,
            )
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
    base = bench.pretrained if c.model.dtype == "float32" else bench.load(bench.model)
    shardings = parameter_shardings(bench.mesh, base)
    return jax.jit(merge, static_argnums=2, out_shardings=shardings)(base, trained, c.lora.scaling)


def _export(bench: Workbench, params: Params, directory: Path) -> None:
    """Writes a model directory by renaming, so that one that is there is whole."""
    whole = gathered(params)

    def write():
        with whole_folder(directory) as part:
            save_model(part, bench.model, whole)

    primary_alone(f"writing {directory}", write)


def missing_responses(bench: Workbench, run: Run, languages: Sequence[str]) -> list[str]:
    """Returns the languages in which the run has yet to answer: the same in all processes.

    Answers to other prompts than today's, or of another model or way to answer, do not count.

    Raises:
        UserError: a file of responses is damaged.
    """

    def unanswered(code):
        return not agreed(f"reading {path_of(code)}", lambda: _has_answered(bench, run, code))

    path_of = functools.partial(response_path, run)
    return [code for code in languages if unanswered(code)]


def _has_answered(bench: Workbench, run: Run, language: str) -> bool:
    path = response_path(run, language)
    if not path.exists():
        return False
    by = _made_by(bench, run)
    unanswered = [_kept_record(example, "", by) for example in _asked(bench, language)]
    held = read_responses(path, kept=True).values()
    if [record | {"response": ""} for record in held] == unanswered:
        return True
    logging.warning("%s: to other prompts, or made in another way; answered anew", path)
    return False


def _asked(bench: Workbench, language: str) -> Sequence[Example]:
    return bench.corpus.prompts(language, bench.config.evaluate.prompts)


def _made_by(bench: Workbench, run: Run) -> str:
    """Returns what says how all responses of a run are made."""
    return answers_key(bench.answers, run.fingerprint, bench.config.seed)


def _kept_record(example: Example, response: str, by: str) -> dict[str, str]:
    """Returns the record of a response with what has made it."""
    return response_record(example, response) | {"by": by}


def response_path(run: Run, language: str) -> Path:
    """Returns where the run's responses in a language are kept."""
    return run.directory / "responses" / f"{language}.jsonl"


def write_responses(bench: Workbench, run: Run, responses: Iterable[tuple[Example, str]]) -> None:
    """Writes responses to held-out prompts, a file for each language."""
    lines: dict[str, list[str]] = {}
    by = _made_by(bench, run)
    for example, response in responses:
        line = json_line(_kept_record(example, response, by))
        lines.setdefault(example.language, []).append(line)
    for code, some in lines.items():
        write_text(response_path(run, code), "".join(some))


def answer(
    bench: Workbench,
    run: Run,
    params: Params,
    languages: Sequence[str],
    progress: Callable[[int], None],
) -> None:
    """Writes the run's responses to the held-out prompts of these languages, one file each.

    Every batch is kept as it comes, so that an interrupted call goes on behind the last one.
    `progress(n)` is told of n responses.
    """
    examples = [e for code in languages for e in _asked(bench, code)]
    part = run.directory / f"responses-{'-'.join(languages)}.part"
    if is_primary():
        (run.directory / "responses").mkdir(parents=True, exist_ok=True)
    done = 0

    def count(responses):
        nonlocal done
        done += responses
        progress(responses)

    def place():
        return f"in the answers of {run.spec}, after {done:,} of {len(examples):,}"

    with stoppable(place), _clocked(run, "decode_seconds"):
        prompts, seed = [e.prompt for e in examples], bench.config.seed
        responses = answer_prompts(
            bench.answers, params, run.fingerprint, prompts, seed, part, count
        )
    if not is_primary():
        return
    write_responses(bench, run, zip(examples, responses, strict=True))
    part.unlink()


def response_bar(bench: Workbench, languages: Sequence[str], disable: bool) -> tqdm:
    """Returns the progress bar of `answer`, with the time that is left."""
    total = sum(len(_asked(bench, code)) for code in languages)
    return tqdm(total=total, desc="answers", unit="response", disable=disable, leave=False)


@contextlib.contextmanager
def _clocked(run: Run, name: str) -> Iterator[None]:
    """Adds what a block takes to these seconds in run.json, however it ends."""
    started = time.monotonic()
    try:
        yield
    finally:
        if is_primary():
            known = describe_run(run)
            seconds = known.pop(name, 0.0) + time.monotonic() - started
            write_record(run.directory / DESCRIPTION, known | {name: round(seconds, 3)})
