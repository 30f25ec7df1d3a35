"""The optimizer: AdamW by optax, with a schedule over the fraction of the run that is done."""

import jax
import jax.numpy as jnp
import optax

from pinch_jax.model.decoder import is_vector
from pinch_jax.train.config import OptimizerConfig

# Optax counts steps. Runs of one study differ in their number of steps (the same examples
# are more tokens in one language than in another), and one compiled step serves them all;
# so the schedule runs over a fixed number of ticks, and a step says how far it has come.
TICKS = 1 << 20


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
