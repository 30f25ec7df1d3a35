"""Eight virtual CPU devices for all tests, set before any JAX backend starts."""

import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
