"""The runs of a study: one after the other, or several at once, each process with cores of its own.

Small products keep one core busy, and so does what is between them: two runs at once on a core
each are done sooner than one after the other on both.
"""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import jax
from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.errors import UserError
from pinch_jax.goodput import DELEGATING, doing, kept
from pinch_jax.stops import FAULT, GO_ON, ignore, listen, stoppable
from pinch_jax.study.config import NONE
from pinch_jax.study.plan import Study, plan_study
from pinch_jax.study.run import Run, cores
from pinch_jax.study.tuning import complete_run, forget_weights, paced


def check_jobs(jobs: int) -> None:
    """Raises UserError where so many runs cannot be made at once."""
    if jobs > 1 and jax.default_backend() != "cpu":
        raise UserError(
            f"--jobs={jobs}: runs at once share no {jax.default_backend()}; leave it out, and give "
            "each device a call with a --shard of its own"
        )
    if jobs > cores():
        raise UserError(f"--jobs={jobs}: there are {cores()} cores here; set --jobs={cores()}")


def complete_runs(study: Study, mine: Sequence[Run], jobs: int, quiet: bool) -> None:
    """Trains these runs of a study and lets them answer, `jobs` of them at once.

    Raises:
        Interrupted: it was told to stop; another call goes on from there.
    """
    total = sum(run.steps for run in mine)
    # The mean pace of this call: a set's steps are followed by its answers, which take time too.
    with tqdm(total=total, unit="step", disable=quiet, smoothing=0) as bar:
        if jobs > 1:
            with doing(DELEGATING):
                _delegate(study, mine, jobs, bar)
            return
        for number, run in enumerate(mine, 1):
            bar.set_description(f"run {number} of {len(mine)} {run.label}")
            with stoppable(f"at run {number} of {len(mine)}, {run.label}"):
                _complete(study, run, paced(bar), bar.disable)


def _complete(study: Study, run: Run, progress: Callable[[int], None], quiet: bool) -> None:
    languages = study.languages[run.directory.name]
    if study.lacks_answers(run):
        complete_run(study.bench, run, languages, progress, quiet)
    else:
        progress(run.steps)
    if study.bench.config.study.keep_weights == NONE:
        forget_weights(run)


def _delegate(study: Study, mine: Sequence[Run], jobs: int, bar: tqdm) -> None:
    """Has the runs made by processes that each take the next one that nobody has taken."""
    spawn = multiprocessing.get_context("spawn")
    taken, names = spawn.Value("i", 0), [run.directory.name for run in mine]
    workers = {}
    try:
        with stoppable(f"while {len(mine)} runs were made, {jobs} at once"):
            for _ in range(jobs):
                ours, theirs = spawn.Pipe()
                task = study.bench.config, study.workdir, names, taken, cores() // jobs, theirs
                workers[ours] = spawn.Process(target=_work, args=task)
                workers[ours].start()
                theirs.close()
            _hear(dict(workers), mine, bar)
    finally:
        for ours, worker in workers.items():
            ours.close()  # by which it is told to stop, if it has not ended
            worker.join()


def _hear(workers: dict[Connection, multiprocessing.Process], mine: Sequence[Run], bar: tqdm):
    """Tells the bar what the workers tell, until all have ended."""
    progress: dict[str, Callable[[int], None]] = {}
    labels = {run.directory.name: run.label for run in mine}
    while workers:
        for ours in wait([*workers]):
            try:
                told = ours.recv()
            except (EOFError, ConnectionResetError):
                _check_end(workers.pop(ours))
                continue
            if isinstance(told, Exception):
                raise told
            name, steps = told
            if name not in progress:
                progress[name] = paced(bar)
                bar.set_description(f"run {len(progress)} of {len(mine)} {labels[name]}")
            progress[name](steps)


def _check_end(worker: multiprocessing.Process) -> None:
    """Raises what the end of a worker means, unless it had nothing left to do."""
    worker.join()
    if worker.exitcode == GO_ON:
        raise KeyboardInterrupt
    if worker.exitcode:
        raise UserError(
            f"a process of --jobs ended with {worker.exitcode} (-9: it was killed); where memory "
            "is short, set --jobs to fewer; what is done is kept, and the same call goes on"
        )


def _work(
    config: Config,
    workdir: Path,
    names: Sequence[str],
    taken: Synchronized,
    threads: int,
    parent: Connection,
) -> None:
    """Makes one run after the other in a process of its own, and tells the parent how far it is."""
    os.environ["NPROC"] = str(threads)
    ignore(signal.SIGINT)  # a terminal sends it to all, and the parent passes it on
    listen()
    tqdm.set_lock(threading.RLock())  # its own would be left behind where this process ends at once
    threading.Thread(target=_stop_with, args=(parent,), daemon=True).start()

    def tell(said: object) -> None:
        try:
            parent.send(said)
        except OSError:  # it is gone
            raise KeyboardInterrupt from None

    code = 0
    try:
        with kept(workdir):
            study = plan_study(config, workdir, progress=False)
            runs = {run.directory.name: run for run in study.distinct}
            while name := _next(names, taken):
                _complete(study, runs[name], lambda steps, of=name: tell((of, steps)), quiet=True)
    except KeyboardInterrupt:
        code = GO_ON
    except Exception as error:
        error.add_note(traceback.format_exc())
        tell(error)
        code = FAULT
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a compilation under way would end the process by a signal of its own


def _next(names: Sequence[str], taken: Synchronized) -> str | None:
    with taken.get_lock():
        taken.value += 1
        return names[taken.value - 1] if taken.value <= len(names) else None


def _stop_with(parent: Connection) -> None:
    """Stops this process once the parent has closed its end, or is gone."""
    wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)
