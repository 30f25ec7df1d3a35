"""The cross-entropy of a token, with one pass of exponentials for the loss and its gradient."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Returns the negative log-likelihoods [B, S] (nats) of targets [B, S] under logits [B, S, V].

    Differentiated by itself, the logits would be held with their exponentials beside them, or the
    exponentials computed twice, which is the longest pass over a large vocabulary on a CPU.
    """
    return _forward(logits, targets)[0]


def _forward(logits, targets):
    largest = jnp.max(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    exponentials = jnp.exp(logits - largest[..., None])
    total = jnp.sum(exponentials, axis=-1)
    # In the place of the logits, which nothing needs any more.
    return jnp.log(total) + largest - chosen, (exponentials, total, targets)


def _backward(kept, gradient):
    exponentials, total, targets = kept
    of_logits = exponentials * (gradient / total)[..., None]
    rows, slots = jnp.indices(targets.shape)
    return of_logits.at[rows, slots, targets].add(-gradient), None


cross_entropy.defvjp(_forward, _backward)
