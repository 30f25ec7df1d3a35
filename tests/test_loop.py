"""The loop: it stops anywhere and goes on as if it had not, on this mesh or on another."""

import itertools
import math
import os
import shutil
import signal
import struct
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from full_disk import files_of_at_most
from small import GEMMA_LIKE, OPTIMIZER, random_params, random_plan, trainer
from tensorboardX.proto.event_pb2 import Event, SessionLog
from trees import assert_close, assert_same

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.errors import UserError
from pinch_jax.hosts.stops import Interrupted
from pinch_jax.storage.files import json_line, read_kept_lines
from pinch_jax.train.checkpoint import Checkpoints, state_shardings
from pinch_jax.train.loop import Hooks, train_loop
from pinch_jax.train.metrics import LAG_STEPS, MetricWriter
from pinch_jax.train.step import init_state
from pinch_jax.train.trackers import open_trackers

MESH = MeshConfig(2, 4, 1)
OTHER_MESH = MeshConfig(1, 2, 2, 2)
PLAN = random_plan()


def run(
    directory,
    mesh=MESH,
    at_step=lambda step: None,
    evaluators=(),
    checkpoint_period_steps=99,
    log_period_steps=1,
    change=lambda state, batch: state,
):
    """Returns the last state of the run in a directory, started there or gone on with.

    `at_step` is called with the number of steps that are done, after each; `change` makes of a
    step's state and batch the state that the step is given.
    """
    t, done, calls = trainer(mesh, 1), 0, itertools.count()

    def progress(steps):
        nonlocal done
        done += steps
        # The first call tells of the steps that were done before.
        if next(calls):
            at_step(done)

    with Checkpoints(directory / "checkpoints") as checkpoints:
        state = checkpoints.restore(t.mesh, t.like) or t.start(random_params(GEMMA_LIKE))
        metrics = MetricWriter(directory, int(state.step))
        try:
            state = train_loop(
                state,
                PLAN,
                lambda state, batch, steps: t.step(change(state, batch), batch, steps),
                t.mesh,
                Hooks(
                    checkpoints,
                    metrics,
                    evaluators,
                    checkpoint_period_steps,
                    log_period_steps,
                    progress,
                ),
            )
        finally:
            metrics.close()
    return jax.device_get(state)


def lines_of(directory):
    return [line for _, line in read_kept_lines(directory / "metrics.jsonl", "")]


