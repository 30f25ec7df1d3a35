"""A matrix product whose gradient XLA compiles well on a CPU, too."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def dense(x: jax.Array, w: jax.Array) -> jax.Array:
    """Returns x [..., I] @ w [I, O]: [..., O].

    Left to itself, XLA on a CPU fuses what comes before into the operands of both products of
    the gradient, and reads the weight's with a stride; tests/benchmarks/dense.py shows what that
    costs. On other platforms the gradient is the usual one.
    """
    return jnp.einsum("...I,IO->...O", x, w)


def _forward(x, w):
    return dense(x, w), (x, w)


def _backward(residuals, dy):
    return jax.lax.platform_dependent(*residuals, dy, cpu=_lean, default=_usual)


def _usual(x, w, dy):
    return jnp.einsum("...O,IO->...I", dy, w), jnp.einsum("...I,...O->IO", x, dy)


def _lean(x, w, dy):
    dy = jax.lax.optimization_barrier(dy)
    dx = jnp.einsum("...O,IO->...I", dy, w)
    x, dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    # The narrower operand is transposed, and for good before the product reads it.
    if x.shape[-1] <= dy.shape[-1]:
        return dx, jax.lax.optimization_barrier(x.T) @ dy
    return dx, (jax.lax.optimization_barrier(dy.T) @ x).T


dense.defvjp(_forward, _backward)
