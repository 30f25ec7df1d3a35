"""The batch of any step, as a pure function of the plan and the step."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np

from pinch_jax.data.batch import Batch
from pinch_jax.data.config import BatchConfig
from pinch_jax.data.mixture import Mixture
from pinch_jax.data.order import indices_of
from pinch_jax.data.packing import place_in_rows
from pinch_jax.data.tokenized import TokenizedCorpus


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """All batches of a run; the arrays [packed] are in the order of the steps.

    Attributes:
      language: index into `mixture.languages`, uint8.
      example: row of that language's corpus, int32.
      bounds: int32 [steps, 2]; step i holds the examples from bounds[i, 0] to bounds[i, 1].
      budgets: distinct examples of each of `mixture.languages`.
      dropped: examples longer than a row, counted per language over all epochs.
      longest: tokens, and supervised tokens, of a row with room for each example.
    """

    mixture: Mixture
    corpus: TokenizedCorpus
    shape: BatchConfig
    language: np.ndarray
    example: np.ndarray
    bounds: np.ndarray
    budgets: dict[str, int]
    dropped: dict[str, int]
    longest: tuple[int, int]

    @property
    def steps(self) -> int:
        """Number of steps in the run."""
        return len(self.bounds)

    def batch_at(self, step: int, rows: Sequence[int] | None = None) -> Batch:
        """Returns these rows of the `rows_at` of `step`, in this order; by default all.

        No example of another row is read.

        Raises:
          IndexError: the run has no such step, or the step no such row.
        """
        here = self._slice(step)
        place = self._places(here)
        count = self._rows(place[0])
        wanted = np.arange(count) if rows is None else np.asarray(rows, np.int64)
        target = np.full(count, -1)
        target[wanted] = np.arange(len(wanted))
        batch = _empty(len(wanted), self.shape, self.corpus.pad_id)
        for i, (row, offset, slot) in enumerate(zip(*place, strict=True), start=here.start):
            if target[row] >= 0:
                tokenized = self.corpus.languages[self.mixture.languages[self.language[i]]]
                ids, prompt_length = tokenized.example(int(self.example[i]))
                _write(batch, target[row], offset, slot, ids, prompt_length)
        return batch

    def rows_at(self, step: int) -> int:
        """Returns the rows of the batch of `step`, without empty ones that may be left out."""
        if not self.shape.row_multiple:
            return self.shape.rows
        return self._rows(self._places(self._slice(step))[0])

    def examples_at(self, step: int) -> list[tuple[str, str]]:
        """Returns the (language, id) of each example of `step`, in the mixture's order."""
        here = self._slice(step)
        return [
            (self.mixture.languages[language], self.corpus.ids[example])
            for language, example in zip(self.language[here], self.example[here], strict=True)
        ]

    def counts_at(self, step: int) -> dict[str, dict[str, int]]:
        """Returns the counts of `step`: {"examples": {language: count}, "tokens": ..., ...}."""
        return self._counts(self._slice(step))

    def totals(self) -> dict[str, dict[str, int]]:
        """Returns the counts of `counts_at` over the whole run."""
        return self._counts(slice(None))

    def planned(self) -> dict[str, int]:
        """Returns how many examples each member has in all epochs, the dropped ones too."""
        left = self.totals()["examples"]
        return {m: left.get(m, 0) + self.dropped[m] for m in self.mixture.languages}

    @functools.cached_property
    def fingerprint(self) -> str:
        """The sha256 of every (language, id) of the run, in order, and of where steps begin.

        It does not depend on languages that have no example, nor on the order of the others.
        """
        held = np.bincount(self.language, minlength=len(self.mixture.languages)) > 0
        names = [self.mixture.languages[index] for index in np.flatnonzero(held)]
        among_held = np.cumsum(held) - 1
        language = indices_of(names, sorted(names))[among_held[self.language]]
        digest = hashlib.sha256(self.corpus.ids_checksum.encode())
        digest.update("\x1f".join(sorted(names)).encode())
        for numbers, kind in ((language, "u1"), (self.example, "<i4"), (self.bounds, "<i4")):
            digest.update(np.ascontiguousarray(numbers, kind))
        return digest.hexdigest()

    def _slice(self, step: int) -> slice:
        if not 0 <= step < self.steps:
            raise IndexError(f"step={step}: the run has steps 0 to {self.steps - 1}")
        return slice(*self.bounds[step].tolist())

    def _places(self, part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = self.corpus.lengths(
            self.mixture.languages, self.language[part], self.example[part]
        )
        return place_in_rows(self.shape, *lengths)

    def _rows(self, row: np.ndarray) -> int:
        """Returns the number of rows if those of `row` hold examples; the first is never empty."""
        multiple = self.shape.row_multiple
        return -(-(int(row.max()) + 1) // multiple) * multiple if multiple else self.shape.rows

    def _counts(self, part: slice) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {"examples": {}, "tokens": {}, "supervised_tokens": {}}
        for index, language in enumerate(self.mixture.languages):
            example = self.example[part][self.language[part] == index]
            if len(example):
                held = self.corpus.languages[language]
                supervised = held.supervised_lengths[example]
                counts["examples"][language] = len(example)
                counts["tokens"][language] = int(held.lengths[example].sum())
                counts["supervised_tokens"][language] = int(supervised.sum())
        return counts


def _empty(rows: int, shape: BatchConfig, pad_id: int) -> Batch:
    long, wide = (rows, shape.row_tokens), (rows, shape.row_supervised_tokens)
    return Batch(
        tokens=np.full(long, pad_id, np.int32),
        segments=np.zeros(long, np.int32),
        positions=np.zeros(long, np.int32),
        supervised=np.zeros(wide, np.int32),
        targets=np.full(wide, pad_id, np.int32),
        weights=np.zeros(wide, np.float32),
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
