"""The cross-entropy of a token, with one pass of exponentials for the loss and its gradient."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def cross_entropy(scores: jax.Array, targets: jax.Array) -> jax.Array:
    """Returns the negative log-likelihoods [B, S] (nats) of targets [B, S] under scores [B, S, V].

    Differentiated by itself, the scores would be held with their exponentials beside them, or the
    exponentials computed twice, which is the longest pass over a large vocabulary on a CPU.
    """
    return _forward(scores, targets)[0]


def _forward(scores, targets):
    largest = jnp.max(scores, axis=-1)
    chosen = jnp.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]
    exponentials = jnp.exp(scores - largest[..., None])
    total = jnp.sum(exponentials, axis=-1)
    # In the place of the scores, which nothing needs any more.
    return jnp.log(total) + largest - chosen, (exponentials, total, targets)


def _backward(kept, gradient):
    exponentials, total, targets = kept
    of_scores = exponentials * (gradient / total)[..., None]
    rows, slots = jnp.indices(targets.shape)
    return of_scores.at[rows, slots, targets].add(-gradient), None


cross_entropy.defvjp(_forward, _backward)
