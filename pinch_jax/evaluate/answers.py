"""Answers to many prompts: batches of them in, texts out, by one compiled program a width.

They are kept batch by batch: a stop loses at most the batch at hand.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from pinch_jax.corpus.example import Prompt
from pinch_jax.devices.host_memory import listed_layers
from pinch_jax.devices.mesh import jit_on, local_rows, put_batch, replicated
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.evaluate.config import Sampling
from pinch_jax.evaluate.decode import make_decode, until_stop
from pinch_jax.evaluate.prompts import batch_prompts
from pinch_jax.evaluate.sampling import sampling_keys
from pinch_jax.hosts.waiting import agreed, check_alike, is_primary
from pinch_jax.model.decoder import Params, Shard, abstract_params, in_precision
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.stacks import in_order, listed, outside, stacks
from pinch_jax.storage.files import appending, digest, json_line, mended_lines, write_text
from pinch_jax.text.base import check_ids
from pinch_jax.text.template import Renderer
from pinch_jax.train.lora import is_plain, plain

# Part of what answers are kept by: raised when the same model would answer otherwise.
DECODING_VERSION = 3


@dataclasses.dataclass(frozen=True)
class Answers:
    """Answers prompts with a model; one compiled program for each width of prompts.

    Attributes:
        stop_ids: each of them ends an answer.
        rows: how many prompts are answered at a time.
        prompts_per_row: how many of them a row answers in one call of the program.
    """

    model: DecoderConfig
    renderer: Renderer
    stop_ids: tuple[int, ...]
    rows: int
    prompts_per_row: int
    prompt_tokens: int
    prompt_widths: int
    new_tokens: int
    sampling: Sampling
    shard: Shard
    dtype: Any

    @property
    def mesh(self) -> jax.sharding.Mesh:
        """The mesh on which answers are written."""
        return self.shard.mesh

    @property
    def widths(self) -> tuple[int, ...]:
        """What prompts are padded to, the longest last: each is compiled when it is needed."""
        count = self.prompt_widths
        return tuple(-(-self.prompt_tokens * n // count) for n in range(1, count + 1))

    @property
    def described(self) -> dict[str, Any]:
        """All that decides an answer beside parameters, prompts and seed, as JSON has it."""
        return {
            "version": DECODING_VERSION,
            "decoder": self.model.described,
            "template": self.renderer.described,
            "tokenizer": self.renderer.tokenizer.checksum,
            "stop_ids": self.stop_ids,
            # The shape of a batch decides how sums are rounded.
            "rows": self.rows,
            "prompts_per_row": self.prompts_per_row,
            "widths": self.widths,
            "new_tokens": self.new_tokens,
            "sampling": dataclasses.asdict(self.sampling),
            "dtype": jnp.dtype(self.dtype).name,
        }

    @functools.cached_property
    def decode(self) -> Any:
        """The compiled program (params, prompts, padding, keys) -> ids, in all hosts."""
        tokenizer = self.renderer.tokenizer
        decode = make_decode(
            self.model,
            self.new_tokens,
            self.stop_ids,
            tokenizer.pad_id,
            self.sampling,
            self.shard,
            self.rows,
        )
        return jit_on(self.mesh, decode, out_shardings=replicated(self.mesh))

    @functools.cached_property
    def shapes(self) -> Params:
        """The shapes of parameters as `decode` reads them: with dtypes, on the mesh."""
        cast = functools.partial(in_precision, dtype=self.dtype)
        shapes = jax.eval_shape(cast, abstract_params(self.model))
        shardings = parameter_shardings(self.mesh, shapes, "config.evaluate")
        placed = jax.tree.map(lambda x, s: x.update(sharding=s), shapes, shardings)

        def of_one(x):
            sharding = NamedSharding(self.mesh, PartitionSpec(*x.sharding.spec[1:]))
            return x.update(shape=x.shape[1:], sharding=sharding)

        each = {
            kind.name: [jax.tree.map(of_one, placed[kind.name])] * len(numbers)
            for kind, numbers in stacks(self.model).items()
        }
        return outside(self.model, placed) | {"layers": in_order(self.model, each)}

    @functools.cached_property
    def _place(self) -> Any:
        """The program params -> params as `decode` reads them."""

        def place(params):
            return listed(self.model, in_precision(plain(params), self.dtype))

        return jit_on(
            self.mesh, place, out_shardings=jax.tree.map(lambda x: x.sharding, self.shapes)
        )

    def placed(self, params: Params) -> Params:
        """Returns parameters as `decode` reads them: in its precision, layer by layer, on its mesh.

        Training splits them in another way, and each token would gather them anew. On one CPU
        device they are views of what they are made of, where that has the same precision.
        """
        same = self.dtype == params["embedding"].dtype == jnp.float32 and is_plain(params)
        names = [kind.name for kind in stacks(self.model)]
        each = {name: listed_layers(self.mesh, params[name]) if same else None for name in names}
        if None in each.values():
            return self._place(params)
        return outside(self.model, params) | {"layers": in_order(self.model, each)}

    def __call__(
        self,
        params: Params,
        prompts: Sequence[Prompt],
        seed: int,
        progress: Callable[[int], None] = lambda count: None,
    ) -> list[str]:
        """Returns, in all processes, a response to each prompt; `progress(n)` is told of n."""
        responses = [""] * len(prompts)
        for members, some in self.stream(params, prompts, seed):
            for member, response in zip(members, some, strict=True):
                responses[member] = response
            progress(len(members))
        return responses

    def stream(
        self, params: Params, prompts: Sequence[Prompt], seed: int, first: int = 0
    ) -> Iterator[tuple[list[int], list[str]]]:
        """Yields (indices of prompts, their responses), batch by batch from batch `first` on.

        Which prompts a batch has depends on `prompts` alone, what is drawn on it and `seed`.
        """
        ids = [self.renderer.prompt(p) for p in prompts]
        for prompt, own in zip(prompts, ids, strict=True):
            where = f"the prompt {prompt[:60]!r}"
            check_ids(own, self.model.vocab_size, self.renderer.tokenizer, where)
        pad_id, count = self.renderer.tokenizer.pad_id, self.rows * self.prompts_per_row
        mine = local_rows(self.mesh, count)
        batches = batch_prompts(
            ids, self.rows, self.widths, pad_id, self.prompts_per_row, self.shard.groups
        )
        words = sampling_keys(seed, prompts)
        params = self.placed(params)

        def decode(number):
            batch, keys = batches[number], np.zeros((count, 2), np.uint32)
            keys[batch.places] = words[batch.members]
            local = batch.ids[mine], batch.padding[mine], keys[mine]
            return self.decode(params, *put_batch(self.mesh, count, local))

        # The devices are given a batch while the one before it becomes text.
        ahead = decode(first) if first < len(batches) else None
        for number in range(first, len(batches)):
            output, ahead = ahead, decode(number + 1) if number + 1 < len(batches) else None
            members, places = batches[number].members.tolist(), batches[number].places
            ids = [until_stop(row, self.stop_ids) for row in np.asarray(output)[places]]
            yield members, [self.renderer.tokenizer.decode(own.tolist()) for own in ids]


def answers_key(answers: Answers, weights: str, seed: int, prompts: Sequence[Prompt] = ()) -> str:
    """Returns the checksum of all that decides answers, `weights` being that of the parameters."""
    return digest([weights, answers.described, seed, *prompts])


def answer_prompts(
    answers: Answers,
    params: Params,
    weights: str,
    prompts: Sequence[Prompt],
    seed: int,
    part: Path,
    progress: Callable[[int], None],
) -> list[str]:
    """Returns a response to each prompt, going on behind the last batch that `part` holds.

    `part` grows by a line a batch; it is the caller's to delete once the responses are safe. One
    that was begun for other prompts, parameters or settings is begun anew; UserError if it is
    damaged. `weights` names the parameters; `progress(n)` is told of n responses.
    """
    key = answers_key(answers, weights, seed, prompts)
    check_alike({"what decides the answers": key})
    known: list[dict] = []

    def read():
        known.extend(_read(part, key))
        return len(known)

    first = agreed("reading the answers that are there", read)
    responses = [""] * len(prompts)

    def enter(members: Sequence[int], some: Sequence[str]) -> None:
        for member, response in zip(members, some, strict=True):
            responses[member] = response
        progress(len(members))

    for line in known:
        enter(line["prompts"], line["responses"])
    if is_primary() and not known:
        write_text(part, json_line({"key": key}))
    with appending(part) if is_primary() else contextlib.nullcontext() as add:
        for members, some in answers.stream(params, prompts, seed, first):
            if add:
                add(json_line({"prompts": members, "responses": some}))
            enter(members, some)
    return responses


def _read(part: Path, key: str) -> list[dict]:
    """Returns the batches of a file that was begun with the same key."""
    lines = list(mended_lines(part, "delete the file, and all is answered anew"))
    return lines[1:] if lines and lines[0] == {"key": key} else []
