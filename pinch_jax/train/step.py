"""The train step: loss over the supervised tokens of the global batch, one AdamW update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinch_jax.data.batch import Batch
from pinch_jax.devices.sharding import Shard, no_sharding
from pinch_jax.model.config import SAVE_PROJECTIONS
from pinch_jax.model.decoder import forward, head, in_precision, is_vector
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.train.config import OptimizerConfig
from pinch_jax.train.cross_entropy import head_loss
from pinch_jax.train.lora import combine

# What is frozen where all parameters are trained.
NOTHING: Params = {}
# Optax counts steps, but one compiled step serves runs of different lengths: the schedule runs
# over a fixed number of ticks, and a step says how far it has come.
TICKS = 1 << 20


class TrainState(NamedTuple):
    """All that a run carries from one step to the next; `params` are what is trained."""

    step: jax.Array
    params: Params
    opt_state: optax.OptState


def learning_rate(config: OptimizerConfig, done_fraction: jax.Array) -> jax.Array:
    """Returns the rate after `done_fraction` (0 to 1) of a run: linear warm-up, then cosine."""
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        # At least one tick of each, which optax asks for.
        warmup_steps=min(max(round(config.warmup_fraction * TICKS), 1), TICKS - 1),
        decay_steps=TICKS,
        end_value=config.learning_rate * config.final_rate_fraction,
    )
    return schedule(done_fraction * TICKS)


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Returns clipping, Adam and weight decay; the step multiplies by the learning rate.

    Norms and biases are not decayed.

    Source: Loshchilov & Hutter 2019, arXiv 1711.05101.
    """

    def decayed(params):
        return jax.tree_util.tree_map_with_path(lambda path, _: not is_vector(path), params)

    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(config.beta1, config.beta2, config.epsilon, mu_dtype=jnp.float32),
        optax.add_decayed_weights(config.weight_decay, mask=decayed),
    )


def init_state(optimizer: OptimizerConfig, params: Params) -> TrainState:
    """Returns the state before the first step. The parameters are used, not copied."""
    return TrainState(jnp.zeros((), jnp.int32), params, make_optimizer(optimizer).init(params))


def summed_loss(
    model: DecoderConfig,
    dtype: Any,
    shard: Shard,
    params: Params,
    batch: Batch,
    remat_policy: str = SAVE_PROJECTIONS,
) -> jax.Array:
    """Returns the sum of a batch's negative log-likelihoods (nats), each times its weight.

    Scores over the vocabulary are computed at supervised positions only.
    """
    params = in_precision(params, dtype)
    arrays = batch.tokens, batch.positions, batch.segments
    hidden = forward(model, params, *arrays, shard, remat_policy)
    # Names by which the time of a step is shared out (forecast/cost.py).
    with jax.named_scope("head"):
        hidden = jnp.take_along_axis(hidden, batch.supervised[..., None], axis=1)
        of_head = head(model, params), batch.targets, batch.weights
        return head_loss(hidden, *of_head, model.logit_softcap, shard)


def make_train_step(
    model: DecoderConfig,
    optimizer: OptimizerConfig,
    microbatches: int = 1,
    dtype: Any = jnp.float32,
    shard: Shard = no_sharding,
    remat_policy: str = SAVE_PROJECTIONS,
    lora_scaling: float = 0.0,
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """Returns the pure function (state, batch, total_steps, frozen) -> (state, metrics); jit it.

    `frozen` are the parameters that are not trained: none in full tuning, all of the model in
    low-rank adaptation, where those of the state are adapters. The state may be donated, `frozen`
    may not.

    The loss is the sum over supervised tokens divided by their number in the whole batch, also
    when the batch is worked through in microbatches. Metrics, before the update: loss (nats a
    token), supervised_tokens, learning_rate, gradient_norm.
    """

    @jax.value_and_grad
    def gradient_of_sum(trained, frozen, batch):
        params = combine(frozen, trained, lora_scaling)
        return summed_loss(model, dtype, shard, params, batch, remat_policy)

    def accumulate(trained, frozen, batch):
        if microbatches == 1:
            return gradient_of_sum(trained, frozen, batch)

        def add(total, microbatch):
            return jax.tree.map(jnp.add, total, gradient_of_sum(trained, frozen, microbatch)), None

        # Strided, so that each microbatch keeps to the devices that hold its rows.
        split = jax.tree.map(
            lambda x: x.reshape(-1, microbatches, *x.shape[1:]).swapaxes(0, 1), batch
        )
        zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, trained))
        return jax.lax.scan(add, zero, split)[0]

    def train_step(state, batch, total_steps, frozen=NOTHING):
        supervised_tokens = jnp.maximum(batch.weights.sum(), 1.0)
        # Dividing the few weights makes gradients of the mean, without a pass over all of them.
        batch = batch._replace(weights=batch.weights / supervised_tokens)
        loss, gradient = accumulate(state.params, frozen, batch)
        # The rate at the middle of the step, so that the first is not zero and the last not spent.
        rate = learning_rate(optimizer, (state.step + 0.5) / total_steps)
        with jax.named_scope("optimizer"):
            updates, opt_state = make_optimizer(optimizer).update(
                gradient, state.opt_state, state.params
            )
            params = jax.tree.map(lambda p, u: p - rate * u, state.params, updates)
        metrics = {
            "loss": loss,
            "supervised_tokens": supervised_tokens,
            "learning_rate": rate,
            "gradient_norm": optax.tree.norm(gradient),
        }
        return TrainState(state.step + 1, params, opt_state), metrics

    return train_step
