"""One run: a distinct tuning set, and its place on disk."""

import collections
import dataclasses
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax

from pinch_jax.config import Config
from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.hosts.waiting import check_alike, is_primary
from pinch_jax.storage.files import read_record, write_record
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import flat, outside, responses_path
from pinch_jax.train.lora import check_rank
from pinch_jax.version import code_version, library_versions

DESCRIPTION = "run.json"
# Every code_version() that worked on a run, and every machine; they are no part of its fingerprint.
CODE, MACHINES = "code", "machines"
# Hosts may have the same under other names: the fingerprints of runs say whether it is.
OF_HOST = ("corpus", "model", "judges", "study.experiments")
# Environment variables that change what the compilers make.
XLA_OPTIONS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")


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
    draw: int = 0

    @property
    def label(self) -> str:
        """What messages call it: its spec, and its draw if that is not the first."""
        return f"{self.spec}, draw {self.draw}" if self.draw else self.spec

    @property
    def steps(self) -> int:
        """Steps of training; none for the untuned model."""
        return self.plan.steps if self.plan else 0

    def responses_in(self, language: str) -> Path:
        """Returns where its responses in a language are kept."""
        return responses_path(self.directory.parents[1], self.directory.name, language)


def make_run(bench: Workbench, spec: str, workdir: Path, draw: int = 0) -> Run:
    """Returns the run of a draw of a spec; nothing is started.

    Raises:
        UserError: the corpus, or the model that is adapted, is too small for what is asked.
    """
    c = bench.config
    for code in c.languages:
        bench.prompts(code)
    check_rank(bench.decoder, c.lora)
    plan = None if spec == PRETRAINED else bench.plan(spec, draw)
    fingerprint = bench.fingerprint(plan)
    # Cut: the fingerprint is what tells two runs apart.
    name = re.sub(r"[^\w.]+", "-", spec)[:48] + f"-draw{draw}" * (draw > 0)
    directory = workdir / "runs" / f"{name}-{fingerprint[:12]}"
    return Run(spec, plan, fingerprint, directory, draw)


def check_runs_alike(config: Config, runs: Iterable[Run]) -> None:
    """Raises UserError where processes would make something else of one of these runs.

    All compute the same at the same time: one that evaluates at other steps would hang the others,
    or sum what is none of theirs.
    """
    fields = flat(json.loads(config.to_json()))
    told = {f"config.{field}": json.dumps(fields[field]) for field in outside(fields, OF_HOST)}
    made_by = {f"the version of {name}": version for name, version in library_versions().items()}
    made_by |= {"the code": code_version()}
    check_alike(
        made_by | told | {f"the fingerprint of {run.label!r}": run.fingerprint for run in runs}
    )


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
    """Returns what a run is, by its plan, and which code and machines have worked on it.

    Raises:
        UserError: its run.json is damaged, or another run's.
    """
    path = run.directory / DESCRIPTION
    if not path.exists():
        return planned(run)
    remedy = "delete it, and only the code that made the run is lost"
    held = read_record(path, remedy)
    if held.get("fingerprint", run.fingerprint) != run.fingerprint:
        raise UserError(f"{path} is that of another run, {held.get('spec')!r}; {remedy}")
    return planned(run) | {name: held[name] for name in (CODE, MACHINES) if name in held}


def note_code(run: Run) -> None:
    """Adds this code, and this machine, to what has worked on a run, in its run.json."""
    if is_primary():
        known = describe_run(run)
        for name, now in ((CODE, code_version()), (MACHINES, _machine())):
            known[name] = [*dict.fromkeys((*known.get(name, ()), now))]
        write_record(run.directory / DESCRIPTION, known)


def _machine() -> str:
    """Returns the devices of all processes, and the libraries: "4 cpu in 2 processes, jax 0.10.2".

    Another one gives other last bits, and what follows from them; so do other cores of a CPU, over
    which a sum is split, and what XLA is told.
    """
    kinds = collections.Counter(device.device_kind for device in jax.devices())
    devices = " and ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    shared = f" in {jax.process_count()} processes" * (jax.process_count() > 1)
    if jax.default_backend() == "cpu":
        shared += f" (cores: {cores()})"
    versions = (f"{name} {version}" for name, version in library_versions().items())
    flags = (flag for name in XLA_OPTIONS for flag in os.environ.get(name, "").split())
    told = sorted(
        flag for flag in flags if not re.search(r"_dump_|_host_platform_device_count", flag)
    )
    return ", ".join((devices + shared, *versions, *told))


def cores() -> int:
    """Returns how many threads XLA starts on a CPU."""
    if (told := os.environ.get("NPROC", "")).isdigit():
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
