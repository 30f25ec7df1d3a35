"""A profiler trace of some steps of training."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax


@contextlib.contextmanager
def profiled(
    train_step: Callable, first: int, wanted: range | None, directory: Path
) -> Iterator[Callable]:
    """Yields a train step that writes a trace of its `wanted` calls, the first one being `first`.

    All that the process does meanwhile is in it. A block that ends early leaves what there is.
    """
    at, begin = first, max(first, wanted.start) if wanted else None
    with contextlib.ExitStack() as tracing:

        def step(state: Any, *inputs: Any) -> Any:
            nonlocal at
            if at == begin and at in wanted:
                jax.block_until_ready(state)
                tracing.enter_context(_traced(directory))
            with jax.profiler.StepTraceAnnotation("train", step_num=at):
                state, values = train_step(state, *inputs)
            at += 1
            if wanted and at == wanted.stop:
                jax.block_until_ready(state)
                tracing.close()
            return state, values

        yield step


@contextlib.contextmanager
def _traced(directory: Path) -> Iterator[None]:
    # The profiler knows files of this machine alone.
    with tempfile.TemporaryDirectory() as part:
        with jax.profiler.trace(part):
            yield
        for path in filter(Path.is_file, Path(part).rglob("*")):
            target = directory / path.relative_to(part).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
