"""The runs of a study: one after the other, or several at once, each process with cores of its own.

Small products keep one core busy, and so does what is between them: two runs at once on a core
each are done sooner than one after the other on both.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

import jax
from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.errors import UserError, is_of_input
from pinch_jax.hosts.goodput import DELEGATING, doing, kept
from pinch_jax.hosts.stops import FAULT, GO_ON, listen, stoppable
from pinch_jax.study.config import NONE
from pinch_jax.study.plan import Study, plan_study
from pinch_jax.study.run import Run, cores
from pinch_jax.study.tuning import complete_run, forget_weights, paced

# Each takes a GB.
SMALL_RUNS = 4
# A training step takes its memory from the system anew, which pages of 2 MB in the place of 4 kB
# make sooner (tests/benchmarks/huge_pages.py). C libraries that are not GNU's do not listen.
HUGE_PAGES = "glibc.malloc.hugetlb=1"


def jobs_at_once(asked: int) -> int:
    """Returns how many runs are made at once; for 0 what suits this machine and a small model.

    Raises:
        UserError: so many cannot be.
    """
    backend = jax.default_backend()
    if asked == 0:
        return min(cores(), SMALL_RUNS) if backend == "cpu" else 1
    if asked > 1 and backend != "cpu":
        raise UserError(
            f"--jobs={asked}: runs at once share no {backend}; leave it out, and give each device "
            "a call with a --shard of its own"
        )
    if asked > cores():
        raise UserError(f"--jobs={asked}: there are {cores()} cores here; set --jobs={cores()}")
    return asked


def complete_runs(study: Study, mine: Sequence[Run], jobs: int, quiet: bool) -> None:
    """Trains these runs of a study and lets them answer, `jobs` of them at once.

    Raises:
        Interrupted: it was told to stop; another call goes on from there.
    """
    total = sum(run.steps for run in mine)
    # The mean pace of this call: a set's steps are followed by its answers, which take time too.
    with tqdm(total=total, unit="step", disable=quiet, smoothing=0) as bar:
        if jobs > 1 and any(map(study.lacks_answers, mine)):
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
    """Has the runs made by processes that each are given the next one when they have made one."""
    workers: dict[Connection, multiprocessing.Process] = {}
    begun: list[Run] = []
    os.environ.setdefault("GLIBC_TUNABLES", HUGE_PAGES)  # heard before a process starts
    try:
        with stoppable(lambda: f"at run {len(begun)} of {len(mine)}, {jobs} at once"):
            for _ in range(min(jobs, len(mine))):
                ours, worker = _start(study, max(cores() // jobs, 1))
                workers[ours] = worker
            _hear(dict(workers), mine, begun, bar)
    finally:
        for ours, worker in workers.items():
            ours.close()  # by which it is told to stop, if it has not ended
            worker.join()


def _start(study: Study, threads: int) -> tuple[Connection, multiprocessing.Process]:
    """Returns a process that works on a study, and what it is told and heard by."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    task = study.bench.config, study.workdir, threads, theirs
    worker = spawn.Process(target=_work, args=task)
    # A terminal sends Ctrl-C to all, and this process passes it on.
    heard_by = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        worker.start()
    finally:
        signal.signal(signal.SIGINT, heard_by)
        theirs.close()
    return ours, worker


def _hear(
    workers: dict[Connection, multiprocessing.Process],
    mine: Sequence[Run],
    begun: list[Run],
    bar: tqdm,
) -> None:
    """Gives each worker that asks for one a run, and tells the bar of steps, until all have ended.

    A worker says None where it asks, how many steps it has made, or what it failed by.
    """
    progress: dict[Connection, Callable[[int], None]] = {}
    while workers:
        for ours in wait([*workers]):
            try:
                told = ours.recv()
            except (EOFError, ConnectionResetError):
                _check_end(workers.pop(ours))
                continue
            if isinstance(told, Exception):
                raise told
            if told is not None:
                progress[ours](told)
                continue
            following = mine[len(begun)] if len(begun) < len(mine) else None
            ours.send(following and following.directory.name)
            if following:
                begun.append(following)
                progress[ours] = paced(bar)
                bar.set_description(f"run {len(begun)} of {len(mine)} {following.label}")


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


def _work(config: Config, workdir: Path, threads: int, parent: Connection) -> None:
    """Makes the runs that the parent names, in a process of its own, and tells it of each step."""
    os.environ["NPROC"] = str(threads)
    listen()
    tqdm.set_lock(threading.RLock())  # its own would be left behind where this process ends at once
    names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen_to, args=(parent, names), daemon=True).start()

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
            tell(None)
            while name := names.get():
                _complete(study, runs[name], tell, quiet=True)
                tell(None)
    except KeyboardInterrupt:
        code = GO_ON
    except Exception as error:
        # Not every fault of a library outlives the way to another process.
        outlives = isinstance(error, UserError) or is_of_input(error)
        tell(error if outlives else RuntimeError(traceback.format_exc()))
        code = FAULT
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a compilation under way would end the process by a signal of its own


def _listen_to(parent: Connection, names: queue.SimpleQueue) -> None:
    """Passes on what the parent names, and stops this process once it has closed, or is gone."""
    try:
        while True:
            names.put(parent.recv())
    except (EOFError, OSError):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
