"""The processes of a run: how they start, which devices are theirs, and how they end."""

import asyncio
import atexit
import os
import signal
import sys
import time
from pathlib import Path

import jax
from jax._src import clusters

from pinch_jax.errors import UserError
from pinch_jax.hosts.goodput import doing
from pinch_jax.hosts.meeting import meet
from pinch_jax.hosts.stops import ignore
from pinch_jax.hosts.waiting import is_primary, wait_for_all

FAREWELL_SECONDS = 2.0


@doing("waiting")
def start_processes(
    coordinator: str | None, processes: int | None, process: int | None, timeout_seconds: int
) -> None:
    """Joins the processes of a run; returns at once where there is only this one.

    `coordinator` is HOST:PORT of process 0, or "auto" on a cluster that JAX knows (Cloud TPU,
    Slurm, Kubernetes, Open MPI), which then says what the other arguments leave out. Whoever
    joined must call `end_processes`: a process that ends without it has failed.

    Raises:
        UserError: the arguments contradict each other, or those of another process.
        TimeoutError: some processes did not come in time; names them.
    """
    if coordinator is None:
        if processes not in (None, 1) or process not in (None, 0):
            raise UserError(
                f"--processes={processes} --process={process}: several processes need "
                "--coordinator=HOST:PORT, the address of process 0"
            )
        return
    if coordinator == "auto":
        detect = clusters.ClusterEnv.auto_detect_unset_distributed_params
        known = None, processes, process, None, None
        coordinator, processes, process, _ = detect(*known, timeout_seconds)
        if coordinator is None:
            raise UserError(
                "--coordinator=auto: JAX finds no cluster here; write HOST:PORT of process 0, and "
                "give --processes and --process"
            )
    if processes is None or process is None or not 0 <= process < processes:
        raise UserError(
            f"--processes={processes} --process={process}: with --coordinator give both, "
            "0 <= process < processes"
        )
    if processes == 1:
        return
    asyncio.run(meet(coordinator, processes, process, timeout_seconds))
    # JAX's own handling of SIGTERM would swallow it; train/loop.py takes it where it must.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        coordinator,
        processes,
        process,
        local_device_ids=devices_of_task(),
        # JAX would give a node's only task the first of its GPUs, and the second of two tasks,
        # to which the scheduler has bound one GPU each, none.
        cluster_detection_method="deactivate",
        initialization_timeout=timeout_seconds,
    )
    atexit.register(leave)


def end_processes() -> None:
    """Returns when every process has come to its end: the first one judges and reports alone."""
    if jax.distributed.is_initialized():
        wait_for_all("the end of the run")
        jax.distributed.shutdown()


def leave(code: int = 1) -> None:
    """Ends a process of several that failed or was stopped, at once; nothing where it is alone.

    JAX would have it wait minutes for the others.
    """
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        if is_primary():
            # JAX aborts the others when this one is gone, and they may be about to say why. It ends
            # soon: whoever ends it because they did has no news.
            ignore(signal.SIGINT, signal.SIGTERM)
            time.sleep(FAREWELL_SECONDS)
        os._exit(code)


def devices_of_task() -> list[int] | None:
    """Returns which of the GPUs that are visible are this task's; None where all of them are.

    Tasks that share a node and see the same GPUs share them out evenly, in order; UserError where
    they cannot.
    """
    task, tasks = _place_on_node()
    gpus = _visible_gpus()
    if tasks == 1 or gpus <= 1:
        return None
    if gpus % tasks:
        raise UserError(
            f"{tasks} tasks on this node see {gpus} GPUs, which they cannot share evenly; start a "
            "task for each GPU, one for all of them, or bind them with --gpus-per-task"
        )
    share = gpus // tasks
    return list(range(task * share, (task + 1) * share))


def _place_on_node() -> tuple[int, int]:
    """Returns which task of this node this one is, and how many there are, as schedulers say."""
    said = os.environ
    if "OMPI_COMM_WORLD_LOCAL_SIZE" in said:
        tasks = int(said["OMPI_COMM_WORLD_LOCAL_SIZE"])
        return int(said["OMPI_COMM_WORLD_LOCAL_RANK"]), tasks
    if "SLURM_STEP_TASKS_PER_NODE" not in said:
        return 0, 1
    # Such as "2(x3),1": three nodes of two tasks, one of one.
    counts: list[int] = []
    for part in said["SLURM_STEP_TASKS_PER_NODE"].split(","):
        count, _, times = part.rstrip(")").partition("(x")
        counts += int(times or 1) * [int(count)]
    return int(said["SLURM_LOCALID"]), counts[int(said["SLURM_NODEID"])]


def _visible_gpus() -> int:
    """Returns how many GPUs this process may use, without a library that would start them."""
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if name in os.environ:
            return len([gpu for gpu in os.environ[name].split(",") if gpu.strip()])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))
