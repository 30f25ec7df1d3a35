"""The optimizer of our side of every benchmark of training: that of the inputs, at one rate."""

from gemma_inputs import BETA1, BETA2, CLIP_NORM, EPSILON, LEARNING_RATE, WEIGHT_DECAY

from pinch_jax.train.config import OptimizerConfig

OPTIMIZER = OptimizerConfig(
    learning_rate=LEARNING_RATE,
    warmup_fraction=0.0,
    final_rate_fraction=1.0,
    beta1=BETA1,
    beta2=BETA2,
    epsilon=EPSILON,
    weight_decay=WEIGHT_DECAY,
    clip_norm=CLIP_NORM,
)
