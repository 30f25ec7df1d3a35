"""A corpus by its name: built once into ArrayRecord files, then read, parallel by check."""

import contextlib
import dataclasses
import io
import os
from collections.abc import Mapping, Sequence

import tensorflow_datasets as tfds
from tqdm import tqdm

from pinch_jax.corpus.builder import CldrInstructions, CldrStatements
from pinch_jax.corpus.example import Example, checksum
from pinch_jax.languages import language as known_language

__all__ = ["CORPORA", "Corpus", "Example", "check_parallel", "load_corpus"]

SPLITS = ("train", "heldout")
CORPORA: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    "cldr_instructions": CldrInstructions,
    "cldr_statements": CldrStatements,
}


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Examples by language, with the same ids in the same order in every language.

    Any prefix of `heldout` is a fair sample of it. `checksum` (SHA-256) covers every example of
    these languages, its split and its place.
    """

    train: Mapping[str, tuple[Example, ...]]
    heldout: Mapping[str, tuple[Example, ...]]
    checksum: str


def load_corpus(
    name: str, languages: Sequence[str], data_dir: str | os.PathLike[str], progress: bool = True
) -> Corpus:
    """Return the corpus in these languages, after building what `data_dir` lacks of it.

    Raises:
      ValueError: nobody knows the corpus or a language, or the languages are not parallel.
    """
    if name not in CORPORA:
        raise ValueError(f"corpus.name={name!r}: no such corpus; use one of {sorted(CORPORA)}")
    if not languages:
        raise ValueError("languages=(): a corpus needs at least one language, e.g. ('en',)")
    for code in languages:
        known_language(code)
    data_dir = os.path.expanduser(data_dir)
    examples: dict[str, dict[str, tuple[Example, ...]]] = {split: {} for split in SPLITS}
    bar = tqdm(languages, desc=f"corpus {name}", unit="language", disable=not progress)
    for code in bar:
        prepared = _prepare(CORPORA[name], code, data_dir)
        for split in SPLITS:
            examples[split][code] = _read(prepared, split)
    for split in SPLITS:
        check_parallel(split, examples[split])
    return Corpus(
        train=examples["train"],
        heldout=examples["heldout"],
        checksum=checksum(
            (split, examples[split][code]) for split in SPLITS for code in sorted(languages)
        ),
    )


def check_parallel(split: str, examples: Mapping[str, Sequence[Example]]) -> None:
    """Check that every language has the same ids in the same order.

    Raises:
      ValueError: a language differs from the first one; names it and some of the ids.
    """
    (first, expected), *others = (
        (language, [example.id for example in own]) for language, own in examples.items()
    )
    for language, ids in others:
        if ids == expected:
            continue
        missing = sorted(set(expected) - set(ids))[:3]
        surplus = sorted(set(ids) - set(expected))[:3]
        raise ValueError(
            f"corpus split {split!r}: language {language!r} is not parallel to {first!r}: "
            f"{len(ids)} ids against {len(expected)}, missing {missing}, surplus {surplus}; "
            "give both the same examples in the same order"
        )


def _prepare(
    builder: type[tfds.core.GeneratorBasedBuilder], language: str, data_dir: str | os.PathLike[str]
) -> tfds.core.DatasetBuilder:
    """Return a builder whose files exist."""

    def opened() -> tfds.core.DatasetBuilder:
        return builder(config=language, data_dir=data_dir, file_format="array_record")

    dataset = opened()
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints, whatever the log level
            dataset.download_and_prepare()  # returns at once when the files exist
    except OSError:
        # The last step is a rename, which fails when another process of this run was quicker.
        if not os.path.isdir(dataset.data_dir):
            raise
    return opened()


def _read(dataset: tfds.core.DatasetBuilder, split: str) -> tuple[Example, ...]:
    source = dataset.as_data_source(split)
    return tuple(
        Example(
            **{
                field: value.decode() if isinstance(value, bytes) else bool(value)
                for field, value in record.items()
            }
        )
        for record in source.__getitems__(range(len(source)))
    )
