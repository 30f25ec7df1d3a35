"""What is measured on held-out prompts: the loss of references, and the answers themselves."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinch_jax.corpus.example import Example
from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.config import BatchConfig
from pinch_jax.data.mixture import parse_mixture
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import tokenize_corpus
from pinch_jax.devices.mesh import jit_on, local_rows, put_batch
from pinch_jax.evaluate.answers import Answers
from pinch_jax.evaluate.outcome import classify
from pinch_jax.evaluate.records import last_prompt, response_record, words_of_records
from pinch_jax.model.decoder import Params, Shard
from pinch_jax.model.families import DecoderConfig
from pinch_jax.text.base import check_ids
from pinch_jax.text.template import Renderer
from pinch_jax.train.step import summed_loss


class HeldoutLoss:
    """An evaluator: {"eval/<language>/loss": nats a token} over held-out responses.

    Prompts without a reference are passed over; a language without any has no loss, and no plan.
    """

    def __init__(
        self,
        model: DecoderConfig,
        renderer: Renderer,
        heldout: Mapping[str, Sequence[Example]],
        shape: BatchConfig,
        mesh: jax.sharding.Mesh,
        shard: Shard,
        dtype: Any,
    ):
        pad_id = renderer.tokenizer.pad_id
        # An update takes so many examples; what is measured fills its rows.
        shape = dataclasses.replace(shape, examples=0)
        self.plans: dict[str, BatchPlan] = {}
        for code, own in heldout.items():
            examples = [example for example in own if example.response]
            if not examples:
                continue
            tokenized = tokenize_corpus({code: examples}, pad_id, renderer.example)
            where, ids = f"the held-out examples of {code!r}", tokenized.languages[code].tokens
            check_ids(ids, model.vocab_size, renderer.tokenizer, where)
            mixture = parse_mixture(f"monolingual:{code}", (code,), len(examples), code)
            self.plans[code] = plan_batches(mixture, tokenized, shape, epochs=1)
        self._mesh = mesh
        self._loss = jit_on(mesh, functools.partial(summed_loss, model, dtype, shard))

    def __call__(self, params: Params, step: int) -> dict[str, float]:
        """Returns the loss in each language; `step` is not used."""
        losses = {}
        for language, plan in self.plans.items():
            total, count = 0.0, 0.0
            for index in range(plan.steps):
                rows = plan.rows_at(index)
                mine = plan.batch_at(index, local_rows(self._mesh, rows))
                batch = put_batch(self._mesh, rows, mine)
                total += float(self._loss(params, batch))
                count += float(jnp.sum(batch.weights))
            losses[f"eval/{language}/loss"] = total / count
        return losses


def answer_metrics(
    answers: Answers, heldout: Mapping[str, Sequence[Example]], seed: int, params: Params, step: int
) -> dict[str, float]:
    """Returns, for each language, the fraction of prompts with each outcome; an evaluator.

    What needs a reference is over the prompts that have one, and absent if none has.
    """
    examples = [e for some in heldout.values() for e in some]
    responses = answers(params, [e.asked for e in examples], seed + step)
    records = [response_record(e, said) for e, said in zip(examples, responses, strict=True)]
    words = words_of_records(records)
    outcomes: dict[str, list[Any]] = {code: [] for code in heldout}
    for record in records:
        said = (record[field] for field in ("response", "language", "reference"))
        outcome = classify(last_prompt(record), *said, words=words)
        outcomes[record["language"]].append(outcome)
    metrics = {}
    for code, some in outcomes.items():
        for name in ("exact_match", "right_language", "echo", "chrf"):
            values = [getattr(o, name) for o in some if getattr(o, name) is not None]
            if values:
                metrics[f"eval/{code}/{name}"] = float(np.mean(values))
    return metrics
