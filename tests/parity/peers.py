"""Small random models of each family, made by transformers: what ours are compared with."""

from collections.abc import Mapping

import numpy as np
import torch
import transformers
from reference import NEW_TOKENS, PROMPT_TOKENS, Outputs

LOCAL, GLOBAL = "sliding_attention", "full_attention"
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 500.0, "factor": 3.0}
YARN_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 500.0,
    "factor": 4.0,
    "beta_fast": 6.0,
    "beta_slow": 1.0,
    "original_max_position_embeddings": 64,
}
PLAIN_ROPE = {"rope_type": "default", "rope_theta": 100.0}
PROPORTIONAL_ROPE = {
    "rope_type": "proportional",
    "rope_theta": 500.0,
    "partial_rotary_factor": 0.5,
    "factor": 2.0,
}

SIZES = {"vocab_size": 67, "hidden_size": 36, "intermediate_size": 44}
COMMON = {
    "num_hidden_layers": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "attn_implementation": "eager",
}
# Three query heads over one key-value head, or six over two.
THREE_OVER_ONE = {"num_attention_heads": 3, "num_key_value_heads": 1}
SIX_OVER_TWO = {"num_attention_heads": 6, "num_key_value_heads": 2}


def make_configs(sizes: Mapping[str, int] = SIZES) -> dict[str, transformers.PreTrainedConfig]:
    """Returns configs of every family, windows shorter than the text of reference.py."""
    common = COMMON | sizes
    return {
        "gemma3": transformers.Gemma3TextConfig(
            **common | THREE_OVER_ONE,
            head_dim=8,
            query_pre_attn_scalar=12,
            sliding_window=5,
            layer_types=[LOCAL, LOCAL, GLOBAL, LOCAL],
            rope_parameters={"full_attention": LINEAR_ROPE, "sliding_attention": PLAIN_ROPE},
        ),
        "gemma3_untied": transformers.Gemma3TextConfig(
            **common | SIX_OVER_TWO,
            head_dim=6,
            query_pre_attn_scalar=6,
            sliding_window=7,
            tie_word_embeddings=False,
            final_logit_softcapping=3.0,
        ),
        "gemma2": transformers.Gemma2Config(
            **common | SIX_OVER_TWO,
            head_dim=4,
            query_pre_attn_scalar=10,
            sliding_window=5,
            attn_logit_softcapping=1.5,
            final_logit_softcapping=2.5,
        ),
        # Like E2B: embeddings of each layer, shared keys, wide feed-forwards above.
        "gemma4": transformers.Gemma4TextConfig(
            **common | THREE_OVER_ONE | {"num_hidden_layers": 6},
            head_dim=8,
            global_head_dim=12,
            sliding_window=5,
            layer_types=[LOCAL, LOCAL, GLOBAL] * 2,
            num_kv_shared_layers=2,
            use_double_wide_mlp=True,
            hidden_size_per_layer_input=16,
            vocab_size_per_layer_input=sizes["vocab_size"],
            final_logit_softcapping=3.0,
            rope_parameters={
                "full_attention": PROPORTIONAL_ROPE,
                "sliding_attention": PLAIN_ROPE,
            },
        ),
        # Like 12B and 31B: values that are keys, fewer and larger heads beyond the window.
        "gemma4_unified": transformers.Gemma4UnifiedTextConfig(
            **common | {"num_attention_heads": 6, "num_key_value_heads": 3},
            head_dim=6,
            global_head_dim=8,
            num_global_key_value_heads=2,
            attention_k_eq_v=True,
            tie_word_embeddings=False,
            sliding_window=6,
            layer_types=[LOCAL, GLOBAL, LOCAL, GLOBAL],
        ),
        "qwen3": transformers.Qwen3Config(**common | THREE_OVER_ONE, head_dim=12),
        "qwen3_window": transformers.Qwen3Config(
            **common | SIX_OVER_TWO,
            head_dim=8,
            tie_word_embeddings=True,
            use_sliding_window=True,
            sliding_window=6,
            max_window_layers=1,
            rope_parameters=LINEAR_ROPE,
        ),
        "qwen2": transformers.Qwen2Config(**common | THREE_OVER_ONE, tie_word_embeddings=True),
        "qwen2_window": transformers.Qwen2Config(
            **common | SIX_OVER_TWO,
            use_sliding_window=True,
            sliding_window=4,
            max_window_layers=2,
        ),
        "llama": transformers.LlamaConfig(
            **common | THREE_OVER_ONE, head_dim=16, rope_parameters=LLAMA3_ROPE, rms_norm_eps=1e-5
        ),
        "llama_tied": transformers.LlamaConfig(
            **common | SIX_OVER_TWO,
            tie_word_embeddings=True,
            rope_parameters=LINEAR_ROPE,
        ),
        "mistral": transformers.MistralConfig(
            **common | THREE_OVER_ONE, sliding_window=6, rms_norm_eps=1e-5
        ),
        "mistral_full": transformers.MistralConfig(
            **common | SIX_OVER_TWO, head_dim=10, sliding_window=None, rope_parameters=LINEAR_ROPE
        ),
        "olmo2": transformers.Olmo2Config(**common | SIX_OVER_TWO, head_dim=8),
        "olmo2_tied": transformers.Olmo2Config(
            **common | THREE_OVER_ONE, tie_word_embeddings=True, rope_parameters=YARN_ROPE
        ),
        "olmo3": transformers.Olmo3Config(
            **common | SIX_OVER_TWO,
            head_dim=8,
            sliding_window=5,
            rope_parameters={
                "full_attention": YARN_ROPE | {"attention_factor": 1.3},
                "sliding_attention": PLAIN_ROPE,
            },
        ),
        "smollm3": transformers.SmolLM3Config(
            **common | SIX_OVER_TWO,
            head_dim=8,
            no_rope_layer_interval=2,
            rope_parameters=PLAIN_ROPE,
        ),
        "smollm3_untied": transformers.SmolLM3Config(
            **common | THREE_OVER_ONE, head_dim=8, tie_word_embeddings=False
        ),
        "cohere": transformers.CohereConfig(
            **common | THREE_OVER_ONE, logit_scale=0.75, rope_parameters=LINEAR_ROPE
        ),
        "cohere2": transformers.Cohere2Config(
            **common | THREE_OVER_ONE,
            logit_scale=1.5,
            sliding_window=5,
            layer_types=[LOCAL, GLOBAL] * 2,
            rope_parameters=PLAIN_ROPE,
        ),
        "cohere2_untied": transformers.Cohere2Config(
            **common | SIX_OVER_TWO, sliding_window=7, tie_word_embeddings=False, logit_scale=2.0
        ),
        "apertus": transformers.ApertusConfig(
            **common | THREE_OVER_ONE, head_dim=16, rope_parameters=LLAMA3_ROPE
        ),
        "apertus_tied": transformers.ApertusConfig(
            **common | SIX_OVER_TWO, tie_word_embeddings=True
        ),
    }


