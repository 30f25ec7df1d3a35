"""Answers from a model: prefill, then a while loop, in one compiled program."""

import collections
import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.evaluate.config import GREEDY, Sampling
from pinch_jax.model.decoder import (
    Shard,
    forward_cached,
    in_precision,
    init_cache,
    no_sharding,
    unembed,
)
from pinch_jax.model.families import DecoderConfig


class _Loop(NamedTuple):
    index: jax.Array  # new tokens so far
    token: jax.Array  # [B] the newest one
    done: jax.Array  # [B]
    output: jax.Array  # [B, new tokens]
    cache: Any


def best(logits: jax.Array) -> jax.Array:
    """Returns the first of the largest of each row of logits [B, V], as int32 ids [B].

    In two passes, which XLA vectorises on a CPU; its argmax goes element by element.
    """
    ids = jnp.arange(logits.shape[-1], dtype=jnp.int32)
    largest = jnp.max(logits, axis=-1, keepdims=True)
    return jnp.min(jnp.where(logits == largest, ids, logits.shape[-1] - 1), axis=-1)


def sample(logits: jax.Array, keys: jax.Array, sampling: Sampling) -> jax.Array:
    """Returns one token id for each row of float32 logits [B, V], drawn by its own of keys [B].

    Source: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, arXiv 1904.09751:
    the smallest set of tokens whose probability reaches top_p.
    """
    if sampling.temperature == 0:
        return best(logits)
    logits = logits / sampling.temperature
    if sampling.top_p < 1:
        falling = -jnp.sort(-logits, axis=-1)
        probabilities = jax.nn.softmax(falling, axis=-1)
        # A token stays while the mass before it is short of top_p, so at least one does.
        kept = jnp.cumsum(probabilities, axis=-1) - probabilities < sampling.top_p
        floor = jnp.min(jnp.where(kept, falling, jnp.inf), axis=-1, keepdims=True)
        logits = jnp.where(logits >= floor, logits, -jnp.inf)
    return jax.vmap(jax.random.categorical)(keys, logits).astype(jnp.int32)


def sampling_keys(seed: int, prompts: Sequence[str]) -> np.ndarray:
    """Returns the words of a random key for each prompt, uint32 [n, 2], by what it says alone.

    So what is drawn for a prompt depends neither on the prompts beside it nor on where a run was
    stopped. Equal prompts are told apart by which of them it is.
    """
    seen: collections.Counter[str] = collections.Counter()
    words = np.empty((len(prompts), 2), np.uint32)
    for row, prompt in enumerate(prompts):
        name = json.dumps([seed, prompt, seen[prompt]])
        words[row] = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u4")
        seen[prompt] += 1
    return words


def make_decode(
    model: DecoderConfig,
    new_tokens: int,
    stop_ids: Collection[int],
    pad_id: int,
    sampling: Sampling = GREEDY,
    dtype: Any = jnp.float32,
    shard: Shard = no_sharding,
) -> Callable[..., jax.Array]:
    """Returns the pure function (params, prompts, padding, keys, listed) -> ids; jit it.

    prompts [B, T] are padded on the left by padding [B] tokens; keys uint32 [B, 2] are those of
    `sampling_keys`. The result [B, new_tokens] holds the new ids of each row, pad_id behind the
    first of stop_ids; `until_stop` leaves those out. The loop ends when every row has stopped.
    It reads the layers from `listed` where that has each of them, as `listed_layers` gives them.
    """
    stops = jnp.array(sorted(stop_ids), jnp.int32)

    def decode(params, prompts, padding, keys, listed=None):
        params = in_precision(params, dtype)
        keys = jax.random.wrap_key_data(keys, impl="threefry2x32")
        batch, length = prompts.shape
        cache = init_cache(model, batch, length + new_tokens, dtype)
        hidden, cache = forward_cached(model, params, prompts, padding, 0, cache, shard)
        if listed:
            params, cache = params | {"layers": listed}, cache.listed()

        def choose(hidden, index):
            logits = shard(unembed(model, params, hidden), "BV")
            return sample(logits, jax.vmap(jax.random.fold_in, (0, None))(keys, index), sampling)

        def is_stop(token):
            return jnp.any(token[:, None] == stops, axis=-1)

        def write(output, token, done, index):
            return output.at[:, index].set(jnp.where(done, pad_id, token))

        def advance(state: _Loop) -> _Loop:
            place = length + state.index - 1
            hidden, cache = forward_cached(
                model, params, state.token[:, None], padding, place, state.cache, shard
            )
            token = choose(hidden[:, 0], state.index)
            output = write(state.output, token, state.done, state.index)
            done = state.done | is_stop(token)
            return _Loop(state.index + 1, token, done, output, cache)

        token = choose(hidden[:, -1], 0)
        # A row that holds padding alone only fills the batch.
        done = padding == length
        output = write(jnp.full((batch, new_tokens), pad_id, jnp.int32), token, done, 0)
        state = _Loop(jnp.int32(1), token, done | is_stop(token), output, cache)
        state = jax.lax.while_loop(
            lambda s: (s.index < new_tokens) & ~jnp.all(s.done), advance, state
        )
        return state.output

    return decode


def until_stop(ids: np.ndarray, stop_ids: Collection[int]) -> np.ndarray:
    """Returns the ids [n] of a row before the first that ends it; all where none does."""
    stops = np.flatnonzero(np.isin(ids, list(stop_ids)))
    return ids[: stops[0]] if len(stops) else ids


@dataclasses.dataclass(frozen=True)
class PromptBatch:
    """Prompts of similar length: ids [B, T] padded on the left, padding [B], whose they are [n]."""

    ids: np.ndarray
    padding: np.ndarray
    members: np.ndarray


def batch_prompts(
    prompts: Sequence[Sequence[int]], rows: int, widths: Sequence[int], pad_id: int
) -> list[PromptBatch]:
    """Returns all prompts in batches of `rows`, grouped by length, the last filled with padding.

    A batch is as wide as the smallest of `widths` that holds it; UserError if a prompt is longer.
    """
    lengths = np.array([len(p) for p in prompts], np.int64)
    if len(lengths) and lengths.max() > max(widths):
        raise UserError(
            f"config.evaluate.prompt_tokens={max(widths)}: prompt {int(lengths.argmax())} has "
            f"{int(lengths.max())} tokens; raise config.evaluate.prompt_tokens"
        )
    order = np.argsort(lengths, kind="stable")
    batches = []
    for first in range(0, len(order), rows):
        members = order[first : first + rows]
        width = min(w for w in widths if w >= lengths[members].max())
        ids = np.full((rows, width), pad_id, np.int32)
        padding = np.full(rows, width, np.int32)
        for row, member in enumerate(members):
            padding[row] = width - lengths[member]
            ids[row, padding[row] :] = prompts[member]
        batches.append(PromptBatch(ids, padding, members))
    return batches
