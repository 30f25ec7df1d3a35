"""Arrays that wait in the memory of the hosts."""

import jax
import jax.numpy as jnp
import numpy as np
from small import GEMMA_LIKE, random_params

from pinch_jax.devices.host_memory import HostCopy
from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import parameter_shardings


def test_what_waits_comes_back_where_it_lay_each_time():
    mesh = make_mesh(MeshConfig(2, 2, 2))
    params = random_params(GEMMA_LIKE)
    params["embedding"] = params["embedding"].astype(jnp.bfloat16)
    shardings = parameter_shardings(mesh, params)
    waiting = HostCopy(jax.device_put(params, shardings))
    # Whoever is given it may overwrite it: the next one gets the same.
    spoil = jax.jit(lambda tree: jax.tree.map(jnp.zeros_like, tree), donate_argnums=0)
    for _ in range(2):
        back = waiting.on_devices()
        for x, y, where in zip(*map(jax.tree.leaves, (back, params, shardings)), strict=True):
            assert x.sharding == where and x.dtype == y.dtype and np.array_equal(x, y)
        spoil(back)
