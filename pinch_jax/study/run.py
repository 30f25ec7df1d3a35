"""One run: a distinct tuning set, and its place on disk."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from pinch_jax.data.batches import BatchPlan
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.workbench import Workbench
from pinch_jax.train.lora import check_rank


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
