"""The cross-entropy at the head, over a few tokens at a time and a part of the vocabulary a device.

Nothing of the size [B, S, V] is ever held: the logits of a chunk of tokens give the loss, the
gradient of those tokens and their share of the gradient of the head, and are dropped.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from pinch_jax.devices.mesh import ways
from pinch_jax.devices.sharding import SPLIT, Shard
from pinch_jax.model.attention import softcap
from pinch_jax.model.layers import dense

# The tokens of a chunk. Fewer would wait for the weights of the head, and for the sum of its
# gradient, which each chunk reads and writes: 128 of them take twice the time on a TPU v5e.
CHUNK_TOKENS = 2048
# The devices that share a group's tokens share the vocabulary: each sees the tokens of all of them.
# That moves fewer bytes than the table, which is then whole nowhere, nor is its gradient.
TOKENS, VOCABULARY = P(("data", "fsdp"), "context"), P(("tensor", *SPLIT))


def head_loss(
    hidden: jax.Array,
    head: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    cap: float,
    shard: Shard,
) -> jax.Array:
    """Returns the sum of the negative log-likelihoods (nats) of tokens, each times its weight.

    hidden [B, S, D], head [V, D], targets and weights [B, S]; `cap` is the soft cap of logits.
    """
    # Rounded where the parameter is, and moved then.
    return _loss(cap, shard, hidden, shard(head, "VC"), targets, weights)


class _Task(NamedTuple):
    """What is asked of a device: the soft cap of logits, the size of the vocabulary, gradients."""

    cap: float
    mesh: Mesh | None
    size: int
    wanted: tuple[str, ...]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _loss(cap, shard, *arrays):
    return _on_mesh(_Task(cap, shard.mesh, len(arrays[1]), ()), *arrays)["loss"]


def _loss_forward(cap, shard, *arrays):
    # The loss is a sum, so that its gradients are known up to a factor before it is complete.
    wanted = tuple(name for name, x in zip(("hidden", "head"), arrays, strict=False) if x.perturbed)
    arrays = [x.value for x in arrays]
    found = _on_mesh(_Task(cap, shard.mesh, len(arrays[1]), wanted), *arrays)
    return found.pop("loss"), found


def _loss_backward(cap, shard, slopes, gradient):
    scaled = {name: (x * gradient).astype(x.dtype) for name, x in slopes.items()}
    if "head" in scaled:
        # Moved to where the parameter is as it is, not as what the optimizer makes of it.
        scaled["head"] = shard(scaled["head"], "VC")
    return scaled.get("hidden"), scaled.get("head"), None, None


_loss.defvjp(_loss_forward, _loss_backward, symbolic_zeros=True)


def _on_mesh(task, hidden, head, targets, weights):
    """Returns {"loss": their sum} and what is wanted of its gradients, by name."""
    if task.mesh is None:
        return _summed(task, hidden, head, targets, weights)
    slots, ends = hidden.shape[1], ways(task.mesh, TOKENS[1])
    hidden, targets, weights = (_padded(x, 1, ends) for x in (hidden, targets, weights))
    head = _padded(head, 0, ways(task.mesh, *VOCABULARY))
    outputs = {"loss": P(), "hidden": TOKENS, "head": VOCABULARY}
    found = jax.shard_map(
        functools.partial(_summed, task),
        mesh=task.mesh,
        in_specs=(TOKENS, VOCABULARY, TOKENS, TOKENS),
        out_specs={name: outputs[name] for name in ("loss", *task.wanted)},
        check_vma=False,
    )(hidden, head, targets, weights)
    if "hidden" in found:
        found["hidden"] = found["hidden"][:, :slots]
    if "head" in found:
        found["head"] = found["head"][: task.size]
    return found


def _padded(x, axis, multiple):
    """Returns x, with zeros behind where a multiple does not divide its axis."""
    spare = -x.shape[axis] % multiple
    return jnp.pad(x, [(0, spare * (n == axis)) for n in range(x.ndim)]) if spare else x


def _summed(task, hidden, head, targets, weights):
    """Returns the same of one device: of its rows, and of the rows of the head that it has."""
    mesh, wanted = task.mesh, task.wanted
    rows, slots, _ = hidden.shape
    group = ways(mesh, SPLIT) if mesh else 1
    width = max(CHUNK_TOKENS // (rows * group), 1)
    count = -(-slots // width)
    width = -(-slots // count)

    def chunked(x):
        """Returns x [B, S, ...] as [chunks, B, width, ...], ended by slots of weight 0."""
        x = _padded(x, 1, count * width)
        return x.reshape(rows, count, width, *x.shape[2:]).swapaxes(0, 1)

    def one(chunk):
        """Returns the loss of a chunk and what it adds to the gradient of the head, of hidden."""
        part, slope, everyones = _chunk(task, head, *chunk)
        of_head = of_hidden = None
        if "hidden" in wanted:
            of_hidden = _shared_out(mesh, dense(slope, head, dtype=jnp.float32))
            of_hidden = of_hidden.astype(hidden.dtype)
        if "head" in wanted:
            # Transposed like this, the small factor is what is copied.
            flat = everyones.reshape(-1, everyones.shape[-1]).T
            of_head = dense(flat, slope.reshape(flat.shape[1], -1), dtype=jnp.float32).T
        return (part, of_head), of_hidden

    def add(total, chunk):
        added, of_hidden = one(chunk)
        return jax.tree.map(jnp.add, total, added), of_hidden

    if count == 1:  # without a sum, which would be held beside what it is of
        (loss, of_head), of_hidden = one((hidden, targets, weights))
    else:
        zero = jnp.zeros(()), jnp.zeros(head.shape, jnp.float32) if "head" in wanted else None
        chunks = jax.tree.map(chunked, (hidden, targets, weights))
        (loss, of_head), of_hidden = jax.lax.scan(add, zero, chunks)
    found = {"loss": jax.lax.psum(loss, "data") if mesh else loss}
    if "hidden" in wanted:
        if count > 1:
            of_hidden = of_hidden.swapaxes(0, 1).reshape(rows, count * width, -1)
        found["hidden"] = of_hidden[:, :slots]
    if "head" in wanted:
        of_head = of_head.astype(head.dtype)
        found["head"] = jax.lax.psum(of_head, "data") if mesh else of_head
    return found


def _chunk(task, head, hidden, targets, weights):
    """Returns (loss, its gradient for logits [B, S, v], hidden) of all rows of the group."""
    mesh, first = task.mesh, 0
    if mesh:
        everyone = functools.partial(jax.lax.all_gather, axis_name=SPLIT, tiled=True)
        hidden, targets, weights = jax.tree.map(everyone, (hidden, targets, weights))
        first = jax.lax.axis_index(*VOCABULARY) * len(head)

    def over_vocabulary(reduce, x):
        return reduce(x, *VOCABULARY) if mesh else x

    logits, pull = jax.vjp(
        functools.partial(softcap, cap=task.cap), dense(hidden, head.T, dtype=jnp.float32)
    )
    if mesh and task.size % ways(mesh, *VOCABULARY):  # rows of padding
        logits = jnp.where(first + jnp.arange(len(head)) < task.size, logits, -jnp.inf)
    here = targets[..., None] - first
    chosen = jnp.take_along_axis(logits, jnp.clip(here, 0, len(head) - 1), axis=-1)
    chosen = jnp.where((here >= 0) & (here < len(head)), chosen, 0.0)[..., 0]
    largest = over_vocabulary(jax.lax.pmax, jnp.max(logits, axis=-1))
    exponentials = jnp.exp(logits - largest[..., None])
    total = over_vocabulary(jax.lax.psum, jnp.sum(exponentials, axis=-1))
    chosen = over_vocabulary(jax.lax.psum, chosen)
    loss = jnp.sum((jnp.log(total) + largest - chosen) * weights)
    # A comparison instead of a scatter, which would be a pass of its own.
    one_hot = jnp.where(jnp.arange(len(head)) == here, weights[..., None], 0.0)
    (slope,) = pull(exponentials * (weights / total)[..., None] - one_hot)
    return loss, slope.astype(head.dtype), hidden


def _shared_out(mesh, x):
    """Returns each device's rows of x [B, ...], summed over the parts of the vocabulary."""
    if mesh is None:
        return x
    x = jax.lax.psum_scatter(x, SPLIT, scatter_dimension=0, tiled=True)
    return jax.lax.psum(x, "tensor")
