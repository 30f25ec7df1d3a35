"""What stands before and after the layers, as a Flax module; axes are those of `decoder.py`."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from pinch_jax.devices.sharding import Shard
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layers import Norm, kernel, lookup, project


class Embedder(nnx.Module):
    """Embedding, final norm, output head; and where layers have embeddings of their own, these.

    A row of `layer_embedding` has what each layer in turn is told of a token.
    """

    def __init__(self, config: DecoderConfig, rngs: nnx.Rngs):
        c = self.config = config
        shape = (c.vocab_size, c.embed_dim)
        self.embedding = kernel(rngs, shape, c.embed_dim)
        self.final_norm = Norm(c.embed_dim, c)
        if not c.tied_embeddings:
            self.head = kernel(rngs, shape, c.embed_dim)
        if c.layer_embed_dim:
            size = c.layers * c.layer_embed_dim
            self.layer_embedding = kernel(rngs, (c.vocab_size, size), c.layer_embed_dim)
            self.layer_projection = kernel(rngs, (size, c.embed_dim), c.embed_dim)
            self.layer_projection_norm = Norm(c.layer_embed_dim, c)

    def embed(self, tokens: jax.Array, shard: Shard) -> tuple[jax.Array, jax.Array | None]:
        """Returns what goes into the first layer [B, T, D], and into each [L, B, T, F] or None."""
        c = self.config
        with jax.named_scope("embedding"):
            x = _rows(self.embedding[...], tokens, shard)
            x = shard(x * math.sqrt(c.embed_dim) if c.scale_embeddings else x, "BTD")
            return x, self._embed_layers(tokens, x, shard) if c.layer_embed_dim else None

    def _embed_layers(self, tokens: jax.Array, x: jax.Array, shard: Shard) -> jax.Array:
        c = self.config
        own = _rows(self.layer_embedding[...], tokens, shard) * math.sqrt(c.layer_embed_dim)
        common = project(x, self.layer_projection.get_value().T) / math.sqrt(c.embed_dim)
        own, common = (
            shard(y, "BTD").reshape(*y.shape[:2], c.layers, c.layer_embed_dim)
            for y in (own, common)
        )
        both = (self.layer_projection_norm(common) + own) * math.sqrt(0.5)
        return shard(jnp.moveaxis(both, 2, 0), "LBTF")

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the stream [B, T, D] after the last layer as the output head takes it."""
        return self.final_norm(x) * self.config.logit_scale


def _rows(table: jax.Array, tokens: jax.Array, shard: Shard) -> jax.Array:
    """Returns the rows [B, T, C] of a table [V, C]."""
    # Each device looks up its columns for the tokens of a whole group: what is moved then are
    # rows of activations, and neither the table nor its gradient.
    x = shard(lookup(shard(table, "VC"), shard(tokens, "GS")), "GSC")
    # From columns to tokens, then to rows: XLA knows no way to do both at once.
    return shard(x, "GTE")
