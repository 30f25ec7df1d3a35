"""The batch of any step, as a pure function of the plan and the step."""

import dataclasses
import functools
import hashlib
from typing import NamedTuple, Protocol

import numpy as np

from pinch_jax.data.mixture import Mixture, assign
from pinch_jax.data.order import interleave, permutation
from pinch_jax.data.packing import Packing, pack, pack_apart
from pinch_jax.data.tokenized import TokenizedCorpus


class BatchShape(Protocol):
    """The part of the batch's configuration that decides its shape."""

    rows: int
    row_tokens: int
    row_supervised_tokens: int
    examples: int


class Batch(NamedTuple):
    """One step's rows; B rows, T tokens, S slots for supervised tokens.

    tokens [B, T] int32; padding is the tokenizer's pad id.
    segments [B, T] int32: the examples of a row count from 1; 0 is padding.
    positions [B, T] int32: from 0 in each example.
    supervised [B, S] int32: indices into T of the inputs whose next token is a target.
    targets [B, S] int32: those next tokens.
    weights [B, S] float32: 1 where the slot is used, else 0.
    """

    tokens: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    supervised: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """All batches of a run; the arrays [packed] are by step, then in the mixture's order.

    Attributes:
      language: index into `mixture.languages`.
      example: row of that language's corpus.
      packing: where it stands.
      dropped: examples longer than a row, counted per language over all epochs.
    """

    mixture: Mixture
    corpus: TokenizedCorpus
    shape: BatchShape
    language: np.ndarray
    example: np.ndarray
    packing: Packing
    dropped: dict[str, int]

    @property
    def steps(self) -> int:
        """Number of steps in the run."""
        return self.packing.steps

    def batch_at(self, step: int, rows: slice | None = None) -> Batch:
        """The rows `rows` of the batch of `step`, all of them by default; no other rows are read.

        Raises:
          IndexError: the run has no such step.
        """
        first, last, stride = (rows or slice(None)).indices(self.shape.rows)
        if stride != 1:
            raise ValueError(f"rows={rows}: a host's rows must be contiguous; leave out the stride")
        batch = _empty(
            max(last - first, 0),
            self.shape.row_tokens,
            self.shape.row_supervised_tokens,
            self.corpus.pad_id,
        )
        for i in range(*self._bounds(step)):
            row = int(self.packing.row[i]) - first
            if 0 <= row < last - first:
                ids, prompt_length = self._example(i)
                _write(
                    batch,
                    row,
                    int(self.packing.offset[i]),
                    int(self.packing.slot[i]),
                    ids,
                    prompt_length,
                )
        return batch

    def examples_at(self, step: int) -> list[tuple[str, str]]:
        """The (language, id) of each example of `step`, in the mixture's order."""
        return [self._name(i) for i in range(*self._bounds(step))]

    def counts_at(self, step: int) -> dict[str, dict[str, int]]:
        """{"examples": {language: count}, "tokens": ..., "supervised_tokens": ...} of `step`."""
        return self._counts(slice(*self._bounds(step)))

    def totals(self) -> dict[str, dict[str, int]]:
        """The counts of `counts_at` over the whole run."""
        return self._counts(slice(None))

    @functools.cached_property
    def fingerprint(self) -> str:
        """The sha256 of every (language, id) of the run, in order, with its place."""
        digest = hashlib.sha256()
        places = np.stack(
            [self.packing.step, self.packing.row, self.packing.offset, self.packing.slot], axis=1
        )
        for i, place in enumerate(places.tolist()):
            digest.update(repr((*self._name(i), *place)).encode())
        return digest.hexdigest()

    @functools.cached_property
    def _starts(self) -> np.ndarray:
        return np.searchsorted(self.packing.step, np.arange(self.steps + 1))

    def _bounds(self, step: int) -> tuple[int, int]:
        if not 0 <= step < self.steps:
            raise IndexError(f"step={step}: the run has steps 0 to {self.steps - 1}")
        return int(self._starts[step]), int(self._starts[step + 1])

    def _name(self, i: int) -> tuple[str, str]:
        language = self.mixture.languages[self.language[i]]
        return language, self.corpus.languages[language].ids[self.example[i]]

    def _example(self, i: int) -> tuple[np.ndarray, int]:
        language = self.mixture.languages[self.language[i]]
        return self.corpus.languages[language].example(int(self.example[i]))

    def _counts(self, part: slice) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {"examples": {}, "tokens": {}, "supervised_tokens": {}}
        for index, language in enumerate(self.mixture.languages):
            example = self.example[part][self.language[part] == index]
            if len(example):
                tokenized = self.corpus.languages[language]
                counts["examples"][language] = len(example)
                counts["tokens"][language] = int(tokenized.lengths[example].sum())
                counts["supervised_tokens"][language] = int(
                    tokenized.supervised_lengths[example].sum()
                )
        return counts


