"""The other side of gemma.py: transformers on torch, and TRL's trainer on top of them."""

import json
import sys

import torch
from gemma_inputs import (
    BETA1,
    BETA2,
    CLIP_NORM,
    EPSILON,
    LEARNING_RATE,
    NEW_TOKENS,
    TRIMMED_ROWS,
    WEIGHT_DECAY,
    Case,
)
from sides import CORES, Turns
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, LogitsProcessorList

IGNORED = -100


class KeptRows:
    """A processor of logits that leaves the first rows of the table alone."""

    def __call__(self, ids, scores):
        scores[:, TRIMMED_ROWS:] = -torch.inf
        return scores


def labels(case: Case, ids: torch.Tensor) -> torch.Tensor:
    """Returns the ids where they are supervised, and what is ignored elsewhere."""
    first = case.width - case.supervised
    return torch.cat([torch.full_like(ids[:, :first], IGNORED), ids[:, first:]], dim=1)


def train(case: Case, model):
    """Returns (check, run): a step by AdamW, its one pass over memory fused.

    "selected" has logits at the supervised positions alone, as ours; "compiled" is that compiled;
    "labels" is the loss that transformers computes.
    """
    ids = torch.tensor(case.ids(), dtype=torch.long)
    first = case.width - case.supervised
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
        lr=LEARNING_RATE,
        betas=(BETA1, BETA2),
        eps=EPSILON,
        weight_decay=WEIGHT_DECAY,
        fused=True,
    )
    model.train()
    body = torch.compile(model.model) if case.way == "compiled" else model.model

    def scores():
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state
        return model.lm_head(hidden[:, first - 1 : -1]).flatten(0, 1)

    def loss():
        if case.way == "labels":
            return model(input_ids=ids, labels=labels(case, ids), use_cache=False).loss
        return cross_entropy(scores(), ids[:, first:].flatten())

    def run():
        value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return value.item()

    with torch.no_grad():
        trimmed = cross_entropy(scores()[:, :TRIMMED_ROWS], ids[:, first:].flatten()).item()
    return {"trimmed": [trimmed], "whole": [run(), run()]}, run


def decode(case: Case, model):
    """Returns (check, run): `generate`, none of whose answers ends early.

    "default" is its growing cache, "static" one of a fixed size, "compiled" that with a compiled
    forward pass.
    """
    model.eval()
    ids = torch.tensor(case.ids(), dtype=torch.long)
    told = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "eos_token_id": None,
    }
    trimmed = None
    if case.way == "default":
        kept = LogitsProcessorList([KeptRows()])
        trimmed = model.generate(ids, **told, logits_processor=kept)[:, case.width :].tolist()
    else:
        told["cache_implementation"] = "static"
    if case.way == "compiled":
        model.forward = torch.compile(model.forward)

    def run():
        return model.generate(ids, **told)[:, case.width :].tolist()

    return {"trimmed": trimmed, "whole": run()}, run


def score(case: Case, model):
    """Returns (check, run): log-probabilities of all ids after the first.

    "logits" asks the model for all logits; "by rows" has the head, and the compiled body, work on
    one row at a time, so that it needs as little memory as ours.
    """
    model.eval()
    ids = torch.tensor(case.ids(), dtype=torch.long)
    body = torch.compile(model.model) if case.way == "compiled" else model.model

    def chosen(logits, targets):
        return -cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")

    @torch.no_grad()
    def run():
        if case.way == "logits":
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
            return chosen(logits, ids[:, 1:]).view(case.rows, -1).tolist()
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        rows = zip(hidden, ids[:, 1:], strict=True)
        return [chosen(model.lm_head(row), targets).tolist() for row, targets in rows]

    return {"trimmed": None, "whole": run()}, run


def main() -> None:
    """Checks, and takes turns."""
    turns, case = Turns(), Case(**json.loads(sys.argv[1]))
    torch.set_num_threads(CORES)
    if case.way == "trl":
        from gemma_trl import train_by_trl

        train_by_trl(case, turns)
        return
    model = AutoModelForCausalLM.from_pretrained(case.weights, dtype=torch.float32)
    make = {"train": train, "decode": decode, "score": score}[case.kind]
    check, run = make(case, model)
    turns.ready(check)
    turns.take(run)


if __name__ == "__main__":
    main()
