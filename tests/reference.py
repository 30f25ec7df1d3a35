"""What is compared with transformers: the outputs of one text, by names that both sides share."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.data.batches import Batch
from pinch_jax.devices.mesh import path_name
from pinch_jax.evaluate.decode import make_decode
from pinch_jax.model.decoder import Params, forward, no_sharding, unembed
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layout import places
from pinch_jax.train.step import summed_loss

PROMPT_TOKENS, NEW_TOKENS = 11, 12


class Outputs(NamedTuple):
    """What a model makes of tokens [B, T], the first PROMPT_TOKENS of which are a prompt.

    logits [B, T, V]; continuation [B, NEW_TOKENS], greedy; loss, the mean over what stands behind
    the prompt (nats a token), and its gradient by the names of transformers' tensors.
    """

    logits: np.ndarray
    continuation: np.ndarray
    loss: float
    gradient: dict[str, np.ndarray]


def random_tokens(vocab_size: int, rows: int = 2, length: int = 36) -> np.ndarray:
    """Returns a text that no window of the models reaches across."""
    return np.random.default_rng(5).integers(3, vocab_size, (rows, length)).astype(np.int32)


def our_outputs(c: DecoderConfig, params: Params, tokens: np.ndarray) -> Outputs:
    """Returns what our decoder makes of a text."""
    rows, length = tokens.shape
    ones = np.ones_like(tokens)
    positions = np.broadcast_to(np.arange(length, dtype=np.int32), tokens.shape)
    supervised = np.arange(PROMPT_TOKENS - 1, length - 1, dtype=np.int32)
    supervised = np.broadcast_to(supervised, (rows, length - PROMPT_TOKENS))
    weights = np.ones(supervised.shape, np.float32)
    batch = Batch(tokens, ones, positions, supervised, tokens[:, PROMPT_TOKENS:], weights)
    loss = functools.partial(summed_loss, c, jnp.float32, no_sharding)

    @jax.jit
    def run(p):
        hidden = forward(c, p, tokens, positions, ones)
        return unembed(c, p, hidden), *jax.value_and_grad(loss)(p, batch)

    decode = jax.jit(make_decode(c, NEW_TOKENS, stop_ids=(), pad_id=0))
    unpadded, no_keys = np.zeros(rows, np.int32), np.zeros((rows, 2), np.uint32)
    scores, total, gradient = run(params)
    return Outputs(
        logits=np.asarray(scores),
        continuation=np.asarray(decode(params, tokens[:, :PROMPT_TOKENS], unpadded, no_keys)),
        loss=float(total / weights.sum()),
        gradient=_by_their_names(c, jax.tree.map(np.asarray, gradient), weights.sum()),
    )


def _by_their_names(c: DecoderConfig, tree: Params, divisor: np.ndarray) -> dict[str, np.ndarray]:
    named = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if path[-1].key in ("beta", "epsilon", "output_scale"):  # no parameters to transformers
            assert not np.any(leaf)
            continue
        place = places(c)[path_name(path)]
        layers = np.asarray(leaf) if place.stacked else np.asarray(leaf)[None]
        for name, layer in zip(place.names, layers, strict=True):
            named[name] = place.to_theirs(layer / divisor)
    return named


def gradient_digest(gradient: np.ndarray) -> np.ndarray:
    """Returns (sum, norm, product with a fixed direction) of a gradient."""
    direction = np.random.default_rng(6).standard_normal(gradient.shape)
    exact = gradient.astype(np.float64)
    digest = exact.sum(), np.linalg.norm(exact), np.sum(exact * direction)
    return np.array(digest, np.float32)