def make_peer(config: transformers.PreTrainedConfig, seed: int) -> transformers.PreTrainedModel:
    """Returns a model of random float32 weights, none of which is at its neutral value."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        buffers = ((n, b) for n, b in model.named_buffers() if n.endswith("layer_scalar"))
        for name, parameter in (*model.named_parameters(), *buffers):
            # Layers weigh more than the token itself, or a tied model would only repeat it.
            weight = 2.0 if "layers" in name else 1.0
            spread = 0.3 if parameter.ndim == 1 else weight * parameter.shape[-1] ** -0.5
            kept = parameter if parameter.ndim == 1 else 0
            parameter.copy_(kept + spread * torch.randn_like(parameter))
            # So that a file may hold them in half precision.
            parameter.copy_(parameter.to(torch.bfloat16))
    return model.eval()


def their_outputs(peer: transformers.PreTrainedModel, tokens: np.ndarray) -> Outputs:
    """Returns what transformers makes of a text."""
    ids = torch.tensor(tokens, dtype=torch.long)
    prompts = ids[:, :PROMPT_TOKENS]
    continued = peer.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=None,
    )
    labels = ids.clone()
    labels[:, :PROMPT_TOKENS] = -100
    peer.zero_grad()
    out = peer(ids, labels=labels)
    out.loss.backward()
    return Outputs(
        logits=out.logits.detach().numpy(),
        continuation=continued[:, PROMPT_TOKENS:].numpy(),
        loss=out.loss.item(),
        gradient={name: p.grad.numpy() for name, p in peer.named_parameters()},
    )
