"""The configs of published models: their sizes, and that transformers would call them so."""

import importlib
import math

import jax
import pytest

from pinch_jax.config import from_config_dict
from pinch_jax.model.config_json import read_config, write_config
from pinch_jax.model.decoder import abstract_params

# Parameters as published, without image encoders.
PUBLISHED = {
    ("gemma3", "270m"): 268_098_176,
    ("gemma3", "1b"): 999_885_952,
    ("gemma3", "4b"): 3_880_263_168,
    ("gemma3", "12b"): 11_766_034_176,
    ("gemma3", "27b"): 27_009_346_304,
    # As transformers counts them, and the scale of each layer.
    ("gemma4", "e2b"): 4_628_569_379,
    ("gemma4", "e4b"): 7_463_013_418,
    ("gemma4", "12b"): 11_907_350_320,
    ("gemma4", "31b"): 30_697_345_340,
    ("qwen3", "0.6b"): 596_049_920,
    ("qwen3", "1.7b"): 1_720_574_976,
    ("qwen3", "4b"): 4_022_468_096,
    ("qwen3", "8b"): 8_190_735_360,
    ("qwen3", "14b"): 14_768_307_200,
    ("qwen3", "32b"): 32_762_123_264,
    ("llama3", "1b"): 1_235_814_400,
    ("llama3", "3b"): 3_212_749_824,
    ("llama3", "8b"): 8_030_261_248,
    ("llama3", "70b"): 70_553_706_496,
    ("olmo", "1b"): 1_484_916_736,
    ("olmo", "7b"): 7_298_617_344,
    ("olmo", "13b"): 13_716_198_400,
    ("olmo", "32b"): 32_234_279_936,
    ("olmo", "3-7b"): 7_298_011_136,
    ("olmo", "3-32b"): 32_233_522_176,
    ("smollm3", "3b"): 3_075_098_624,
    ("cohere", "tiny-aya"): 3_349_227_520,
    ("cohere", "command-r7b"): 8_028_033_024,
    ("cohere", "aya-expanse-8b"): 8_028_033_024,
    ("cohere", "aya-expanse-32b"): 32_296_476_672,
    # With the four numbers of each layer's activation.
    ("apertus", "8b"): 8_053_338_240,
    ("apertus", "70b"): 70_599_864_640,
}
MODEL_TYPES = {
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
    "qwen3": "qwen3",
    "llama3": "llama",
    "olmo": "olmo2",
    "smollm3": "smollm3",
    "cohere": "cohere2",
    "apertus": "apertus",
}
OTHER_TYPES = {
    ("olmo", "3-7b"): "olmo3",
    ("olmo", "3-32b"): "olmo3",
    ("cohere", "aya-expanse-8b"): "cohere",
    ("cohere", "aya-expanse-32b"): "cohere",
}


def config_of(family, *size):
    module = importlib.import_module(f"ml_collections_configs.{family}")
    return from_config_dict(module.get_config(*size))


@pytest.mark.parametrize(("family", "size"), PUBLISHED)
def test_a_size_has_the_published_number_of_parameters(family, size):
    decoder = config_of(family, size).model.decoder
    leaves = jax.tree.leaves(abstract_params(decoder))
    assert sum(math.prod(leaf.shape) for leaf in leaves) == PUBLISHED[family, size]
    written = write_config(decoder)
    assert written["model_type"] == OTHER_TYPES.get((family, size), MODEL_TYPES[family])
    assert read_config(written) == decoder


@pytest.mark.parametrize("family", MODEL_TYPES)
def test_every_size_is_known_and_no_other(family):
    module = importlib.import_module(f"ml_collections_configs.{family}")
    assert {(family, size) for size in module.SIZES} == {k for k in PUBLISHED if k[0] == family}
    with pytest.raises(ValueError, match=rf"--config={family}\.py:9z: choose one of"):
        config_of(family, "9z")
