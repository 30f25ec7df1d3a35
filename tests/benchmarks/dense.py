"""The backward pass of gated feed-forwards with `dense`, against the same with plain products.

    python tests/benchmarks/dense.py

Prints the median of paired runs, in milliseconds, and the ratio; both in one process.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.model.layers import dense

LAYERS, ROWS, TOKENS, WIDTH, FEEDFORWARD, RUNS = 4, 8, 1024, 192, 512, 21


def gradient(product, remat):
    """Returns the compiled gradient of `LAYERS` gated feed-forwards run by a scan."""

    def layer(x, w):
        gate, up, down = w
        return x + product(jax.nn.silu(product(x, gate)) * product(x, up), down), None

    if remat:
        policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
        layer = jax.checkpoint(layer, policy=policy)
    return jax.jit(jax.grad(lambda w, x: jnp.sum(jax.lax.scan(layer, x, w)[0] ** 2)))


def main():
    """Times all variants in turn, run by run, so that the machine's moods hit them alike."""
    keys = jax.random.split(jax.random.key(0), 4)
    shapes = ((WIDTH, FEEDFORWARD), (WIDTH, FEEDFORWARD), (FEEDFORWARD, WIDTH))
    weights = tuple(
        jax.random.normal(k, (LAYERS, *s)) / s[0] ** 0.5
        for k, s in zip(keys[:3], shapes, strict=True)
    )
    x = jax.random.normal(keys[3], (ROWS, TOKENS // ROWS, WIDTH))
    variants = {
        "plain": gradient(jnp.matmul, remat=False),
        "plain, products kept": gradient(jnp.matmul, remat=True),
        "dense": gradient(dense, remat=False),
        "dense, products kept (ours)": gradient(dense, remat=True),
    }
    milliseconds = {name: [] for name in variants}
    for _ in range(RUNS):
        for name, compiled in variants.items():
            start = time.perf_counter()
            jax.block_until_ready(compiled(weights, x))
            milliseconds[name].append(1e3 * (time.perf_counter() - start))
    plain = np.array(milliseconds["plain"][1:])
    for name, values in milliseconds.items():
        values = np.array(values[1:])
        print(f"{name:30} {np.median(values):7.1f} ms, {np.median(plain / values):.2f} x plain")


if __name__ == "__main__":
    main()
