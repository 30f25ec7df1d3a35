"""The decoder against a plain one, and what its positions may see."""

import collections
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import EVERY, GEMMA_LIKE, random_params

from pinch_jax.data.batches import Batch
from pinch_jax.devices.mesh import path_name
from pinch_jax.model.decoder import abstract_params, forward, init, no_sharding, unembed
from pinch_jax.model.families import DecoderConfig
from pinch_jax.train.step import summed_loss

SEGMENTS = np.array([[1] * 9 + [2] * 4 + [0] * 2, [1] * 3 + [2] * 7 + [3] * 5], np.int32)
POSITIONS = np.array([[*range(9), *range(4), 0, 0], [*range(3), *range(7), *range(5)]], np.int32)


def packed_batch(vocab_size):
    random = np.random.default_rng(1)
    return Batch(
        tokens=random.integers(0, vocab_size, SEGMENTS.shape).astype(np.int32),
        segments=SEGMENTS,
        positions=POSITIONS,
        supervised=np.array([[4, 5, 11, 0], [1, 7, 8, 13]], np.int32),
        targets=random.integers(0, vocab_size, (2, 4)).astype(np.int32),
        weights=np.array([[1, 1, 1, 0], [1, 1, 1, 1]], np.float32),
    )


def turned(c, x, position, base):
    half = len(x) // 2
    frequency = base ** (-np.arange(half) / half)
    size = 1.0
    if c.rope_scaling and c.rope_scaling.kind == "proportional":
        if base == c.rope_theta:
            turning = np.arange(half) < int(c.rope_scaling.rotated * half)
            frequency = frequency * turning / c.rope_scaling.factor
    elif c.rope_scaling:
        # YaRN's ramp: from the pair that turns `high_turns` times to that of `low_turns`.
        s, size = c.rope_scaling, c.rope_scaling.attention_factor
        turns = np.array([s.high_turns, s.low_turns]) * 2 * np.pi
        first, last = np.log(s.original_tokens / turns) / np.log(base) * half
        first, last = max(np.floor(first), 0), min(np.ceil(last), 2 * half - 1)
        kept = 1 - np.clip((np.arange(half) - first) / (last - first), 0, 1)
        assert 0 < kept.sum() < half
        frequency = frequency * (kept + (1 - kept) / s.factor)
    turn = size * np.exp(1j * position * frequency)
    if c.rope_interleaved:
        z = (x[::2] + 1j * x[1::2]) * turn
        return np.stack([z.real, z.imag], axis=1).ravel()
    z = (x[:half] + 1j * x[half:]) * turn
    return np.concatenate([z.real, z.imag])


def capped(x, cap):
    return cap * np.tanh(x / cap) if cap else x


def fed_forward(c, f, x):
    up = x @ f["up"]
    return (activated(c, f, x @ f["gate"]) * up if c.gated else activated(c, f, up)) @ f["down"]


