"""Answers from a model, in one compiled program: rows that are done take the next prompts.

Axes beside those of model/decoder.py: the rows of a batch are G groups of R, each on devices of its
own, and each group has a queue of Q prompts. Weights are split over the devices of a group.
"""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.evaluate.config import GREEDY, Sampling
from pinch_jax.evaluate.sampling import sample
from pinch_jax.model.cache import Cache, init_cache, taken
from pinch_jax.model.decoder import Shard, forward_cached, no_sharding, unembed
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.stacks import listed

# The part of a group's rows that take prompts together. The fewer, the less they wait for each
# other; the more, the better a device is used while it reads prompts.
REFILLED = 1 / 4
# What a profile and a plan know the two loops by: a turn of the first reads prompts, one of the
# second, inside of it, writes a token of each answer.
REFILLS, TOKENS = "refills", "tokens"


class _Queue(NamedTuple):
    """The prompts of each group: ids [G, Q, T], padding [G, Q], words of a key [G, Q, 2]."""

    ids: jax.Array
    padding: jax.Array
    keys: jax.Array


class _Rows(NamedTuple):
    """What the rows of each group work on: [G, R] each, but `keys` [G, R, 2]."""

    prompt: jax.Array  # its place in the queue
    begins: jax.Array  # when its prompt began
    keys: jax.Array
    count: jax.Array  # new tokens so far
    token: jax.Array  # the newest one
    active: jax.Array


class _State(NamedTuple):
    time: jax.Array  # of the next token of all rows: its slot in the cache, which is a ring
    taken: jax.Array  # [G] how many prompts have left the queue
    rows: _Rows
    output: jax.Array  # [G, Q, new tokens]
    cache: Cache


@dataclasses.dataclass(frozen=True)
class _Program:
    """What stays the same in one call, and what is done again and again with the rest."""

    model: DecoderConfig
    new_tokens: int
    stops: jax.Array
    sampling: Sampling
    shard: Shard
    params: Any
    queue: _Queue
    waiting: jax.Array  # [G] the prompts of each group before any was taken

    @property
    def width(self) -> int:
        """The tokens of a prompt, with its padding."""
        return self.queue.ids.shape[2]

    def start(self, rows: int, pad_id: int) -> _State:
        """Returns what a call begins with: so many idle rows in each group."""
        groups = len(self.waiting)
        zeros = jnp.zeros((groups, rows), jnp.int32)
        words = jnp.zeros((groups, rows, 2), jnp.uint32)
        idle = _Rows(zeros, zeros, words, zeros, zeros, zeros.astype(bool))
        output = jnp.full((*self.queue.padding.shape, self.new_tokens), pad_id, jnp.int32)
        length, dtype = self.width + self.new_tokens, self.params["embedding"].dtype
        cache = init_cache(self.model, groups * rows, length, dtype, self.shard)
        return _State(jnp.int32(self.width), jnp.zeros_like(self.waiting), idle, output, cache)

    def refill(self, state: _State) -> _State:
        """Lets idle rows take the next prompts, each of which gets its first token."""
        old = state.rows
        count = refilled_rows(old.active.shape[1])
        # Idle rows by their order: the first takes the first prompt.
        order = jnp.cumsum(~old.active, axis=1) - 1
        left = (self.waiting - state.taken)[:, None]
        takes = ~old.active & (order < jnp.minimum(left, count))
        source = jnp.where(takes, order, count)
        prompt = state.taken[:, None] + jnp.arange(count)
        own = _Queue(*(taken(x, prompt) for x in self.queue))
        ids, padding = own.ids.reshape(-1, self.width), own.padding.reshape(-1)
        hidden, cache = forward_cached(self.model, self.params, ids, padding, shard=self.shard)
        one = jnp.ones_like(prompt)
        token = self._choose(hidden[:, -1], own.keys, one - 1)
        begins = state.time - self.width + own.padding
        new = _Rows(prompt, begins, own.keys, one, token, self._goes_on(token, one))
        rows = _Rows(*(_replaced(x, n, source) for x, n in zip(old, new, strict=True)))
        return _State(
            time=state.time,
            taken=state.taken + jnp.sum(takes, axis=1),
            rows=rows,
            output=_entered(state.output, rows, takes),
            cache=state.cache.insert(cache, source, state.time),
        )

    def advance(self, state: _State) -> _State:
        """Gives each active row one more token."""
        old = state.rows
        ids, begins = old.token.reshape(-1, 1), old.begins.reshape(-1)
        hidden, cache = forward_cached(
            self.model, self.params, ids, begins, state.time, state.cache, self.shard
        )
        token, count = self._choose(hidden[:, 0], old.keys, old.count), old.count + old.active
        active = old.active & self._goes_on(token, count)
        rows = old._replace(count=count, token=token, active=active)
        output = _entered(state.output, rows, old.active)
        return _State(state.time + 1, state.taken, rows, output, cache)

    def advances(self, state: _State) -> jax.Array:
        """Returns whether too few rows are idle, or prompts left, to read more prompts now."""
        idle, left = ~state.rows.active, self.waiting - state.taken
        ready = jnp.sum(jnp.minimum(jnp.sum(idle, axis=1), left))
        enough = jnp.sum(jnp.minimum(left, refilled_rows(idle.shape[1])))
        return jnp.any(state.rows.active) & ((enough == 0) | (ready < enough))

    def goes_on(self, state: _State) -> jax.Array:
        """Returns whether an answer is not done, or a prompt not taken."""
        return jnp.any(state.rows.active) | jnp.any(state.taken < self.waiting)

    def _choose(self, hidden: jax.Array, words: jax.Array, count: jax.Array) -> jax.Array:
        """Returns the next token [G, n] of rows by their keys and their tokens so far."""
        logits = self.shard(unembed(self.model, self.params, hidden), "BV")
        keys = jax.random.wrap_key_data(words.reshape(-1, 2), impl="threefry2x32")
        keys = jax.vmap(jax.random.fold_in)(keys, count.reshape(-1))
        return sample(logits, keys, self.sampling).reshape(count.shape)

    def _goes_on(self, token: jax.Array, count: jax.Array) -> jax.Array:
        is_stop = jnp.any(token[..., None] == self.stops, axis=-1)
        return ~is_stop & (count < self.new_tokens)


