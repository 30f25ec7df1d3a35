"""One run: a distinct tuning set, its place on disk, and what is known of it there."""

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.files import read_record, write_record
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.lora import check_rank
from pinch_jax.version import code_version
from pinch_jax.waiting import is_primary

DESCRIPTION = "run.json"
# What run.json knows that the plan of a run does not.
CLOCKS = ("train_seconds", "decode_seconds")
# Every code_version() that worked on a run; it decides nothing.
CODE = "code"


@dataclasses.dataclass(frozen=True)
class Run:
    """One distinct tuning set and its place on disk.

    Attributes:
        spec: the first of the specs that mean this set, or PRETRAINED.
        draw: which draw of it.
        plan: its batches; None for the untuned model.
        directory: runs/<name>-<fingerprint>.
    """

    spec: str
    plan: BatchPlan | None
    fingerprint: str
    directory: Path
    draw: int = 0

    @property
    def label(self) -> str:
        """What messages call it: its spec, and its draw if that is not the first."""
        return f"{self.spec}, draw {self.draw}" if self.draw else self.spec

    @property
    def steps(self) -> int:
        """Steps of training; none for the untuned model."""
        return self.plan.steps if self.plan else 0


def make_run(bench: Workbench, spec: str, workdir: Path, draw: int = 0) -> Run:
    """Returns the run of a draw of a spec; nothing is started.

    Raises:
        UserError: the corpus, or the model that is adapted, is too small for what is asked.
    """
    c = bench.config
    for code in c.languages:
        bench.corpus.prompts(code, c.evaluate.prompts)
    check_rank(bench.decoder, c.lora)
    plan = None if spec == PRETRAINED else bench.plan(spec, draw)
    fingerprint = bench.fingerprint(plan)
    # Cut: the fingerprint is what tells two runs apart.
    name = re.sub(r"[^\w.]+", "-", spec)[:48] + f"-draw{draw}" * (draw > 0)
    directory = workdir / "runs" / f"{name}-{fingerprint[:12]}"
    return Run(spec, plan, fingerprint, directory, draw)


def response_path(run: Run, language: str) -> Path:
    """Returns where the run's responses in a language are kept."""
    return run.directory / "responses" / f"{language}.jsonl"


def planned(run: Run) -> dict[str, Any]:
    """Returns what a run is, by its plan alone."""
    if (plan := run.plan) is None:
        return {"spec": run.spec, "fingerprint": run.fingerprint, "steps": 0}
    totals = plan.totals()
    return {
        "spec": run.spec,
        "draw": run.draw,
        "fingerprint": run.fingerprint,
        "steps": plan.steps,
        "budgets": plan.budgets,
        "composition": plan.mixture.composition,
        "granularity": plan.mixture.granularity,
        "dropped": plan.dropped,
        **totals,
    }


def describe_run(run: Run) -> dict[str, Any]:
    """Returns what a run is, by its plan, the seconds that it has taken, and by which code.

    Raises:
        UserError: its run.json is damaged, or another run's.
    """
    path = run.directory / DESCRIPTION
    if not path.exists():
        return planned(run)
    remedy = "delete it, and only the seconds that the run took and the code are lost"
    held = read_record(path, remedy)
    if held.get("fingerprint", run.fingerprint) != run.fingerprint:
        raise UserError(f"{path} is that of another run, {held.get('spec')!r}; {remedy}")
    return planned(run) | {name: held[name] for name in (*CLOCKS, CODE) if name in held}


@contextlib.contextmanager
def clocked(run: Run, name: str) -> Iterator[None]:
    """Adds what a block takes to these seconds in run.json, and the code, however it ends."""
    code, started = code_version(), time.monotonic()
    try:
        yield
    finally:
        if is_primary():
            known = describe_run(run)
            seconds = known.pop(name, 0.0) + time.monotonic() - started
            worked = [*dict.fromkeys((*known.get(CODE, ()), code))]
            known |= {name: round(seconds, 3), CODE: worked}
            write_record(run.directory / DESCRIPTION, known)
