"""What a model expects: the log-probability of each id of a text, given those before it."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.devices.mesh import batch_ways, jit_on, local_rows, put_batch, replicated
from pinch_jax.evaluate.prompts import PromptBatch, batch_prompts
from pinch_jax.model.decoder import Params, Shard, forward, in_precision, no_sharding, unembed
from pinch_jax.model.families import DecoderConfig

# So many positions have their scores over the vocabulary at a time; a product needs no more of
# them to be fast, and of 262,144 tokens they take 128 MiB.
POSITIONS = 128
# The ids of a batch, with padding; and the narrowest batch.
BATCH_TOKENS, LEAST_WIDTH = 2048, 16


def make_score(
    model: DecoderConfig, dtype: Any = jnp.float32, shard: Shard = no_sharding
) -> Callable[[Params, jax.Array, jax.Array], jax.Array]:
    """Returns the pure function (params, ids, padding) -> log-probabilities (nats); jit it.

    ids [B, T] are padded on the left by padding [B] ids. The result [B, T - 1] is in float32: in
    column t the log-probability of id t + 1, given those before it; in columns of padding nothing
    of use. Scores [B, T, V] are never held: they are made and used for a few positions at a time.
    """

    def score(params, ids, padding):
        params = in_precision(params, dtype)
        rows, width = ids.shape
        slots = jnp.arange(width)
        segments = (slots >= padding[:, None]).astype(jnp.int32)
        positions = jnp.maximum(slots - padding[:, None], 0)
        hidden = forward(model, params, ids, positions, segments, shard)

        def expected(column):
            hidden_here, targets = column
            scores = shard(unembed(model, params, hidden_here), "BV")
            chosen = jnp.take_along_axis(scores, targets[:, None], axis=-1)[:, 0]
            return chosen - jax.nn.logsumexp(scores, axis=-1)

        columns = hidden[:, :-1].swapaxes(0, 1), ids[:, 1:].T
        return jax.lax.map(expected, columns, batch_size=max(POSITIONS // rows, 1)).T

    return score


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores texts with a model; one compiled program for each shape of a batch."""

    model: DecoderConfig
    mesh: jax.sharding.Mesh
    shard: Shard = no_sharding
    dtype: Any = jnp.float32

    @functools.cached_property
    def program(self) -> Any:
        """The compiled program (params, ids, padding) -> log-probabilities, the same everywhere."""
        score = make_score(self.model, self.dtype, self.shard)
        return jit_on(self.mesh, score, out_shardings=replicated(self.mesh))

    def batches(self, texts: Sequence[Sequence[int]]) -> list[PromptBatch]:
        """Returns the texts of two ids or more, each with others of about its length."""
        ways = batch_ways(self.mesh)
        alike: dict[int, list[int]] = {}
        for index, text in enumerate(texts):
            if len(text) > 1:
                width = LEAST_WIDTH << (-(-len(text) // LEAST_WIDTH) - 1).bit_length()
                alike.setdefault(width, []).append(index)
        batches = []
        for width, indices in sorted(alike.items()):
            rows = ways * max(BATCH_TOKENS // (width * ways), 1)
            for batch in batch_prompts([texts[i] for i in indices], rows, (width,), pad_id=0):
                batches.append(dataclasses.replace(batch, members=np.array(indices)[batch.members]))
        return batches

    def __call__(
        self,
        params: Params,
        texts: Sequence[Sequence[int]],
        progress: Callable[[int], None] = lambda count: None,
    ) -> list[np.ndarray]:
        """Returns, for each text, the log-probabilities (nats) of its ids after the first.

        All processes get all of them; `progress(n)` is told of n texts.
        """
        found = [np.zeros(0, np.float32)] * len(texts)
        batches = self.batches(texts)
        progress(len(texts) - sum(len(batch.members) for batch in batches))
        for batch in batches:
            mine = local_rows(self.mesh, len(batch.ids))
            local = batch.ids[mine], batch.padding[mine]
            output = self.program(params, *put_batch(self.mesh, len(batch.ids), local))
            for index, row in zip(batch.members, np.asarray(output), strict=False):
                found[index] = row[len(row) + 1 - len(texts[index]) :]
            progress(len(batch.members))
        return found
