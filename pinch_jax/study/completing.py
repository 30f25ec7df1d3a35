"""A run from its tuning set to its answers, as far as that is still to be done."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from pinch_jax.files import delete_unfinished
from pinch_jax.locks import only_writer
from pinch_jax.model.directory import open_directory
from pinch_jax.study.responses import answer, missing_responses, response_bar
from pinch_jax.study.run import Run
from pinch_jax.study.tuning import tuned_params
from pinch_jax.study.workbench import Workbench
from pinch_jax.waiting import primary_alone


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
            model, checkpoints = run.directory / "model", run.directory / "checkpoints"
            if model.exists() and checkpoints.exists():  # a kill came just after it was written
                open_directory(model)  # if it is damaged, the run goes on from the checkpoints
                shutil.rmtree(checkpoints)

        primary_alone(f"waiting for {run.directory}", hold)
        yield
