"""The bundled corpus as a TensorFlow dataset: ArrayRecord files, written without TensorFlow.

Thin on purpose: what is written is what `cldr` yields.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow_datasets as tfds

from pinch_jax.corpus import cldr
from pinch_jax.corpus.example import Example, checksum
from pinch_jax.languages import LANGUAGES

INSTRUCTIONS = {"train": cldr.train_examples, "heldout": cldr.heldout_examples}
STATEMENTS = {"train": cldr.train_statements, "heldout": cldr.heldout_statements}

Splits = Mapping[str, Callable[[str], Iterable[Example]]]

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

_CITATION = """
@misc{cldr,
  title = {Unicode Common Locale Data Repository},
  author = {{Unicode Consortium}},
  url = {https://cldr.unicode.org},
}
"""


def _configs(splits: Splits) -> list[tfds.core.BuilderConfig]:
    """Return a config for each language; its version is its content's: no build outlives it."""

    def version(code: str) -> tfds.core.Version:
        fingerprint = checksum((name, split(code)) for name, split in splits.items())
        return tfds.core.Version(f"1.0.{int(fingerprint[:8], 16)}")

    return [
        tfds.core.BuilderConfig(name=code, version=version(code), description=language.name)
        for code, language in LANGUAGES.items()
    ]


class _CldrBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder with one config a language and the splits `train` and `heldout`."""

    SPLITS: Splits
    DESCRIPTION: str

    def _info(self) -> tfds.core.DatasetInfo:
        types = {str: tfds.features.Text(), bool: tfds.features.Scalar(np.bool_)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {field.name: types[field.type] for field in dataclasses.fields(Example)}
            ),
            supervised_keys=("prompt", "response"),
            homepage="https://cldr.unicode.org",
            citation=_CITATION,
            license="Names and facts: Unicode License v3. Phrases: the license of pinch_jax.",
            disable_shuffling=True,  # the order of the held-out split has a meaning
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager  # nothing to download
        return {
            name: self._generate_examples(split(self.builder_config.name))
            for name, split in self.SPLITS.items()
        }

    def _generate_examples(self, examples: Iterable[Example]) -> Iterator[tuple[int, dict]]:
        for index, example in enumerate(examples):
            yield index, dataclasses.asdict(example)


class CldrInstructions(_CldrBuilder):
    """Questions with their responses, split by fact."""

    BUILDER_CONFIGS = _configs(INSTRUCTIONS)
    SPLITS = INSTRUCTIONS
    DESCRIPTION = _INSTRUCTIONS


class CldrStatements(_CldrBuilder):
    """Texts without prompts, split by phrasing."""

    BUILDER_CONFIGS = _configs(STATEMENTS)
    SPLITS = STATEMENTS
    DESCRIPTION = _STATEMENTS