def activated(c, f, x):
    if c.activation == "silu":
        return x / (1 + np.exp(-x))
    if c.activation == "xielu":
        above, below = (np.log1p(np.exp(f["activation"][f"alpha_{side}"])) for side in "pn")
        beta, epsilon = f["activation"]["beta"], f["activation"]["epsilon"]
        bent = (below + beta) * (np.exp(np.minimum(x, epsilon)) - 1 - x)
        return np.where(x > 0, above * x**2, bent) + beta * x
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def plain_scores(c, p, tokens, positions, segments):
    """Returns scores [T, V] of one row in float64: head by head, query by query, key by key."""

    def norm(x, weights):
        x = x - np.mean(x) if c.centered_norms else x
        x = x / np.sqrt(np.mean(x**2) + c.norm_epsilon)
        return x * (1 + weights["scale"]) if c.norm_offset else x * weights["scale"]

    def projected(w, name, x, position, base):
        """Returns the queries, keys or values [heads, H] of a position."""
        a = w["attention"]
        kernel = a[name] if name in a else a["key"]
        y = np.array([x @ kernel[:, n] for n in range(kernel.shape[1])])
        if c.qkv_bias:
            y = y + a[f"{name}_bias"]
        if name == "value":
            size = np.sqrt(np.mean(y**2, axis=1, keepdims=True) + c.norm_epsilon)
            return y / size if c.value_norm else y
        if c.qk_norm_joint:
            y = norm(y.ravel(), a[f"{name}_norm"]).reshape(y.shape)
        elif c.qk_norm:
            y = np.array([norm(each, a[f"{name}_norm"]) for each in y])
        return np.array([turned(c, each, position, base) for each in y]) if base else y

    def attended(w, x, t, is_local, base, keys, values):
        seen = [s for s in range(t + 1) if segments[s] == segments[t]]
        if is_local:
            seen = [s for s in seen if t - s < c.window]
        y = np.zeros(c.embed_dim)
        for head, q in enumerate(projected(w, "query", x, positions[t], base)):
            shared = head * len(keys[t]) // c.heads
            size = len(q) if c.query_scale is None else c.query_scale
            scores = [
                capped(q @ keys[s][shared] / np.sqrt(size), c.attention_softcap) for s in seen
            ]
            odds = [np.exp(score) for score in scores]
            mixed = sum(o * values[s][shared] for o, s in zip(odds, seen, strict=True)) / sum(odds)
            y += mixed @ w["attention"]["output"][head]
        return norm(y, w["attention_post_norm"]) if c.post_norms else y

    def fed(w, x):
        x = norm(x, w["feedforward_norm"]) if c.pre_norms else x
        y = fed_forward(c, w["feedforward"], x)
        return norm(y, w["feedforward_post_norm"]) if c.post_norms else y

    stream = [
        p["embedding"][t] * (np.sqrt(c.embed_dim) if c.scale_embeddings else 1) for t in tokens
    ]
    common = [p["layer_projection"] @ x if c.layer_embed_dim else 0 for x in stream]
    known, done = {}, {}
    for layer in range(c.layers):
        is_local = c.window > 0 and (layer + 1) % c.window_pattern != 0
        is_rotated = not c.unrotated_pattern or (layer + 1) % c.unrotated_pattern != 0
        base = (c.rope_local_theta if is_local else c.rope_theta) if is_rotated else None
        shares = layer >= c.layers - c.sharing_layers
        kind = ("sharing_" if shares else "") + ("local_layers" if is_local else "global_layers")
        kind = "layers" if "layers" in p else kind
        done[kind] = done.get(kind, -1) + 1
        w = jax.tree.map(lambda leaf, n=done[kind]: leaf[n], p[kind])
        xs = [norm(x, w["attention_norm"]) if c.pre_norms else x for x in stream]
        if not shares:
            known[is_local] = [
                [
                    projected(w, name, x, position, base)
                    for x, position in zip(xs, positions, strict=True)
                ]
                for name in ("key", "value")
            ]
        stream = [
            x + attended(w, xs[t], t, is_local, base, *known[is_local])
            for t, x in enumerate(stream)
        ]
        if c.parallel:
            stream = [
                y + fed_forward(c, w["feedforward"], x) for x, y in zip(xs, stream, strict=True)
            ]
        else:
            stream = [x + fed(w, x) for x in stream]
        if c.layer_embed_dim:
            own = slice(layer * c.layer_embed_dim, (layer + 1) * c.layer_embed_dim)
            for t, x in enumerate(stream):
                context = norm(common[t][own] / np.sqrt(c.embed_dim), p["layer_projection_norm"])
                row = p["layer_embedding"][tokens[t], own] * np.sqrt(c.layer_embed_dim)
                gate = activated(c, w["token"], x @ w["token"]["gate"])
                y = (gate * (context + row) / np.sqrt(2)) @ w["token"]["output"]
                stream[t] = x + norm(y, w["token_post_norm"])
        if c.output_scales:
            stream = [x * w["output_scale"] for x in stream]
    head = p["embedding"] if c.tied_embeddings else p["head"]
    logits = [c.logit_scale * (head @ norm(x, p["final_norm"])) for x in stream]
    return np.array([capped(x, c.logit_softcap) for x in logits])


def plain_loss(c, p, batch, rows=(0, 1)):
    """Returns the summed loss of a batch by `plain_scores`."""
    total = 0.0
    for row in rows:
        scores = plain_scores(c, p, batch.tokens[row], batch.positions[row], batch.segments[row])
        for slot in np.flatnonzero(batch.weights[row]):
            of = scores[batch.supervised[row, slot]]
            total += np.log(np.sum(np.exp(of))) - of[batch.targets[row, slot]]
    return total


