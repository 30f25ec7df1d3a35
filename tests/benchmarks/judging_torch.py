"""The other side of judging.py: padded batches through transformers."""

import json
import sys
from pathlib import Path

import torch
from sides import CORES, Turns
from transformers import AutoModelForCausalLM


def main() -> None:
    """Takes turns at all comparisons."""
    turns, case = Turns(), json.loads(sys.argv[1])
    torch.set_num_threads(CORES)
    model = AutoModelForCausalLM.from_pretrained(case["weights"], dtype=torch.float32).eval()
    asked = json.loads(Path(case["ids"]).read_text())
    prompts, labels = asked["prompts"], asked["labels"]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    keep = {"logits_to_keep": 1} if case["way"] == "last" else {}

    @torch.inference_mode()
    def judge():
        odds = [0.0] * len(prompts)
        for start in range(0, len(order), case["rows"]):
            members = order[start : start + case["rows"]]
            width = max(len(prompts[index]) for index in members)
            ids = torch.zeros(len(members), width, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, index in enumerate(members):
                ids[row, width - len(prompts[index]) :] = torch.tensor(prompts[index])
                mask[row, width - len(prompts[index]) :] = 1
            logits = model(input_ids=ids, attention_mask=mask, **keep).logits[:, -1]
            for row, index in enumerate(members):
                odds[index] = float(logits[row, labels[0]] - logits[row, labels[1]])
        return odds

    turns.ready({"odds": judge()})
    turns.take(judge)


if __name__ == "__main__":
    main()
