"""The loss at the head: it and its gradients are optax's, however tokens and vocabulary are cut."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard
from pinch_jax.model.decoder import no_sharding
from pinch_jax.train import cross_entropy

ROWS, SLOTS, WIDTH = 8, 7, 6
MESHES = [None, (8, 1, 1), (1, 8, 1), (2, 2, 2), (1, 4, 2), (1, 2, 2, 2), (2, 1, 1, 4)]
# Divided by every mesh; by none, with whole parts of padding; and with padding in the last one.
VOCABULARIES = [32, 5, 37]


def sharding(mesh):
    return no_sharding if mesh is None else Shard(make_mesh(MeshConfig(*mesh)))


def drawn(vocabulary):
    random = np.random.default_rng(vocabulary)
    hidden = random.standard_normal((ROWS, SLOTS, WIDTH), np.float32)
    head = 3 * random.standard_normal((vocabulary, WIDTH), np.float32)
    targets = random.integers(0, vocabulary, (ROWS, SLOTS)).astype(np.int32)
    weights = random.standard_normal((ROWS, SLOTS), np.float32)
    return hidden, head, targets, weights


@functools.partial(jax.jit, static_argnums=0)
@functools.partial(jax.value_and_grad, argnums=(1, 2))
def reference(cap, hidden, head, targets, weights):
    logits = hidden @ head.T
    logits = cap * jnp.tanh(logits / cap) if cap else logits
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return 3 * jnp.sum(losses * weights)


def ours(cap, shard, hidden, head, targets, weights):
    return 3 * cross_entropy.head_loss(hidden, head, targets, weights, cap, shard)


# One token a device at a time; three of each row, with a soft cap; all at once.
CHUNKS = [(1, 0.0), (3 * ROWS, 5.0), (2048, 0.0)]
CASES = [
    (mesh, vocabulary, *CHUNKS[(row + column) % 3])
    for row, mesh in enumerate(MESHES)
    for column, vocabulary in enumerate(VOCABULARIES)
]


@pytest.mark.parametrize(("mesh", "vocabulary", "chunk", "cap"), CASES, ids=str)
def test_loss_and_gradients_are_those_of_optax(mesh, vocabulary, chunk, cap, monkeypatch):
    monkeypatch.setattr(cross_entropy, "CHUNK_TOKENS", chunk)
    arrays = drawn(vocabulary)
    loss = functools.partial(ours, cap, sharding(mesh))
    found = jax.jit(lambda *arrays: (loss(*arrays), jax.grad(loss, argnums=(0, 1))(*arrays)))
    theirs = reference(cap, *arrays)
    for mine, right in zip(jax.tree.leaves(found(*arrays)), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(mine, right, rtol=2e-5, atol=5e-5)


def test_a_token_of_which_the_model_is_sure_costs_nothing_and_moves_nothing():
    hidden, head, targets, _ = drawn(32)
    weights = np.ones((ROWS, SLOTS), np.float32)
    # 1e4 times the logits: every probability is 0 or 1, and exp would overflow.
    loss = functools.partial(ours, 0.0, no_sharding)
    sure = np.argmax(hidden @ head.T, axis=-1).astype(np.int32)
    value, slope = jax.value_and_grad(loss)(1e4 * hidden, head, sure, weights)
    assert float(value) == 0 and not np.any(slope)
    assert np.isfinite(loss(1e4 * hidden, head, targets, weights))


def products(function, *arrays):
    text = str(jax.make_jaxpr(function)(*arrays))
    return text.count("dot_general")


def test_what_is_not_trained_has_no_product():
    loss = functools.partial(ours, 0.0, no_sharding)
    counts = [
        products(loss, *drawn(32)),
        products(jax.grad(loss, argnums=0), *drawn(32)),
        products(jax.grad(loss, argnums=(0, 1)), *drawn(32)),
    ]
    assert counts == [1, 2, 3]


def test_logits_are_held_for_one_chunk_alone(monkeypatch):
    vocabulary, slots = 4096, 64
    random = np.random.default_rng(0)
    hidden = random.standard_normal((ROWS, slots, WIDTH), np.float32)
    head = random.standard_normal((vocabulary, WIDTH), np.float32)
    targets, weights = np.zeros((ROWS, slots), np.int32), np.ones((ROWS, slots), np.float32)
    sizes = []
    for columns in (2, 8):
        monkeypatch.setattr(cross_entropy, "CHUNK_TOKENS", columns * ROWS)
        slope = jax.jit(jax.grad(functools.partial(ours, 0.0, no_sharding), argnums=(0, 1)))
        compiled = slope.lower(hidden, head, targets, weights).compile()
        sizes.append(compiled.memory_analysis().temp_size_in_bytes)
    columns = 4 * ROWS * vocabulary
    # A chunk's logits and what is made of them; of the whole batch they would be 64 columns.
    assert 6 * columns < sizes[1] - sizes[0] < 24 * columns
    assert sizes[0] < 16 * columns
