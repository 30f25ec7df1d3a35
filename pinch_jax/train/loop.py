"""The loop: batches in, a tuned state out, and nothing lost when it is told to stop."""

import collections
import dataclasses
import functools
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import jax

from pinch_jax.data.batches import BatchPlan
from pinch_jax.devices.mesh import any_process, check_finite, local_rows, put_batch
from pinch_jax.hosts.stops import Interrupted, ignore
from pinch_jax.train.checkpoint import Checkpoints
from pinch_jax.train.feed import feed
from pinch_jax.train.metrics import LAG_STEPS, MetricWriter
from pinch_jax.train.step import TrainState

# (params, step) -> {metric: value}; what it raises ends the run.
Evaluator = Callable[[dict, int], Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What happens between the steps.

    `evaluators` are (period_steps, evaluator) pairs, all of which are run at the end too;
    `progress` is told of the steps that were done.
    """

    checkpoints: Checkpoints
    metrics: MetricWriter
    evaluators: Sequence[tuple[int, Evaluator]]
    checkpoint_period_steps: int
    log_period_steps: int
    progress: Callable[[int], None]


class StopSignal:
    """Whether Ctrl-C or a scheduler's SIGTERM has come; a second Ctrl-C does not wait."""

    def __init__(self) -> None:
        self.received = False
        self._votes: collections.deque[bool | jax.Array] = collections.deque()

    @contextmanager
    def listening(self) -> Iterator["StopSignal"]:
        """Takes the place of the usual handlers while a step must not be torn."""

        def note(number, frame):
            if self.received and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.received = True

        old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            if self.received:
                ignore(signal.SIGTERM)

    def agreed(self, last: bool) -> bool:
        """Returns, asked once a step, whether some process was told to stop: the same in all.

        Several processes go by the votes of an earlier step, unless this is the last: to read
        the newest is to wait for the devices.
        """
        self._votes.append(any_process(self.received))
        unread = 0 if last or jax.process_count() == 1 else LAG_STEPS
        return any(self._votes.popleft() for _ in range(len(self._votes) - unread))


def train_loop(
    state: TrainState, plan: BatchPlan, train_step: Callable, mesh: jax.sharding.Mesh, hooks: Hooks
) -> TrainState:
    """Returns the state after the last step of the plan; all of its numbers are finite.

    An evaluator that fails ends the run with its own error.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came; the state is saved and the run can go on from it.
        UserError: a metric, a parameter or a moment is NaN or infinite; names the step. What is
            saved is the last state before it.
    """
    rows_of = functools.partial(local_rows, mesh)
    first = int(state.step)
    hooks.progress(first)
    with StopSignal().listening() as stop:
        for done, batch in enumerate(feed(plan, rows_of, first), start=first + 1):
            batch = put_batch(mesh, plan.rows_at(done - 1), batch)
            state, values = train_step(state, batch, plan.steps)
            hooks.metrics.write(done, values, logged=done % hooks.log_period_steps == 0)
            for period_steps, evaluate in hooks.evaluators:
                if done % period_steps == 0 or done == plan.steps:
                    hooks.metrics.write(done, evaluate(state.params, done))
            hooks.progress(1)
            stopping = stop.agreed(last=done == plan.steps)
            if stopping or (done % hooks.checkpoint_period_steps == 0 and done < plan.steps):
                # Lines first: a run that goes on from this state never writes them again.
                hooks.metrics.flush()
                hooks.checkpoints.save(state)
            if stopping:
                raise Interrupted(f"stopped after step {done} of {plan.steps}; run again to go on")
    hooks.metrics.flush()
    check_finite(state, f"the state after step {plan.steps}, the last")
    return state
