"""Models that transformers made, and what it makes of a text: ours make the same of it.

tests/golden/make.py writes the files; tests/parity compares more models, with torch at hand.
"""

import numpy as np
import pytest
from model_files import GOLDEN
from reference import gradient_digest, our_outputs
from safetensors.numpy import load_file

from pinch_jax.model.architectures import FAMILIES
from pinch_jax.model.hugging_face import HuggingFaceDirectory
from pinch_jax.model.loading import load_params


@pytest.mark.parametrize("directory", GOLDEN, ids=lambda directory: directory.name)
def test_logits_continuation_and_gradient_equal_those_of_transformers(directory):
    expected = load_file(directory / "expected.safetensors")
    source = HuggingFaceDirectory(directory)
    ours = our_outputs(source.decoder, load_params(source, source.decoder), expected["tokens"])
    assert np.abs(ours.logits - expected["logits"]).max() <= 1e-4
    assert np.array_equal(ours.continuation, expected["continuation"])
    assert ours.loss == pytest.approx(float(expected["loss"]), rel=1e-5)
    digests = {k.removeprefix("gradient/"): v for k, v in expected.items() if "gradient/" in k}
    assert ours.gradient.keys() == digests.keys()
    for name, digest in digests.items():
        tolerance = 1e-4 * digest[1]
        np.testing.assert_allclose(
            gradient_digest(ours.gradient[name]), digest, atol=tolerance, rtol=1e-4, err_msg=name
        )


def test_there_is_a_model_of_every_family():
    families = {HuggingFaceDirectory(model).config_json["model_type"] for model in GOLDEN}
    assert families == {family.model_type for family in FAMILIES}
