"""Makes the golden files anew: tiny models of transformers, and what it makes of a text.

    pip install -e .[test,parity]
    python tests/golden/make.py

Each directory holds a model as `save_pretrained` writes it, in bfloat16, and what transformers
makes of a text with it, `expected.safetensors`: tokens, logits, the greedy continuation, the loss,
and of each tensor's gradient the sum, the norm and the product with a fixed direction.
tests/test_golden.py holds ours against them without torch.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

GOLDEN = Path(__file__).parent
sys.path[:0] = [str(GOLDEN.parent), str(GOLDEN.parent / "parity")]

from peers import make_configs, make_peer, their_outputs  # noqa: E402
from reference import gradient_digest, random_tokens  # noqa: E402

SIZES = {"vocab_size": 31, "hidden_size": 12, "intermediate_size": 16}
NAMES = ("gemma3", "gemma2", "qwen3_window", "qwen2", "llama", "mistral")
NAMES += ("olmo2_tied", "olmo3", "smollm3", "cohere", "cohere2", "apertus")
NAMES += ("gemma4", "gemma4_unified")


def main() -> None:
    """Writes one directory for each of NAMES."""
    configs = make_configs(SIZES)
    for name in NAMES:
        directory = GOLDEN / name
        shutil.rmtree(directory, ignore_errors=True)
        peer = make_peer(configs[name], seed=1)
        out = their_outputs(peer, tokens := random_tokens(SIZES["vocab_size"], rows=1))
        expected = {
            "tokens": tokens,
            "logits": out.logits,
            "continuation": out.continuation.astype(np.int32),
            "loss": np.array(out.loss, np.float32),
        }
        expected |= {f"gradient/{k}": gradient_digest(v) for k, v in out.gradient.items()}
        # Gemma 2 comes in several files with an index.
        shard = {"max_shard_size": "3KB"} if name == "gemma2" else {}
        peer.to(torch.bfloat16).save_pretrained(directory, **shard)
        save_file(expected, directory / "expected.safetensors")
        print(name, sum(file.stat().st_size for file in directory.iterdir()), "bytes")


if __name__ == "__main__":
    main()