@pytest.mark.parametrize("family", EVERY)
def test_scores_loss_and_gradient_equal_those_of_a_plain_decoder(family):
    c = EVERY[family]
    params, batch = random_params(c), packed_batch(c.vocab_size)

    @jax.jit
    def ours(params, batch):
        hidden = forward(c, params, batch.tokens, batch.positions, batch.segments)
        loss = functools.partial(summed_loss, c, jnp.float32, no_sharding)
        return unembed(c, params, hidden), *jax.value_and_grad(loss)(params, batch)

    scores, loss, gradient = jax.device_get(ours(params, batch))
    gradients = jax.tree.leaves(gradient)
    exact = jax.tree.map(lambda x: x.astype(np.float64), params)
    for row in range(2):
        plain = plain_scores(c, exact, batch.tokens[row], batch.positions[row], batch.segments[row])
        np.testing.assert_allclose(scores[row], plain, rtol=1e-4, atol=2e-5)
    assert float(loss) == pytest.approx(plain_loss(c, exact, batch), rel=1e-5)

    random, step = np.random.default_rng(2), 1e-5
    leaves, tree = jax.tree_util.tree_flatten_with_path(exact)
    alike = collections.defaultdict(dict)
    for i, (path, leaf) in enumerate(leaves):
        if path_name(path).endswith(("beta", "epsilon", "output_scale")):
            assert not np.any(gradients[i])  # they are never trained
        else:  # those of a name move at once in the stacks of all kinds
            name = path_name(path).partition("layers/")[2] or path_name(path)
            alike[name][i] = random.standard_normal(leaf.shape)
    for name, directions in alike.items():
        values = []
        for sign in (1, -1):
            moved = [
                x + sign * step * directions[i] if i in directions else x
                for i, (_, x) in enumerate(leaves)
            ]
            values.append(plain_loss(c, tree.unflatten(moved), batch))
        slope = (values[0] - values[1]) / (2 * step)
        ours_slope = sum(np.sum(d * gradients[i]) for i, d in directions.items())
        assert ours_slope == pytest.approx(slope, rel=1e-3, abs=1e-4), name


def seen_positions(c: DecoderConfig, segments, positions):
    """Returns bool [T, T]: whether hidden state t has a gradient with respect to embedding s."""
    length = len(segments)
    params = random_params(dataclasses.replace(c, vocab_size=length))
    direction = np.random.default_rng(3).standard_normal(c.embed_dim)

    @jax.jit
    @jax.jacrev
    def jacobian(embedding):
        # Position t holds token t, so row t of the embedding is seen through position t alone.
        tokens = jnp.arange(length)[None]
        ours = params | {"embedding": embedding}
        return forward(c, ours, tokens, positions[None], segments[None])[0] @ direction

    return np.any(np.asarray(jacobian(params["embedding"])) != 0, axis=-1)


@pytest.mark.parametrize("family", EVERY)
def test_a_position_sees_itself_and_what_is_earlier_in_its_segment_alone(family):
    segments, positions = SEGMENTS[0], POSITIONS[0]
    t = np.arange(len(segments))
    allowed = (t[:, None] >= t) & (segments[:, None] == segments)
    assert np.array_equal(seen_positions(EVERY[family], segments, positions), allowed)


def test_a_local_layer_sees_no_further_than_its_window():
    t = np.arange(14)
    # The first two layers of three are local; each looks back over the window less itself.
    local = dataclasses.replace(GEMMA_LIKE, layers=2)
    distance = t[:, None] - t
    allowed = (distance >= 0) & (distance <= 2 * (local.window - 1))
    assert np.array_equal(seen_positions(local, np.ones_like(t), t), allowed)


def test_fresh_parameters_have_the_described_shapes_and_every_layer_its_own_draw():
    params = jax.jit(functools.partial(init, GEMMA_LIKE))(jax.random.key(0))
    for leaf, like in zip(
        jax.tree.leaves(params), jax.tree.leaves(abstract_params(GEMMA_LIKE)), strict=True
    ):
        # A weak type would compile the train step a second time after the first step.
        assert (leaf.shape, leaf.dtype, leaf.weak_type) == (like.shape, jnp.float32, False)
    for name in ("query", "key", "value", "output"):
        drawn = np.asarray(params["layers"]["attention"][name])
        assert all(not np.array_equal(drawn[0], other) for other in drawn[1:])
        fan_in = 32 if name == "output" else GEMMA_LIKE.embed_dim
        assert drawn.std() == pytest.approx(fan_in**-0.5, rel=0.1)


@pytest.mark.parametrize("family", EVERY)
def test_half_precision_is_not_promoted_on_its_way(family):
    c = EVERY[family]
    batch = packed_batch(c.vocab_size)
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), random_params(c))
    arrays = batch.tokens, batch.positions, batch.segments
    hidden = jax.eval_shape(functools.partial(forward, c), half, *arrays)
    assert hidden.dtype == jnp.bfloat16
    # The loss is a sum over a vocabulary, which half precision cannot hold.
    assert jax.eval_shape(functools.partial(unembed, c), half, hidden).dtype == jnp.float32


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kv_heads", 3, "config.model.decoder.kv_heads=3 does not divide .*heads=4"),
        ("kv_heads", 0, "config.model.decoder.kv_heads=0: must be above 0"),
        ("layers", 0, "config.model.decoder.layers=0: must be above 0"),
        ("head_dim", 7, "config.model.decoder.head_dim=7 is odd"),
        ("window", 0, "decoder.window=0 and .*window_pattern=3 contradict"),
        ("window_pattern", 1, "decoder.window=4 and .*window_pattern=1 contradict"),
    ],
)
def test_a_decoder_that_cannot_be_says_why(field, value, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(GEMMA_LIKE, **{field: value})