def plan_batches(
    mixture: Mixture, corpus: TokenizedCorpus, shape: BatchShape, epochs: int, seed: int
) -> BatchPlan:
    """The plan of a run over `epochs` epochs, in each of which every example is seen once.

    Each epoch keeps the order of the languages and permutes the examples within each language.

    Raises:
      ValueError: the corpus has too few examples, or none of them fits into a row.
    """
    if epochs < 1:
        raise ValueError(f"config.train.epochs={epochs}: must be at least 1")
    for name in ("rows", "row_tokens", "row_supervised_tokens"):
        if getattr(shape, name) < 1:
            raise ValueError(f"config.batch.{name}={getattr(shape, name)}: must be at least 1")
    ids = {language: tokenized.ids for language, tokenized in corpus.languages.items()}
    owned = assign(mixture, ids, seed)
    turns = interleave(list(mixture.budgets.values()), mixture.examples)
    language = np.tile(turns, epochs)
    example = np.empty(len(language), np.int64)
    tokens = np.empty(len(language), np.int64)
    supervised = np.empty(len(language), np.int64)
    for index, code in enumerate(mixture.languages):
        mine = language == index
        own = owned[code]
        example[mine] = np.concatenate(
            [own[permutation(len(own), seed, "epoch", code, epoch)] for epoch in range(epochs)]
        )
        tokens[mine] = corpus.languages[code].lengths[example[mine]]
        supervised[mine] = corpus.languages[code].supervised_lengths[example[mine]]

    room = (shape.rows, shape.row_tokens, shape.row_supervised_tokens, shape.examples)
    if mixture.granularity == "step":
        packing = pack_apart(language, tokens, supervised, *room)
    else:
        packing = pack(tokens, supervised, *room)
    if not packing.steps:
        raise ValueError(
            f"config.batch.row_tokens={shape.row_tokens}, config.batch.row_supervised_tokens="
            f"{shape.row_supervised_tokens}: no example fits into a row; the shortest needs"
            f" {tokens.min()} tokens, the one with the fewest supervised tokens {supervised.min()}"
        )
    lost = np.bincount(language[packing.dropped], minlength=len(mixture.languages))
    dropped = dict(zip(mixture.languages, lost.tolist(), strict=True))
    return BatchPlan(
        mixture, corpus, shape, language[packing.index], example[packing.index], packing, dropped
    )


def _empty(rows: int, row_tokens: int, slots: int, pad_id: int) -> Batch:
    return Batch(
        tokens=np.full((rows, row_tokens), pad_id, np.int32),
        segments=np.zeros((rows, row_tokens), np.int32),
        positions=np.zeros((rows, row_tokens), np.int32),
        supervised=np.zeros((rows, slots), np.int32),
        targets=np.full((rows, slots), pad_id, np.int32),
        weights=np.zeros((rows, slots), np.float32),
    )


def _write(
    batch: Batch, row: int, offset: int, slot: int, ids: np.ndarray, prompt_length: int
) -> None:
    here = slice(offset, offset + len(ids))
    batch.tokens[row, here] = ids
    # Rows are filled from the left, so the token before is the example before.
    batch.segments[row, here] = batch.segments[row, offset - 1] + 1 if offset else 1
    batch.positions[row, here] = np.arange(len(ids))
    targets = ids[prompt_length:]
    slots = slice(slot, slot + len(targets))
    inputs = offset + prompt_length - 1
    batch.supervised[row, slots] = np.arange(inputs, inputs + len(targets))
    batch.targets[row, slots] = targets
    batch.weights[row, slots] = 1
