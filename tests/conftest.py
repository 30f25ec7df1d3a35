"""Eight virtual CPU devices for all tests, set before any JAX backend starts."""

import gc
import os
import signal
import subprocess
import sys
import tempfile

import jax
import pytest
from absl import flags

# A program runs for a moment here, and most of a test's time is its compilation: LLVM leaves out
# what makes machine code fast, for the calls that tests start too.
xla = ["--xla_cpu_parallel_codegen_split_count=1"]
if jax.__version_info__ < (0, 11):  # later ones end at a flag that they do not know
    xla.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(xla))
quick = os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1"
jax.config.update("jax_disable_most_optimizations", quick)
# What a test has compiled, the others load: both processes, and the calls that tests start.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    COMPILED = tempfile.TemporaryDirectory()  # removed with the process that made it
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


# These take longest and begin first, so that in the end no process waits for another's.
LONGEST = ("processes", "slurm", "chaos", "bad_inputs", "study", "report", "source", "late_hosts")


# Numba takes ten seconds for what a plan needs, in every process until one has kept it.
PLAN = """
import numpy as np
from pinch_jax.data import order, packing
from pinch_jax.data.config import BatchConfig

order.interleave({"a": 1, "b": 2}, 4, 0)
order.permutation(2, 0)
lengths = np.ones(2, np.int32)
for plan in (packing.step_bounds, packing.place_in_rows):
    plan(BatchConfig(2, 1, 4, 4, 2, 1, 0.0), lengths, lengths)
"""


def pytest_configure(config):
    if not config.getoption("numprocesses", None):
        return
    # While the other processes look for tests.
    compiling = subprocess.Popen([sys.executable, "-c", PLAN], cwd=config.rootpath)

    @config.add_cleanup
    def compiled():
        assert compiling.wait() == 0


def freeze():
    """Collects garbage, and spares what stays from being looked through again: 10 % of the time."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish():
    freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items):
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open():
    """Has a module that leaves a file or a connection open fail, not one that comes later."""
    yield
    freeze()


@pytest.fixture
def figures_as_svg_alone(monkeypatch):
    """Of pages that a test writes; that of two sweeps, in test_report, is in every format."""
    from pinch_jax.report import drawing

    monkeypatch.setattr(drawing, "SUFFIXES", (".svg",))


@pytest.fixture(autouse=True)
def signals_taken_back():
    """Lets the tests hear the signals that a call has stopped listening to."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def flags_taken_back():
    """Takes back what a test has put on the command line: flags are one for the whole process."""
    yield
    # A changed field of a config is a flag of its own, defined when it is read.
    for name in [name for name in flags.FLAGS if name.startswith(("config.", "against."))]:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
