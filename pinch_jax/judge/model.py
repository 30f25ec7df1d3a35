"""A model as judge: the difference of two logits at one position. No text is made, none parsed."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from pinch_jax.data.config import BatchConfig
from pinch_jax.data.packing import place_in_rows, step_bounds
from pinch_jax.devices.jax_settings import arithmetic
from pinch_jax.devices.mesh import batch_ways, jit_on, local_rows, put_batch, replicated
from pinch_jax.errors import UserError
from pinch_jax.judge.prompt import LABELS, Wording
from pinch_jax.judge.protocol import Judgement, Pair, by_odds
from pinch_jax.model.decoder import Params, Shard, forward, in_precision, no_sharding, unembed
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.model import Model
from pinch_jax.storage.files import digest
from pinch_jax.text.base import check_ids
from pinch_jax.text.template import Renderer

# Tokens of a batch, with padding, and the narrowest row; so many prompts have their place in a row.
BATCH_TOKENS, LEAST_WIDTH, ROW_PROMPTS = 4096, 256, 8


class ModelJudge:
    """Prefers what a model would say next: A or B; a `Judge` on the mesh of all processes."""

    batch_size, everywhere = 64, True

    def __init__(self, name: str, wording: Wording, model: Model, shard: Shard, dtype: str):
        """Keeps a model, whose parameters are loaded on shard.mesh once somebody asks it.

        `dtype` is of the arithmetic.

        Raises:
            UserError: the model's tokenizer makes more than one token of a label.
        """
        self.name, self._wording, self.wording = name, wording, wording.checksum
        self._model, self._mesh, self._dtype = model, shard.mesh, dtype
        self.labels = find_labels(model.renderer)
        self.identity = self.version = digest(
            [
                model.weights.checksum,
                model.decoder.described,
                model.renderer.described,
                model.renderer.tokenizer.checksum,
                arithmetic(dtype),
                self.wording,
                self.labels,
            ]
        )
        choose = make_choose(model.decoder, self.labels.ids, jnp.dtype(dtype), shard)
        self.choose = jit_on(self._mesh, choose, out_shardings=replicated(self._mesh))

    @functools.cached_property
    def _params(self) -> Params:
        return self._model.load_on(self._mesh, self._dtype)

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Returns which answer of each pair is more probably named, by how much."""
        return [by_odds(odds) for odds in self.log_odds(pairs).tolist()]

    def log_odds(self, pairs: Sequence[Pair]) -> np.ndarray:
        """Returns log P(first) - log P(second) of each pair (nats), float32 [pairs].

        Raises:
            UserError: a token is none of the model's.
        """
        texts = [np.array(self.prompt_ids(pair), np.int32) for pair in pairs]
        odds = np.empty(len(texts), np.float32)
        # The longest first, so that a batch has others of about its length.
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        for members, batch in pack([texts[index] for index in order], batch_ways(self._mesh)):
            mine = local_rows(self._mesh, len(batch[0]))
            local = tuple(array[mine] for array in batch)
            found = np.asarray(
                self.choose(self._params, *put_batch(self._mesh, len(batch[0]), local))
            )
            for place, member in members.items():
                odds[order[member]] = found[place]
        return odds

    def prompt_ids(self, pair: Pair) -> list[int]:
        """Returns the tokens that are followed by a label, or by the other one."""
        renderer = self._model.renderer
        asked = self._wording.ask(pair, self.labels.names)
        ids = renderer.prompt(asked) + self.labels.beginning
        where = f"the prompt {pair.record['id']!r}"
        check_ids(ids, self._model.decoder.vocab_size, renderer.tokenizer, where)
        return ids


class Labels(NamedTuple):
    """What answers are called, what every answer begins with, such as a blank, and then says."""

    names: tuple[str, str]
    beginning: list[int]
    ids: tuple[int, int]


def find_labels(renderer: Renderer) -> Labels:
    """Returns labels that are one token each where a model would answer with them.

    Raises:
        UserError: there are none.
    """
    for names in LABELS:
        (first, start), (second, _) = (renderer.example("?", name) for name in names)
        both = enumerate(zip(first, second, strict=False))
        place = next((i for i, (a, b) in both if a != b), start)
        if first[place] != second[place] and first[place + 1 :] == second[place + 1 :]:
            return Labels(names, first[start:place], (first[place], second[place]))
    raise UserError(
        f"the tokenizer {renderer.tokenizer.path} has no token for an answer such as "
        f"{' or '.join(LABELS[0])} alone; judge with another model"
    )


def make_choose(
    model: DecoderConfig, labels: tuple[int, int], dtype: Any, shard: Shard = no_sharding
):
    """Returns the pure function (params, tokens, positions, segments, ends) -> log-odds.

    tokens, positions, segments [B, T] are packed rows, and ends [B, E] the columns of the prompts'
    last tokens. The result [B, E], float32, is the logit of the first label less that of the
    second. Two rows of the head are multiplied, and no others.
    """
    table = "embedding" if model.tied_embeddings else "head"

    def choose(params, tokens, positions, segments, ends):
        params = in_precision(params, dtype)
        hidden = forward(model, params, tokens, positions, segments, shard)
        last = jnp.take_along_axis(hidden, ends[:, :, None], axis=1)
        two = params | {table: params[table][jnp.array(labels)]}
        logits = unembed(model, two, last)
        return logits[..., 0] - logits[..., 1]

    return choose


def batch_shape(longest: int, ways: int) -> tuple[int, int]:
    """Returns the rows, and the tokens of each, of a batch whose longest prompt has so many."""
    width = max(LEAST_WIDTH, 1 << (longest - 1).bit_length())
    return ways * max(BATCH_TOKENS // (width * ways), 1), width


def pack(texts: Sequence[np.ndarray], ways: int):
    """Yields (members, arrays) of each batch of packed texts, which come with the longest first.

    `members` maps (row, place in it) to the text; the arrays are those of `make_choose`. Rows are
    as long as a power of two, and as many as `ways` can share.
    """
    lengths = np.array([len(text) for text in texts], np.int32)  # as plans have them: one program
    start = 0
    while start < len(texts):
        rows, width = batch_shape(int(lengths[start]), ways)
        shape = BatchConfig(
            rows=rows,
            row_multiple=0,
            row_tokens=width,
            row_supervised_tokens=ROW_PROMPTS,
            examples=0,
            microbatches=1,
            max_dropped_fraction=0.0,
        )
        # One token of a prompt is looked at.
        ones = np.ones_like(lengths[start:])
        stop = start + int(step_bounds(shape, lengths[start:], ones)[1])
        row, before, place = place_in_rows(shape, lengths[start:stop], ones[: stop - start])
        tokens, positions, segments = np.zeros((3, rows, width), np.int32)
        ends = np.zeros((rows, ROW_PROMPTS), np.int32)
        members = {}
        for index in range(start, stop):
            r, p, first = row[index - start], place[index - start], before[index - start]
            columns = slice(first, first + lengths[index])
            tokens[r, columns] = texts[index]
            positions[r, columns] = np.arange(lengths[index])
            segments[r, columns] = p + 1
            ends[r, p] = columns.stop - 1
            members[int(r), int(p)] = index
        yield members, (tokens, positions, segments, ends)
        start = stop
