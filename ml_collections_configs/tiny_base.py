"""The bundled base model: a tiny decoder pretrained on facts told in 17 languages.

Languages are not equally rich in pretraining text, here as anywhere: each has its share of the
statements, and what it came to in tokens is kept with the model.
"""

import ml_collections

from ml_collections_configs import base

# The fraction of the statements that a language has.
RICHNESS = {
    "en": 1.0,
    "es": 0.92,
    "zh": 0.9,
    "ru": 0.9,
    "it": 0.85,
    "ar": 0.8,
    "pl": 0.8,
    "cs": 0.8,
    "fi": 0.75,
    "hi": 0.75,
    "he": 0.7,
    "sr": 0.7,
    "hr": 0.7,
    "sk": 0.7,
    "et": 0.65,
    "sl": 0.65,
    "sw": 0.6,
}
STATEMENTS = 5200


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration of `make base`."""
    c = base.get_config()
    c.languages = tuple(RICHNESS)
    c.corpus.name = "cldr_statements"
    c.mixture.spec = "weights:" + ",".join(f"{code}={rich}" for code, rich in RICHNESS.items())
    c.mixture.examples = round(STATEMENTS * sum(RICHNESS.values()))
    c.mixture.composition = "parallel"
    c.model.source = ""
    c.model.tokenizer = "pinch_jax/assets/tiny/tokenizer.model"
    c.model.decoder = {
        "vocab_size": 5120,
        "layers": 4,
        "embed_dim": 192,
        "heads": 3,
        "kv_heads": 1,
        "head_dim": 64,
        "mlp_dim": 512,
        "activation": "silu",
        "norm_offset": False,
        "post_norms": False,
        "qk_norm": False,
    }
    c.batch.rows = 16
    c.batch.row_tokens = 128
    c.batch.row_supervised_tokens = 128
    c.train.epochs = 8
    c.train.learning_rate = 3e-3
    c.train.warmup_fraction = 0.05
    c.train.final_rate_fraction = 0.05
    c.train.beta2 = 0.98
    c.train.weight_decay = 0.1
    c.train.checkpoint_period_steps = 500
    c.train.log_period_steps = 20
    c.evaluate.prompts = 40
    c.evaluate.rows = 40
    c.evaluate.prompt_tokens = 64
    c.evaluate.new_tokens = 32
    c.evaluate.period_steps = 1000
    c.evaluate.loss_prompts = 40
    c.evaluate.period_prompts = 0
    return c
