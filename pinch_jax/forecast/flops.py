"""The arithmetic that a config asks for: useful flops, counted by hand and not by a compiler."""

from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.stacks import kinds


def attention_flops(model: DecoderConfig, tokens: int, seen_by: int = 0) -> float:
    """Returns the flops of one row's attention in all layers: q k' and its product with v.

    The row's `tokens` come after `seen_by` others. A query sees the keys before it, those in its
    window alone where a layer has one.
    """
    total = 0.0
    for kind, is_global in zip(kinds(model), model.global_layers, strict=True):
        span = model.window if model.window and not is_global else seen_by + tokens
        growing = max(min(span, seen_by + tokens) - seen_by, 0)
        pairs = growing * (2 * seen_by + growing + 1) / 2 + (tokens - growing) * span
        total += 4 * model.heads * kind.head_dim * pairs
    return total


def forward_flops(model: DecoderConfig, tokens: int, unembedded: int, seen_by: int = 0) -> float:
    """Returns the flops of one row's forward pass: two for each weight and token, and attention.

    Logits are made of `unembedded` tokens. Norms, rotations and softmax are not counted.

    Source: Chowdhery et al. 2022, PaLM, arXiv 2204.02311, appendix B.
    """
    weights = 0
    for kind in kinds(model):
        keys = 0 if kind.shares else kind.kv_heads * (1 + kind.own_values)
        fed = (3 if model.gated else 2) * kind.mlp_dim
        # Of its own embeddings a layer has a gate, its part of the common projection, an output.
        told = 3 * model.layer_embed_dim
        weights += model.embed_dim * (kind.head_dim * (2 * model.heads + keys) + fed + told)
    head = model.vocab_size * model.embed_dim
    return 2 * (weights * tokens + head * unembedded) + attention_flops(model, tokens, seen_by)


def train_flops(model: DecoderConfig, rows: int, tokens: int, supervised: int) -> float:
    """Returns the flops of a train step on full rows: the backward pass has twice the forward's.

    What is computed again to save memory is not useful, and not counted; nor is what adapters
    save: the gradients of frozen weights.
    """
    return 3 * rows * forward_flops(model, tokens, supervised)


def decode_flops(model: DecoderConfig, rows: int, prompt: int, new: int) -> float:
    """Returns the flops of answering rows of full prompts with so many new tokens each."""
    later = forward_flops(model, new - 1, new - 1, prompt) if new > 1 else 0.0
    return rows * (forward_flops(model, prompt, 1) + later)
