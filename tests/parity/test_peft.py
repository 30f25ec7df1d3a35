"""Adapters make the same loss and the same gradients as those of peft."""

import functools

import jax
import numpy as np
import peft
import pytest
import torch
from peers import make_configs, make_peer
from reference import PROMPT_TOKENS, random_tokens

from pinch_jax.data.batches import Batch
from pinch_jax.model.decoder import no_sharding
from pinch_jax.model.hugging_face import HuggingFaceDirectory
from pinch_jax.model.layout import places
from pinch_jax.model.loading import load_params
from pinch_jax.train.lora import PROJECTIONS, LoraConfig, combine, init_adapters
from pinch_jax.train.step import summed_loss

LORA = LoraConfig(rank=3, alpha=5.0, projections=tuple(PROJECTIONS))
CONFIGS = make_configs()


def module_of(decoder, path, layer):
    """Returns the name of the module that transformers has a projection's weight in."""
    return places(decoder)[path].name.format(layer).removesuffix(".weight")


def their_gradients(peer, decoder, adapters, tokens):
    """Returns (loss, {module: gradients of (A [in, R], B [R, out])}) by peft, for our adapters."""
    names = {name.rpartition(".")[2] for name in adapters}
    lora = peft.LoraConfig(r=LORA.rank, lora_alpha=LORA.alpha, target_modules=sorted(names))
    model = peft.get_peft_model(peer, lora)
    parts = {}
    for name, module in model.base_model.model.named_modules():
        if name in adapters:
            parts[name] = module.lora_A["default"].weight, module.lora_B["default"].weight
    assert parts.keys() == adapters.keys()
    with torch.no_grad():
        for name, (a, b) in parts.items():
            for parameter, value in zip((a, b), adapters[name], strict=True):
                parameter.copy_(torch.tensor(value.T.copy()))
    ids = torch.tensor(tokens, dtype=torch.long)
    labels = ids.clone()
    labels[:, :PROMPT_TOKENS] = -100
    loss = model(ids, labels=labels).loss
    loss.backward()
    gradients = {name: tuple(p.grad.numpy().T for p in pair) for name, pair in parts.items()}
    return loss.item(), gradients


def by_module(decoder, adapters):
    """Returns {module: (A [in, R], B [R, out])} of every layer."""
    found = {}
    for name, (part, _) in PROJECTIONS.items():
        pair = adapters["layers"][part][name]
        for layer in range(decoder.layers):
            a, b = np.asarray(pair["lora_a"][layer]), np.asarray(pair["lora_b"][layer])
            module = module_of(decoder, f"layers/{part}/{name}", layer)
            found[module] = a.reshape(-1, LORA.rank), b.reshape(LORA.rank, -1)
    return found


# peft asks transformers by a name that this is giving up.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_loss_and_gradients_of_adapters_are_those_of_peft(name, tmp_path):
    peer = make_peer(CONFIGS[name], seed=6)
    peer.save_pretrained(tmp_path)
    source = HuggingFaceDirectory(tmp_path)
    decoder, tokens = source.decoder, random_tokens(source.decoder.vocab_size)
    rows, length = tokens.shape
    random = np.random.default_rng(7)
    adapters = jax.tree.map(
        lambda x: (x + 0.3 * random.standard_normal(x.shape)).astype(np.float32),
        jax.device_get(init_adapters(decoder, LORA, jax.random.key(0))),
    )
    supervised = np.arange(PROMPT_TOKENS - 1, length - 1, dtype=np.int32)
    batch = Batch(
        tokens,
        np.ones_like(tokens),
        np.tile(np.arange(length, dtype=np.int32), (rows, 1)),
        np.tile(supervised, (rows, 1)),
        tokens[:, PROMPT_TOKENS:],
        np.ones((rows, len(supervised)), np.float32),
    )
    params = load_params(source, decoder)
    loss = functools.partial(summed_loss, decoder, np.float32, no_sharding)

    @jax.jit
    @jax.value_and_grad
    def ours(adapters):
        return loss(combine(params, adapters, LORA.scaling), batch) / batch.weights.sum()

    value, slopes = ours(adapters)
    their_loss, theirs = their_gradients(peer, decoder, by_module(decoder, adapters), tokens)
    assert float(value) == pytest.approx(their_loss, rel=1e-5)
    # The adapters matter: without them the loss is another one.
    assert abs(float(loss(params, batch) / batch.weights.sum()) - their_loss) > 0.01
    for module, pair in by_module(decoder, slopes).items():
        for mine, expected in zip(pair, theirs[module], strict=True):
            largest = np.abs(expected).max()
            assert largest > 0, module
            np.testing.assert_allclose(
                mine, expected, rtol=1e-3, atol=1e-4 * largest, err_msg=module
            )
