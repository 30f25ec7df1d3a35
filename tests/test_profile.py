"""A profiler trace of some steps: of these, and of no others."""

import warnings

import jax
import jax.numpy as jnp
import pytest

from pinch_jax.train.profile import profiled


@jax.jit
def count(state, by):
    return state + by, {"loss": state}


def traced_steps(directory):
    """Returns the numbers of the steps in the one trace of a directory."""
    (path,) = directory.glob("plugins/profile/*/*.xplane.pb")
    data = jax.profiler.ProfileData.from_file(str(path))
    lines = [line for plane in data.planes for line in plane.lines]
    # Its types have no module, of which Python 3.13 warns where no exception may come out.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        events = [dict(e.stats) for line in lines for e in line.events if e.name == "train"]
    return sorted(stats["step_num"] for stats in events)


@pytest.mark.parametrize(
    ("first", "steps", "wanted", "traced"),
    [
        (0, 8, range(3, 5), [3, 4]),
        # A run that goes on in the midst of them, and one that ends before the last.
        (4, 8, range(3, 6), [4, 5]),
        (0, 5, range(3, 9), [3, 4]),
    ],
)
def test_the_trace_has_the_steps_that_were_asked_for(first, steps, wanted, traced, tmp_path):
    state = jnp.float32(first)
    with profiled(count, first, wanted, tmp_path / "profile") as step:
        for _ in range(first, steps):
            state, _ = step(state, 1.0)
    assert float(state) == steps
    assert traced_steps(tmp_path / "profile") == traced


def test_without_a_wish_and_after_the_last_of_them_there_is_no_trace(tmp_path):
    for wanted in (None, range(1, 3)):
        with profiled(count, 3, wanted, tmp_path / "profile") as step:
            step(jnp.float32(0), 1.0)
    assert not list(tmp_path.iterdir())
