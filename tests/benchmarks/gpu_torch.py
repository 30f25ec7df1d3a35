"""The other side of gpu.py: transformers on torch.

Ways of attention and training: "sdpa" (torch's own choice of kernels), "flash" (the package
flash-attn: rows end to end, told apart by their positions), "flex" (compiled); of a soft cap,
which sdpa refuses, "eager". " bf16" behind it keeps weights and moments in bf16; without it the
weights are float32, as ours, under autocast. Of decoding: "generate", and "static", a cache of a
fixed size, for which `generate` compiles the forward pass.
"""

import contextlib
import functools
import importlib.util
import types

import numpy as np
import sides
import torch
from gemma_inputs import BETA1, BETA2, CLIP_NORM, EPSILON, LEARNING_RATE, WEIGHT_DECAY
from gpu_inputs import SOFTCAP, Case, draw_all
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
IMPLEMENTATIONS = {"sdpa": "sdpa", "flash": "flash_attention_2", "flex": "flex_attention"}


def hello() -> dict:
    """Returns what torch finds."""
    return {
        "device": torch.cuda.get_device_name() if ON_GPU else "cpu",
        "platform": DEVICE,
        "memory_gib": torch.cuda.mem_get_info()[1] / 2**30 if ON_GPU else 0,
        "cuda": torch.version.cuda,
        "flash": importlib.util.find_spec("flash_attn") is not None,
    }


def peak_gib() -> float:
    """Returns the device's memory at its peak in this case; on a CPU, the process's."""
    return torch.cuda.max_memory_allocated() / 2**30 if ON_GPU else sides.peak_gib()


def wait() -> None:
    """Waits for the device."""
    if ON_GPU:
        torch.cuda.synchronize()


def model_of(case: Case, dtype: torch.dtype, implementation: str):
    """Returns the model with drawn weights, those that ours has."""
    told = dict(case.config)
    config = AutoConfig.for_model(told.pop("model_type"), **told)
    with torch.device(DEVICE):
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation=implementation
        )
    named = dict(model.named_parameters())
    drawn = draw_all({name: tuple(p.shape) for name, p in named.items()})
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.from_numpy(drawn.pop(name)))
    return model


def train(case: Case):
    """Returns (check, run): losses and gradient norms of two steps; steps of full fine-tuning.

    Logits are made of the supervised positions alone, as ours are.
    """
    kernel, _, low = case.way.partition(" ")
    dtype = torch.bfloat16 if low else torch.float32
    model = model_of(case, dtype, IMPLEMENTATIONS[kernel]).train()
    batch = case.batch()
    rows, slots = np.nonzero(batch.weights)
    places = rows * case.width + batch.supervised[rows, slots]
    places, targets, ids, positions = (
        torch.tensor(x, dtype=torch.long, device=DEVICE)
        for x in (places, batch.targets[rows, slots], batch.tokens, batch.positions)
    )
    if kernel == "flash":  # sees the borders of examples in a single row alone
        ids, positions = ids.reshape(1, -1), positions.reshape(1, -1)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=LEARNING_RATE,
        betas=(BETA1, BETA2),
        eps=EPSILON,
        weight_decay=WEIGHT_DECAY,
        fused=True,
    )
    casting = (
        contextlib.nullcontext if low else functools.partial(torch.autocast, DEVICE, torch.bfloat16)
    )

    def run(calls=case.calls):
        for _ in range(calls):
            with casting():
                hidden = model.model(
                    input_ids=ids, position_ids=positions, use_cache=False
                ).last_hidden_state
                logits = model.lm_head(hidden.flatten(0, 1)[places])
                loss = cross_entropy(logits.float(), targets)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            del hidden, logits
        return [loss.item(), norm.item()]

    return {"steps": [run(1), run(1)]}, run


def decode(case: Case):
    """Returns (check, run): `generate`, none of whose answers ends early."""
    model = model_of(case, torch.bfloat16, "sdpa").eval()
    # None of what is told to `generate` itself would mean its default.
    model.generation_config.eos_token_id = None
    ids = torch.tensor(case.prompts(), dtype=torch.long, device=DEVICE)
    told = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": case.new,
        "do_sample": False,
    }
    if case.way == "static":
        told["cache_implementation"] = "static"

    def run():
        for _ in range(case.calls):
            answers = model.generate(ids, **told)[:, case.width :]
        wait()
        return answers

    found = run()
    if case.way == "static":
        found = run()  # the first run compiles
    return {"ids": found.tolist()}, run


def attention(case: Case):
    """Returns (check, run): errors against the reference; values and gradients of one layer."""
    model = case.decoder
    cap = SOFTCAP if model.attention_softcap else None
    segments = torch.tensor(case.batch().segments, device=DEVICE)
    window = model.window or case.width

    def sees(b, head, query, key):
        near = (key <= query) & (query - key < window)
        return near & (segments[b, query] == segments[b, key])

    *qkv, gradient = (
        torch.tensor(x, dtype=torch.bfloat16, device=DEVICE).transpose(1, 2)
        for x in case.projections()
    )
    qkv = [x.contiguous().requires_grad_() for x in qkv]
    # What transformers hands to its functions of attention.
    module = types.SimpleNamespace(
        num_key_value_groups=model.heads // model.kv_heads, is_causal=True, training=False
    )
    index = torch.arange(case.width, device=DEVICE)
    if case.way == "flex":
        mask = create_block_mask(sees, case.rows, None, case.width, case.width, device=DEVICE)
        compiled = torch.compile(flex_attention)

        def squash(score, b, head, query, key):
            return cap * torch.tanh(score / cap) if cap else score

        def function(q, k, v):
            return compiled(
                q, k, v, score_mod=squash, block_mask=mask, scale=1.0, enable_gqa=True
            ).transpose(1, 2)

    else:
        every = torch.arange(case.rows, device=DEVICE)[:, None, None]
        mask = sees(every, None, index[:, None], index)[:, None]
        if case.way == "eager":
            low = torch.finfo(torch.bfloat16).min
            mask = torch.zeros(mask.shape, dtype=torch.bfloat16, device=DEVICE).masked_fill(
                ~mask, low
            )
            told = {"softcap": cap}
            inner = eager_attention_forward
        else:
            told, inner = {}, sdpa_attention_forward

        def function(q, k, v):
            return inner(module, q, k, v, mask, dropout=0.0, scaling=1.0, **told)[0]

    upstream = gradient.transpose(1, 2).contiguous()

    def run():
        for _ in range(case.calls):
            out = function(*qkv)
            found = out, *torch.autograd.grad(out, qkv, upstream)
        wait()
        return found

    out, *gradients = run()
    found = [out, *(x.transpose(1, 2) for x in gradients)]
    return {"errors": case.errors([x.detach().float().cpu().numpy() for x in found])}, run


def prepare(case: Case):
    """Returns (check, run) of a case; nothing of the one before is counted."""
    if ON_GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return {"attention": attention, "train": train, "decode": decode}[case.kind](case)
