"""Eight virtual CPU devices for all tests, set before any JAX backend starts."""

import jax
import pytest
from absl import flags

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(autouse=True)
def flags_taken_back():
    """Takes back what a test has put on the command line: flags are one for the whole process."""
    yield
    flags.FLAGS.unparse_flags()
