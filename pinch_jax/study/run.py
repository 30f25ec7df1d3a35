"""One run: a tuning set in, tuned weights and their answers out, every part resumable."""

import dataclasses
import functools
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.data.batches import BatchPlan
from pinch_jax.evaluate.evaluators import answer_metrics
from pinch_jax.mesh import agreed, gathered, is_primary
from pinch_jax.model.decoder import Params
from pinch_jax.model.directory import load_model, save_model
from pinch_jax.study.experiments import PRETRAINED
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import write_json, write_text
from pinch_jax.train.checkpoint import Checkpoints
from pinch_jax.train.loop import train_loop
from pinch_jax.train.metrics import MetricWriter


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
    """Returns the run of a spec; nothing is started."""
    plan = None if spec == PRETRAINED else bench.plan(spec)
    fingerprint = bench.fingerprint(plan) if plan else bench.model.checksum
    # Cut: the fingerprint is what tells two runs apart.
    name = re.sub(r"[^\w.]+", "-", spec)[:48]
    return Run(spec, plan, fingerprint, workdir / "runs" / f"{name}-{fingerprint[:12]}")


def tuned_params(bench: Workbench, run: Run, progress: Callable[[int], None]) -> Params:
    """Returns the run's tuned parameters on the mesh: loaded where it is done, else trained.

    Raises:
        Interrupted: it was told to stop; another call goes on from the same step.
    """
    if run.plan is None:
        return bench.pretrained
    model_directory = run.directory / "model"
    if agreed(model_directory.exists()):
        progress(run.steps)
        return bench.put(load_model(model_directory).params)
    if is_primary():
        run.directory.mkdir(parents=True, exist_ok=True)
        write_json(run.directory / "mixture.json", _described(run))
    started = time.monotonic()
    state = _train(bench, run, progress)
    if is_primary():
        seconds = {"train_seconds": round(time.monotonic() - started, 3)}
        write_json(run.directory / "run.json", _described(run) | seconds)
    params = bench.merged(state.params)
    _export(bench, params, model_directory)
    if is_primary():
        shutil.rmtree(run.directory / "checkpoints")
    return params


def _described(run: Run) -> dict[str, Any]:
    plan = run.plan
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
    return [lambda trained, step, e=e: e(bench.combined(trained), step) for e in evaluators]


def _export(bench: Workbench, params: Params, directory: Path) -> None:
    """Writes a model directory by renaming, so that one that is there is whole."""
    whole = gathered(params)
    if is_primary():
        part = directory.with_name("model.part")
        save_model(part, dataclasses.replace(bench.model, params=whole), np.float32)
        part.rename(directory)


def missing_responses(run: Run, languages: Sequence[str]) -> list[str]:
    """Returns the languages in which the run has not answered yet: the same in all processes."""
    return [code for code in languages if not agreed(response_path(run, code).exists())]


def response_path(run: Run, language: str) -> Path:
    """Returns where the run's responses in a language are kept."""
    return run.directory / "responses" / f"{language}.jsonl"


def answer(bench: Workbench, run: Run, params: Params, languages: Sequence[str]) -> None:
    """Writes the run's responses to the held-out prompts of these languages, one file each."""
    count, seed = bench.config.evaluate.prompts, bench.config.seed
    examples = [e for code in languages for e in bench.corpus.heldout[code][:count]]
    started = time.monotonic()
    responses = bench.answers(params, [e.prompt for e in examples], seed)
    by_language: dict[str, list[Mapping[str, str]]] = {code: [] for code in languages}
    for example, response in zip(examples, responses, strict=True):
        by_language[example.language].append(
            {
                "id": example.id,
                "language": example.language,
                "prompt": example.prompt,
                "response": response,
                "reference": example.response,
                "task": example.task,
                "answer": example.answer,
            }
        )
    if not is_primary():
        return
    (run.directory / "responses").mkdir(parents=True, exist_ok=True)
    for code, records in by_language.items():
        lines = [json.dumps(r, ensure_ascii=False) + "\n" for r in records]
        write_text(response_path(run, code), "".join(lines))
    path = run.directory / "run.json"
    known = json.loads(path.read_text()) if path.exists() else {"spec": run.spec, "steps": 0}
    seconds = known.pop("decode_seconds", 0.0) + time.monotonic() - started
    write_json(path, known | {"decode_seconds": round(seconds, 3)})
