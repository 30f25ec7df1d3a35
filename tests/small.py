"""Decoders that have everything between them, and a run around one, small enough for any test.

Programs are compiled once for all tests that use them.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from batch_shapes import batch_shape

import pinch_jax
from pinch_jax.data.batches import Batch, BatchPlan
from pinch_jax.data.mixture import parse_mixture
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import TokenizedCorpus, TokenizedLanguage
from pinch_jax.devices.mesh import MeshConfig, make_mesh, path_name, put_batch
from pinch_jax.devices.sharding import Shard
from pinch_jax.model.decoder import Params, abstract_params
from pinch_jax.model.families import DecoderConfig, RopeScaling
from pinch_jax.train.checkpoint import state_shardings
from pinch_jax.train.config import OptimizerConfig
from pinch_jax.train.step import TrainState, init_state, make_train_step

GEMMA_LIKE = DecoderConfig(
    vocab_size=64,
    layers=3,
    embed_dim=16,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_dim=24,
    window=4,
    window_pattern=3,
    rope_theta=1000.0,
    rope_local_theta=10.0,
    attention_softcap=3.0,
    logit_softcap=4.0,
    query_scale=6.0,
)
LLAMA_LIKE = DecoderConfig(
    vocab_size=48,
    layers=2,
    embed_dim=24,
    heads=6,
    kv_heads=2,
    head_dim=4,
    mlp_dim=32,
    activation="silu",
    norm_offset=False,
    post_norms=False,
    qk_norm=False,
    qkv_bias=True,
    norm_epsilon=1e-5,
    tied_embeddings=False,
    scale_embeddings=False,
    rope_theta=100.0,
)
FAMILIES = {"gemma": GEMMA_LIKE, "llama": LLAMA_LIKE}
OLMO_LIKE = dataclasses.replace(
    LLAMA_LIKE,
    head_dim=8,
    qkv_bias=False,
    pre_norms=False,
    post_norms=True,
    qk_norm=True,
    qk_norm_joint=True,
    rope_scaling=RopeScaling("yarn", 4.0, 1.0, 5.0, 64, 1.2),
)
# Cohere's layers, with Apertus' feed-forward.
COHERE_LIKE = dataclasses.replace(
    LLAMA_LIKE,
    layers=3,
    window=4,
    window_pattern=2,
    unrotated_pattern=3,
    qkv_bias=False,
    parallel=True,
    centered_norms=True,
    rope_interleaved=True,
    logit_scale=1.7,
    activation="xielu",
    gated=False,
)
# All by which layers may differ in shape, with what Gemma 4 has beside. One layer of each kind:
# those of transformers' golden models have runs of two.
GEMMA4_LIKE = dataclasses.replace(
    GEMMA_LIKE,
    layers=4,
    window_pattern=2,
    norm_offset=False,
    attention_softcap=0.0,
    query_scale=1.0,
    rope_scaling=RopeScaling("proportional", 2.0, rotated=0.5),
    value_norm=True,
    output_scales=True,
    global_head_dim=12,
    global_kv_heads=1,
    keys_as_values=True,
    sharing_layers=2,
    sharing_mlp_dim=48,
    layer_embed_dim=16,
)
# What the decoder itself is tested with; the rest of the house sees no more of it than of others.
EVERY = FAMILIES | {"olmo": OLMO_LIKE, "cohere": COHERE_LIKE, "gemma4": GEMMA4_LIKE}
OPTIMIZER = OptimizerConfig(
    learning_rate=0.02,
    warmup_fraction=0.25,
    final_rate_fraction=0.1,
    beta1=0.9,
    beta2=0.95,
    epsilon=1e-8,
    weight_decay=0.1,
    clip_norm=1.0,
)
SHAPE = batch_shape(8, 16, 9)


def random_params(config: DecoderConfig, seed: int = 0) -> Params:
    """Returns parameters none of which is at its neutral value, as numpy arrays."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        noise = 0.3 * random.standard_normal(leaf.shape, np.float32)
        scale_of_one = path_name(path).endswith("scale") and not config.norm_offset
        return noise + np.float32(scale_of_one)

    return jax.tree_util.tree_map_with_path(draw, abstract_params(config))


def small_study(config: Any) -> None:
    """Leaves a config of the bundled model its tokenizer, rows of 64 tokens and answers of 8.

    The model is then one of a single narrow layer, drawn: nothing of a run takes time.
    """
    config.model.source = ""
    config.model.tokenizer = str(Path(pinch_jax.__file__).parent / "assets/tiny/tokenizer.model")
    narrow = DecoderConfig(
        vocab_size=5120, layers=1, embed_dim=16, heads=2, kv_heads=1, head_dim=8, mlp_dim=16
    )
    config.model.decoder = dataclasses.asdict(narrow)
    config.evaluate.new_tokens = 8