def make_decode(
    model: DecoderConfig,
    new_tokens: int,
    stop_ids: Collection[int],
    pad_id: int,
    sampling: Sampling = GREEDY,
    shard: Shard = no_sharding,
    rows: int | None = None,
) -> Callable[..., jax.Array]:
    """Returns the pure function (params, prompts, padding, keys) -> ids; jit it.

    prompts [P, T] are padded on the left by padding [P] tokens; keys uint32 [P, 2] are those of
    `sampling_keys`. The result [P, new_tokens] holds the new ids of each prompt, pad_id behind the
    first of stop_ids; `until_stop` leaves those out. A prompt of padding alone is none, and stands
    behind those of its group.

    `rows` prompts, by default all, are answered at a time; the first P / G prompts are those of the
    first group, and so on. What an answer says depends on its own prompt and key alone, but for the
    last bits: the others decide at which slots of the cache it lies. Arithmetic is in the precision
    of the parameters, whose layers are best one by one, as `listed` gives them.
    """
    stops, groups = jnp.array(sorted(stop_ids), jnp.int32), shard.groups

    def decode(params, prompts, padding, keys):
        columns = (x.reshape(groups, -1, *x.shape[1:]) for x in (prompts, padding, keys))
        queue = _Queue(*columns)
        program = _Program(
            model=model,
            new_tokens=new_tokens,
            stops=stops,
            sampling=sampling,
            shard=shard,
            params=listed(model, params),
            queue=queue,
            waiting=jnp.sum(queue.padding < queue.ids.shape[2], axis=1),
        )

        def turn(state):
            state = program.refill(state)
            with jax.named_scope(TOKENS):
                return jax.lax.while_loop(program.advances, program.advance, state)

        state = program.start((rows or len(prompts)) // groups, pad_id)
        with jax.named_scope(REFILLS):
            state = jax.lax.while_loop(program.goes_on, turn, state)
        return state.output.reshape(-1, new_tokens)

    return decode


def refilled_rows(rows: int) -> int:
    """Returns how many of a group's rows take prompts at a time."""
    return max(int(rows * REFILLED), 1)


def _replaced(old: jax.Array, new: jax.Array, source: jax.Array) -> jax.Array:
    """Returns what rows [G, R] have once each has its source of `new` [G, n]; none from n on."""
    takes = (source < new.shape[1]).reshape(*source.shape, *[1] * (old.ndim - 2))
    return jnp.where(takes, taken(new, source), old)


def _entered(output: jax.Array, rows: _Rows, is_new: jax.Array) -> jax.Array:
    """Returns the output with the newest tokens of rows in it, where they are new."""

    def put(output, prompt, place, token):
        return output.at[prompt, place].set(token, mode="drop")

    prompt = jnp.where(is_new, rows.prompt, output.shape[1])
    return jax.vmap(put)(output, prompt, rows.count - 1, rows.token)


def until_stop(ids: np.ndarray, stop_ids: Collection[int]) -> np.ndarray:
    """Returns the ids [n] of a row before the first that ends it; all where none does."""
    stops = np.flatnonzero(np.isin(ids, list(stop_ids)))
    return ids[: stops[0]] if len(stops) else ids
