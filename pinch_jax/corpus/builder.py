"""Corpora for others, as TensorFlow datasets: ArrayRecord files, a config a language.

`cldr_instructions` and `cldr_statements` come with the package; `parallel_instructions` is any
corpus that `pinch corpus` assembled, and its data directory is that corpus's own. No study reads
them. This is `tfds build` with all of its options, without TensorFlow:

    python -m pinch_jax.corpus cldr_instructions/fi --data_dir=$HOME/.cache/pinch_jax
    python -m pinch_jax.corpus parallel_instructions/fi --data_dir=$HOME/.cache/pinch_jax/NAME

The program `tfds` itself starts only where TensorFlow, Apache Beam and mlcroissant are installed:

    tfds build parallel_instructions/fi --imports=pinch_jax.corpus.builder \\
        --file_format=array_record --data_dir=$HOME/.cache/pinch_jax/NAME
"""

import abc
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from pinch_jax.corpus.cldr.bundled import LANGUAGES
from pinch_jax.corpus.cldr.examples import CONTENT
from pinch_jax.corpus.example import Example, checksum
from pinch_jax.corpus.manifest import (
    SPLITS,
    Manifest,
    SplitFile,
    content_version,
    language_version,
    read_manifest,
    read_split,
    split_path,
)
from pinch_jax.corpus.reading.published import PUBLISHED
from pinch_jax.errors import UserError
from pinch_jax.languages import known_codes, language

_INSTRUCTIONS = """
A parallel instruction corpus: real facts of the Unicode Common Locale Data Repository (which
money a country uses, which language is official there, in which script it is written, where it
lies, which month comes next, how many hours 120 minutes are), asked in several phrasings, with
the same example ids in every language. The split is by fact.
"""

_STATEMENTS = """
The facts of cldr_instructions as declarative text, in several phrasings, with the same ids in
every language: what a base model is pretrained on. Questions stand alone, without an answer.
"""

_PARALLEL = """
Instructions of several sources in several languages, with the same example ids in the same order
in every language. `manifest.json` in the data directory says what they come from.
"""


def _configs(codes: Iterable[str]) -> list[tfds.core.BuilderConfig]:
    return [tfds.core.BuilderConfig(name=code, description=language(code).name) for code in codes]


class ParallelBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder with one config a language and the splits `train` and `heldout`.

    Its metadata holds the ids of each split: in every language the same.
    """

    @property
    @abc.abstractmethod
    def canonical_version(self) -> tfds.core.Version:
        """The version of the language: that of its content, so that no build outlives it."""

    @abc.abstractmethod
    def _examples(self, split: str) -> Iterable[Example]:
        """Returns the examples of this config's language."""

    def _described(self, **about: str) -> tfds.core.DatasetInfo:
        types = {str: tfds.features.Text(), bool: tfds.features.Scalar(np.bool_)}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {field.name: types[field.type] for field in dataclasses.fields(Example)}
            ),
            supervised_keys=("prompt", "response"),
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,  # the order of the held-out split has a meaning
            **about,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager  # nothing to download
        examples = {split: tuple(self._examples(split)) for split in SPLITS}
        self.info.metadata["ids"] = {
            split: [example.id for example in own] for split, own in examples.items()
        }
        return {split: self._generate_examples(own) for split, own in examples.items()}

    def _generate_examples(self, examples: Iterable[Example]) -> Iterator[tuple[int, dict]]:
        for index, example in enumerate(examples):
            yield index, dataclasses.asdict(example)


class _CldrBuilder(ParallelBuilder, skip_registration=True):
    """What the package brings with it."""

    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = _configs(LANGUAGES)
    DESCRIPTION: str

    @functools.cached_property
    def canonical_version(self) -> tfds.core.Version:
        """The version of the examples that the package makes."""
        own = checksum((split, self._examples(split)) for split in SPLITS)
        return tfds.core.Version(content_version([own]))

    def _info(self) -> tfds.core.DatasetInfo:
        return self._described(
            description=self.DESCRIPTION,
            homepage="https://cldr.unicode.org",
            citation=PUBLISHED["cldr"].citation,
            license=PUBLISHED["cldr"].license,
        )

    def _examples(self, split: str) -> Iterable[Example]:
        return CONTENT[self.name][split](self.builder_config.name)


class CldrInstructions(_CldrBuilder):
    """Questions with their responses, split by fact."""

    DESCRIPTION = _INSTRUCTIONS


class CldrStatements(_CldrBuilder):
    """Texts without prompts, split by phrasing."""

    DESCRIPTION = _STATEMENTS


class ParallelInstructions(ParallelBuilder):
    """A corpus of one's own, from the files that its manifest names in `data_dir`."""

    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = _configs(known_codes())

    def __init__(self, *, data_dir: str | os.PathLike[str] | None = None, **options: Any):
        self._directory = Path(data_dir or "").expanduser()
        super().__init__(data_dir=str(self._directory), **options)

    @functools.cached_property
    def _manifest(self) -> Manifest:
        manifest = read_manifest(self._directory)
        if manifest is None:
            raise UserError(
                f"{self._directory}: no manifest.json there; let `pinch corpus` assemble the "
                "corpus, and give the directory that it names"
            )
        return manifest

    @property
    def _files(self) -> Mapping[str, SplitFile]:
        code = self.builder_config.name
        if code not in self._manifest.languages:
            raise UserError(
                f"{self._directory}: no language {code!r} in the corpus "
                f"{self._manifest.name!r}; there are {list(self._manifest.languages)}"
            )
        return self._manifest.languages[code]

    @functools.cached_property
    def canonical_version(self) -> tfds.core.Version:
        """The version of the language's files."""
        return tfds.core.Version(language_version(self._files))

    def _info(self) -> tfds.core.DatasetInfo:
        manifest = self._manifest
        return self._described(
            description=_PARALLEL, citation=manifest.citation, license=manifest.license
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        self.info.metadata["corpus"] = self._manifest.name
        self.info.metadata["sha256"] = {split: self._files[split].sha256 for split in SPLITS}
        return super()._split_generators(dl_manager)

    def _examples(self, split: str) -> Iterable[Example]:
        path = split_path(self._directory, split, self.builder_config.name)
        return read_split(path, self._files[split])
