"""What the sources of a corpus of one's own bring: each in one language, or in every one."""

import dataclasses
from collections.abc import Sequence

from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.manifest import SPLITS
from pinch_jax.corpus.reading.readers import read_parallel
from pinch_jax.corpus.reading.source import Source
from pinch_jax.corpus.translation.checks import MANY, is_copy
from pinch_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Part:
    """One source of a split, in the languages that it is in so far."""

    split: str
    source: Source
    examples: dict[str, tuple[Example, ...]]


def read_parts(config: CorpusConfig, languages: Sequence[str]) -> list[Part]:
    """Returns the sources as they are: a parallel one in all languages, another in its own.

    Raises:
      UserError: a file is not there, or not what its reader expects; what is tuned on has no
        response; a language says what another one says.
    """
    parts = []
    for split in SPLITS:
        for source in config.sources[split]:
            codes = languages if source.parallel else (config.translation.source,)
            part = Part(split, source, read_parallel(source, codes))
            if split == "train":
                _check_responses(part)
            _check_translated(part, config.translation.source)
            parts.append(part)
    return parts


def _check_responses(part: Part) -> None:
    """Checks that what is tuned on has a response: an empty one teaches to say nothing."""
    for code, own in part.examples.items():
        if empty := [one.id for one in own if not one.response]:
            raise UserError(
                f"config.corpus.train: {len(empty)} examples of {str(part.source)!r} have no "
                f"response in {code!r}, such as {empty[0]!r}; only held-out ones may lack it"
            )


def _check_translated(part: Part, source: str) -> None:
    """Checks that no language mostly says what the source language says."""
    source = source if source in part.examples else next(iter(part.examples))
    original = {one.id: one for one in part.examples[source]}
    for code, own in part.examples.items():
        if code == source:
            continue
        pairs = [(original[one.id], one) for one in own if one.id in original]
        texts = [(a.prompt, b.prompt) for a, b in pairs]
        texts += [(a.response, b.response) for a, b in pairs if a.response and b.response]
        copies = sum(is_copy(*pair) for pair in texts)
        if len(texts) >= MANY and copies > len(texts) / 2:
            raise UserError(
                f"config.corpus.{part.split}: {copies} of {len(texts)} texts of "
                f"{str(part.source)!r} are the same in {code!r} as in {source!r}; give the "
                f"translations into {code!r}, or leave that language out"
            )
