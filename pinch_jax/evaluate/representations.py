"""What a model makes of a text as one vector: the mean of its hidden states."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.devices.mesh import batch_ways, jit_on, local_rows, put_batch, replicated
from pinch_jax.evaluate.prompts import batch_prompts
from pinch_jax.model.decoder import Params, Shard, forward, in_precision, no_sharding
from pinch_jax.model.families import DecoderConfig

# The ids of a batch, with padding.
BATCH_TOKENS = 2048


def representations(
    model: DecoderConfig,
    params: Params,
    texts: Sequence[Sequence[int]],
    mesh: jax.sharding.Mesh,
    shard: Shard = no_sharding,
    dtype: Any = jnp.float32,
) -> np.ndarray:
    """Returns the mean hidden state of each text's ids, float32 [text, D], in all processes.

    They are those that logits are made of: behind the last layer and its norm, in any family.
    """

    def mean_states(params, ids, padding):
        slots = jnp.arange(ids.shape[1])
        there = slots >= padding[:, None]
        positions = jnp.maximum(slots - padding[:, None], 0)
        params, segments = in_precision(params, dtype), there.astype(jnp.int32)
        hidden = forward(model, params, ids, positions, segments, shard)
        total = jnp.sum(jnp.where(there[:, :, None], hidden, 0), axis=1, dtype=jnp.float32)
        return total / jnp.maximum(there.sum(axis=1), 1)[:, None]

    width, ways = max(map(len, texts)), batch_ways(mesh)
    width += -width % mesh.shape["context"]
    rows = ways * max(BATCH_TOKENS // (width * ways), 1)
    program = jit_on(mesh, mean_states, out_shardings=replicated(mesh))
    found = np.zeros((len(texts), model.embed_dim), np.float32)
    for batch in batch_prompts(texts, rows, (width,), pad_id=0):
        mine = local_rows(mesh, rows)
        local = batch.ids[mine], batch.padding[mine]
        states = np.asarray(program(params, *put_batch(mesh, rows, local)))
        found[batch.members] = states[batch.places]
    return found