def interrupted(directory, number, step, look=lambda done: None, **how):
    """Returns the steps that a run trained until a signal after one of them stopped it."""
    trained = []

    def at_step(done):
        trained.append(done)
        look(done)
        if done == step:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match=f"stopped after step {step} of {PLAN.steps}; run again"):
        run(directory, at_step=at_step, **how)
    return trained


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Directory and last state of a run that nothing interrupted."""
    directory = tmp_path_factory.mktemp("whole")
    return directory, run(directory)


def test_an_interrupted_run_equals_an_uninterrupted_one_bit_for_bit(whole, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    trained = interrupted(tmp_path, signal.SIGINT, 3)
    trained += interrupted(tmp_path, signal.SIGTERM, 4)
    trained += interrupted(tmp_path, signal.SIGINT, PLAN.steps)
    assert signal.getsignal(signal.SIGINT) == handler
    assert_same(run(tmp_path, at_step=trained.append), whole[1])
    every_step_once = list(range(1, PLAN.steps + 1))
    assert trained == every_step_once
    assert [line["step"] for line in lines_of(tmp_path)] == every_step_once
    assert lines_of(tmp_path) == lines_of(whole[0])
    # It is still the step that was compiled for the first run.
    assert trainer(MESH, 1).step._cache_size() == 1


def test_a_run_goes_on_on_another_mesh(whole, tmp_path):
    interrupted(tmp_path, signal.SIGINT, 3)
    states = []
    for mesh in (MESH, OTHER_MESH):
        t = trainer(mesh, 1)
        with Checkpoints(tmp_path / "checkpoints") as checkpoints:
            states.append(checkpoints.restore(t.mesh, t.like))
        shardings = jax.tree.map(lambda x: x.sharding, states[-1])
        assert jax.tree.leaves(shardings) == jax.tree.leaves(state_shardings(t.mesh, t.like))
    assert_same(*states)
    state = run(tmp_path, OTHER_MESH)
    assert_close(state, whole[1], rtol=1e-2, atol=2e-4)
    losses = [[line["loss"] for line in lines_of(at)] for at in (tmp_path, whole[0])]
    assert losses[0][:3] == losses[1][:3]
    # From equal weights, sums in another order; then what Adam makes of their rounding.
    assert losses[0][3] == pytest.approx(losses[1][3], rel=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_run_that_died_goes_on_from_its_last_checkpoint(whole, tmp_path):
    with pytest.raises(FloatingPointError, match="no number at step 5"):
        run(tmp_path, evaluators=[(5, fail)], checkpoint_period_steps=2)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"2", "4"}
    assert_same(run(tmp_path), whole[1])
    assert lines_of(tmp_path) == lines_of(whole[0])


@pytest.mark.parametrize("torn", ["empty", "half"])
def test_a_newest_checkpoint_that_is_torn_is_named_and_the_one_before_is_used(
    torn, whole, tmp_path, caplog
):
    interrupted(tmp_path, signal.SIGINT, 5, checkpoint_period_steps=3)
    newest = tmp_path / "checkpoints" / "99"
    if torn == "half":
        shutil.copytree(tmp_path / "checkpoints" / "5", newest)
        (newest / "default" / "checksums.json").unlink()
    else:
        newest.mkdir()
    assert_same(run(tmp_path), whole[1])
    assert str(newest) in caplog.text and "the run goes on from step 5" in caplog.text


def with_embedding(step, number):
    """Returns what gives a step a state with a number in its embedding, as a bad update would."""

    def change(state, batch):
        if int(state.step) != step - 1:
            return state
        embedding = state.params["embedding"]
        # Of a token that the step reads, so that its own loss is lost.
        token = int(batch.tokens[0, 0])
        spoilt = jax.device_put(embedding.at[token, 0].set(number), embedding.sharding)
        return state._replace(params=state.params | {"embedding": spoilt})

    return change


@pytest.mark.parametrize(("log_period_steps", "number"), [(1, math.nan), (3, math.inf)])
def test_a_loss_that_is_not_finite_ends_the_run_at_its_step_and_keeps_the_state_before(
    log_period_steps, number, tmp_path
):
    spoil, lost = with_embedding(5, number), r"^step 5: gradient_norm=nan, loss=nan, so"
    how = {"checkpoint_period_steps": 2, "log_period_steps": log_period_steps}
    with pytest.raises(ValueError, match=lost):
        run(tmp_path, change=spoil, **how)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"2", "4"}
    logged = [step for step in range(1, 5) if step % log_period_steps == 0]
    assert [line["step"] for line in lines_of(tmp_path)] == logged
    # It is the same step again that a run which goes on from there ends with.
    with pytest.raises(ValueError, match=lost):
        run(tmp_path, change=spoil, **how)


@pytest.mark.parametrize(("step", "where"), [(PLAN.steps, "the last"), (4, "is not kept")])
def test_a_state_that_is_lost_after_a_finite_loss_is_neither_kept_nor_returned(
    step, where, tmp_path
):
    """A rate may throw the parameters out of range in the very step before a checkpoint."""
    t = trainer(MESH, 1)

    def step_and_spoil(state, batch, steps):
        state, metrics = t.step(state, batch, steps)
        if int(state.step) == step:
            scale = state.params["final_norm"]["scale"]
            spoilt = jax.device_put(scale.at[0].set(jnp.inf), scale.sharding)
            state = state._replace(params=state.params | {"final_norm": {"scale": spoilt}})
        return state, metrics

    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        metrics = MetricWriter(tmp_path)
        start = t.start(random_params(GEMMA_LIKE))
        hooks = Hooks(checkpoints, metrics, (), 2, 1, lambda steps: None)
        with pytest.raises(ValueError, match=rf"after step {step}.* {where}: params/final_norm"):
            train_loop(start, PLAN, step_and_spoil, t.mesh, hooks)
        metrics.close()
    kept = step - 1 - (step - 1) % 2
    saved = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert saved == {str(last) for last in (kept - 2, kept) if last}
    assert [line["step"] for line in lines_of(tmp_path)] == list(range(1, step + 1))


def test_a_heldout_loss_that_is_not_finite_is_named_and_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"step 4: eval/fi/loss=inf, so the run ends"):
        run(tmp_path, evaluators=[(4, lambda params, step: {"eval/fi/loss": math.inf})])
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3, 4]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run that died behind two checkpoints, of the steps 2 and 4."""
    directory = tmp_path_factory.mktemp("saved")
    with pytest.raises(FloatingPointError):
        run(directory, evaluators=[(5, fail)], checkpoint_period_steps=2)
    return directory


