"""How the next token is chosen, and what is drawn for a prompt."""

import collections
import hashlib
import json
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.corpus.example import Prompt
from pinch_jax.evaluate.config import Sampling


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


def sampling_keys(seed: int, prompts: Sequence[Prompt]) -> np.ndarray:
    """Returns the words of a random key for each prompt, uint32 [n, 2], by what it says alone.

    So what is drawn for a prompt depends neither on the prompts beside it nor on where a run was
    stopped. Equal prompts are told apart by which of them it is.
    """
    seen: collections.Counter[Prompt] = collections.Counter()
    words = np.empty((len(prompts), 2), np.uint32)
    for row, prompt in enumerate(prompts):
        name = json.dumps([seed, prompt, seen[prompt]])
        words[row] = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u4")
        seen[prompt] += 1
    return words