def fewer_layers(model: Any) -> None:
    """Leaves a config's decoder one layer of each kind, and what stands behind the last pattern.

    All other layers are these again, and take a minute to trace.
    """
    if decoder := model.decoder:
        patterns = (decoder.get(f"{kind}_pattern", 0) for kind in ("window", "unrotated"))
        period = max(decoder.get("full_layers", 0) + 1, *patterns)
        if decoder.get("sharing_layers", 0):
            decoder["layers"], decoder["sharing_layers"] = 2 * period, period
        else:
            decoder["layers"] = min(decoder["layers"], period + decoder["layers"] % period)


def random_plan(vocab_size: int = 64, examples: int = 150, epochs: int = 1) -> BatchPlan:
    """Returns the batches of a run on random ids: rows of several examples and of padding."""
    random = np.random.default_rng(0)

    def language():
        lengths = random.integers(3, 12, examples)
        return TokenizedLanguage(
            tokens=random.integers(1, vocab_size, lengths.sum()).astype(np.int32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            prompt_lengths=random.integers(1, lengths).astype(np.int32),
        )

    ids = tuple(str(i) for i in range(examples))
    corpus = TokenizedCorpus(ids, {"en": language(), "fi": language()}, pad_id=0)
    return plan_batches(parse_mixture("pinch:40", ("en", "fi"), examples), corpus, SHAPE, epochs)


def unpacked(batch: Batch) -> list[Batch]:
    """Returns the examples of a batch in batches of the same shape, each alone in its row."""
    places = [
        (row, segment)
        for row in range(len(batch.tokens))
        for segment in range(1, batch.segments[row].max() + 1)
    ]
    batches = []
    for first in range(0, len(places), len(batch.tokens)):
        alone = Batch(*(np.zeros_like(field) for field in batch))
        for target, (row, segment) in enumerate(places[first : first + len(batch.tokens)]):
            where = np.flatnonzero(batch.segments[row] == segment)
            used = batch.weights[row] > 0
            slots = np.flatnonzero(used & np.isin(batch.supervised[row], where))
            alone.tokens[target, : len(where)] = batch.tokens[row, where]
            alone.segments[target, : len(where)] = 1
            alone.positions[target, : len(where)] = np.arange(len(where))
            alone.supervised[target, : len(slots)] = batch.supervised[row, slots] - where[0]
            alone.targets[target, : len(slots)] = batch.targets[row, slots]
            alone.weights[target, : len(slots)] = 1
        batches.append(alone)
    return batches


class Trainer(NamedTuple):
    """A mesh and the programs of a run on it, with shardings and donation as in a real one."""

    mesh: jax.sharding.Mesh
    like: TrainState
    start: Callable[[Params], TrainState]
    step: Any


@functools.cache
def trainer(
    mesh_config: MeshConfig | None,
    microbatches: int,
    devices: tuple[jax.Device, ...] | None = None,
) -> Trainer:
    """Returns the trainer of GEMMA_LIKE on all devices; on one where there is no mesh."""
    devices = devices or (jax.devices() if mesh_config else jax.devices()[:1])
    mesh = make_mesh(mesh_config or MeshConfig(), devices)

    def start(params):
        return init_state(OPTIMIZER, jax.tree.map(jnp.copy, params))

    like = jax.eval_shape(start, abstract_params(GEMMA_LIKE))
    shardings = state_shardings(mesh, like)
    step = make_train_step(GEMMA_LIKE, OPTIMIZER, microbatches, jnp.float32, Shard(mesh))
    return Trainer(
        mesh,
        like,
        jax.jit(start, out_shardings=shardings),
        jax.jit(step, donate_argnums=0, out_shardings=(shardings, None)),
    )


def trained(
    mesh_config: MeshConfig | None, steps: int
) -> tuple[list[dict[str, float]], TrainState]:
    """Returns the metrics of each step, and the state after them, from the same start."""
    t, plan = trainer(mesh_config, 1), random_plan()
    state, lines = t.start(random_params(GEMMA_LIKE)), []
    for step in range(steps):
        batch = put_batch(t.mesh, plan.shape.rows, plan.batch_at(step))
        state, values = t.step(state, batch, plan.steps)
        lines.append({name: float(value) for name, value in values.items()})
    return lines, state