def fail(params, step):
    raise FloatingPointError(f"no number at step {step}")


def damage(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "flipped":
        content[len(content) // 2] ^= 0x40
    elif kind == "truncated":
        del content[len(content) // 2 :]
    else:
        path.unlink()
        return
    path.write_bytes(content)


def sizeable(step):
    """Returns the files of a checkpoint that hold its arrays."""
    return sorted(p for p in step.rglob("d/*") if p.is_file() and p.stat().st_size > 1000)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(saved, tmp_path, caplog):
    t, count = trainer(MESH, 1), len(sizeable(saved / "checkpoints" / "4"))
    kinds = "flipped", "truncated", "removed"
    assert count >= len(kinds), "each file is damaged, and each damage done"
    for number, kind in zip(range(count), itertools.cycle(kinds), strict=False):
        caplog.clear()
        directory = tmp_path / str(number)
        shutil.copytree(saved / "checkpoints", directory)
        damage(sizeable(directory / "4")[number], kind)
        with Checkpoints(directory) as checkpoints:
            state = checkpoints.restore(t.mesh, t.like)
        assert int(state.step) == 2
        assert f"{directory / '4'}/default/" in caplog.text
        assert "the run goes on from step 2" in caplog.text
        assert [path.name for path in directory.iterdir()] == ["2"]


def test_an_empty_step_is_passed_over_and_a_run_without_any_whole_one_says_so(saved, tmp_path):
    directory, t = tmp_path / "checkpoints", trainer(MESH, 1)
    shutil.copytree(saved / "checkpoints", directory)
    (directory / "99").mkdir()
    with Checkpoints(directory) as checkpoints:
        assert int(checkpoints.restore(t.mesh, t.like).step) == 4
    for step in directory.iterdir():
        for file in sizeable(step):
            damage(file, "flipped")
    with (
        Checkpoints(directory) as checkpoints,
        pytest.raises(ValueError, match=r"checksum.*; delete .*, and the run begins"),
    ):
        checkpoints.restore(t.mesh, t.like)
    assert {path.name for path in directory.iterdir()} == {"2", "4"}


def test_the_lines_before_a_checkpoint_are_on_disk_with_it(tmp_path):
    """A process that is killed outright must not lose lines that no later run writes again."""
    on_disk = {}

    def look(done):
        on_disk[done] = [line["step"] for line in lines_of(tmp_path)]

    interrupted(tmp_path, signal.SIGINT, 5, look, checkpoint_period_steps=2)
    assert on_disk[3] == [1, 2] and on_disk[5] == [1, 2, 3, 4]


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def twice(done):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path, at_step=twice)
    assert caught.type is KeyboardInterrupt
    assert not list((tmp_path / "checkpoints").iterdir())


def test_evaluators_run_at_their_period_and_at_the_end(tmp_path):
    called = []

    def evaluate(params, step):
        called.append(step)
        return {"eval/en/loss": 1.0 * step}

    run(tmp_path, evaluators=[(4, evaluate)])
    assert called == [*range(4, PLAN.steps, 4), PLAN.steps]
    found = [line for line in lines_of(tmp_path) if "eval/en/loss" in line]
    assert found == [{"step": step, "eval/en/loss": 1.0 * step} for step in called]


@pytest.mark.parametrize("axes", [(1, 1, 1), (1, 8, 1), (1, 2, 1, 4)])
def test_a_state_is_saved_as_it_was_when_the_next_steps_take_its_memory(axes, tmp_path):
    """Orbax writes in the background while donated steps overwrite the buffers it was given."""
    mesh = make_mesh(MeshConfig(*axes), jax.devices()[: math.prod(axes)])
    # Large enough that the writing takes longer than the steps.
    params = {"embedding": np.random.default_rng(0).standard_normal((2048, 1024), np.float32)}
    state = init_state(OPTIMIZER, params)
    state = jax.device_put(state, state_shardings(mesh, state))
    scale = jax.jit(lambda s: jax.tree.map(lambda x: -3 * x + 1, s), donate_argnums=0)
    state = scale(state)
    before = jax.tree.map(lambda x: np.array(x, copy=True), state)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state)
        for _ in range(5):
            donated, state = state, scale(state)
        jax.block_until_ready(state)
    assert donated.params["embedding"].is_deleted()
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(mesh, state)
    assert_same(restored, before)
    assert not np.array_equal(state.params["embedding"], before.params["embedding"])


class Value:
    """A metric that knows whether it was read."""

    read = False

    def __float__(self):
        self.read = True
        return 2.0


def test_metrics_are_read_late_but_never_lost(tmp_path):
    metrics, values = MetricWriter(tmp_path), [Value() for _ in range(LAG_STEPS + 1)]
    for step, value in enumerate(values, 1):
        metrics.write(step, {"loss": value})
    # Reading the newest ones would wait for their steps.
    assert [value.read for value in values] == [True] + LAG_STEPS * [False]
    metrics.close()
    assert lines_of(tmp_path) == [{"step": step, "loss": 2.0} for step in range(1, LAG_STEPS + 2)]


def test_what_is_not_logged_is_read_with_the_next_line_and_waits_for_nothing(tmp_path):
    metrics, values = MetricWriter(tmp_path), [Value() for _ in range(9)]
    for step, value in enumerate(values, 1):
        metrics.write(step, {"loss": value}, logged=step % 4 == 0)
        read = step // 4 * 4 - LAG_STEPS
        assert [each.read for each in values] == [n <= read for n in range(1, 10)]
    metrics.close()
    assert all(value.read for value in values)
    assert [line["step"] for line in lines_of(tmp_path)] == [4, 8]


def test_a_resumed_run_drops_later_lines_and_a_torn_one(tmp_path):
    whole = "".join(json_line({"step": step, "loss": 1.0}) for step in range(1, 8))
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 8, "lo')
    metrics = MetricWriter(tmp_path, 5)
    metrics.write(6, {"loss": 0.5})
    metrics.close()
    expected = [{"step": step, "loss": 1.0} for step in range(1, 6)] + [{"step": 6, "loss": 0.5}]
    assert lines_of(tmp_path) == expected
    MetricWriter(tmp_path).close()
    assert lines_of(tmp_path) == []


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = MetricWriter(None)
    metrics.write(1, {"loss": 1.0})
    metrics.close()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_a_checkpoint_does_not_fit_on_is_told_as_full(tmp_path):
    # What TensorStore raises in Orbax's thread, and Orbax once more where it waits for that.
    said = "RESOURCE_EXHAUSTED: Failed to write: No space left on device [os_error_code='28']"

    def full():
        raise ValueError(said)

    checkpoints = Checkpoints(tmp_path / "checkpoints")
    close, checkpoints._manager.close = checkpoints._manager.close, full
    with pytest.raises(OSError, match=r"No space left on device: .*checkpoints"):
        checkpoints.close()
    close()


def events_of(directory):
    """Yields the events of TensorBoard's files: records of length, checksum and bytes."""
    for path in sorted(directory.iterdir()):
        content = path.read_bytes()
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            yield Event.FromString(content[12 : 12 + size])
            content = content[16 + size :]


def test_tensorboard_is_told_what_the_lines_say_and_what_a_run_that_goes_on_wrote_before(tmp_path):
    for first, last in ((0, 6), (4, 8)):
        trackers = open_trackers(["tensorboard"], tmp_path, "1 % over all", {}, first)
        metrics = MetricWriter(tmp_path, first, trackers)
        for step in range(first + 1, last + 1):
            metrics.write(step, {"loss": 1 / step + first})
        metrics.close()
    seen = {}
    for event in events_of(tmp_path / "tensorboard"):
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            seen = {step: value for step, value in seen.items() if step < event.step}
        for value in event.summary.value:
            seen[event.step] = value.simple_value
    assert seen == {line["step"]: np.float32(line["loss"]) for line in lines_of(tmp_path)}
    assert len(seen) == 8 and seen[8] > 4


def test_events_that_do_not_fit_end_a_run_which_else_would_wait_for_good(tmp_path):
    there = threading.enumerate()
    (tracker,) = open_trackers(["tensorboard"], tmp_path, "", {}, 4)
    # One that writes them would be ended by a full disk, and whoever logs wait for it.
    assert threading.enumerate() == there
    with files_of_at_most(4096), pytest.raises(OSError, match=r"File too large: .*tensorboard"):
        for step in range(1000):
            tracker.log({"loss": 1.0}, step)
    tracker.close()


def test_a_tracker_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"config.track: 'wandb' does not .* pip install wandb"):
        open_trackers(["wandb"], tmp_path, "", {}, 0)
    values = tiny.get_config()
    values.track = ("wandbb",)
    with pytest.raises(UserError, match=r"config.track.*'wandbb'.*wandb"):
        from_config_dict(values)
