"""A corpus by its config: built once into ArrayRecord files, then read, parallel by check."""

import contextlib
import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError
from tensorflow_datasets.proto import tf_example_pb2
from tqdm import tqdm

from pinch_jax.corpus.builder import (
    CldrInstructions,
    CldrStatements,
    ParallelBuilder,
    ParallelInstructions,
)
from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import Example, checksum
from pinch_jax.corpus.manifest import SPLITS, read_manifest
from pinch_jax.errors import UserError
from pinch_jax.languages import language as known_language

__all__ = ["Corpus", "Example", "check_parallel", "load_corpus"]

# What TFDS, ArrayRecord, protocol buffers, JSON and UTF-8 say of a broken file, and what is said
# where a field of an example is not there.
DAMAGE = (DecodeError, IndexError, ParseError, RuntimeError, TypeError, ValueError)
_BUNDLED = {"cldr_instructions": CldrInstructions, "cldr_statements": CldrStatements}


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Examples by language, with the same ids in the same order in every language.

    `checksums` (SHA-256 by language) cover every example of a language, its split and its place.
    Any prefix of the `heldout` of a bundled corpus is a fair sample of it; one of a corpus of one's
    own holds its sources in proportion. `left_out` says why examples of the sources are not in
    `train`; "" if all are.
    """

    train: Mapping[str, tuple[Example, ...]]
    heldout: Mapping[str, tuple[Example, ...]]
    checksums: Mapping[str, str]
    left_out: str = ""

    def prompts(self, language: str, count: int) -> tuple[Example, ...]:
        """Return the first `count` held-out examples of a language, config.evaluate.prompts.

        Raises:
          UserError: the corpus holds fewer.
        """
        held = self.heldout[language]
        if count > len(held):
            raise UserError(
                f"config.evaluate.prompts={count}: the corpus holds out {len(held)} examples in "
                f"{language!r}; set it to {len(held)} or less"
            )
        return held[:count]


def load_corpus(config: CorpusConfig, languages: Sequence[str], progress: bool = True) -> Corpus:
    """Return the corpus in these languages, after building what its directory lacks of it.

    Raises:
      UserError: a source of a corpus of one's own is not there.
      UserError: a language is unknown, the languages are not parallel, a file is damaged, or the
        corpus cannot be built without being asked for: it needs a paid translation, or another one
        stands there.
    """
    if not languages:
        raise UserError("languages=(): a corpus needs at least one language, e.g. ('en',)")
    for code in languages:
        known_language(code)
    if config.bundled:
        builder, data_dir = _BUNDLED[config.name], Path(config.data_dir).expanduser()
    else:
        _stand(config, languages, progress)
        builder, data_dir = ParallelInstructions, config.directory
    examples: dict[str, dict[str, tuple[Example, ...]]] = {split: {} for split in SPLITS}
    bar = tqdm(languages, desc=f"corpus {config.name}", unit="language", disable=not progress)
    for code in bar:
        for split, own in _read_whole(builder, code, data_dir).items():
            examples[split][code] = own
    for split in SPLITS:
        check_parallel(split, examples[split])
    checksums = {
        code: checksum((split, examples[split][code]) for split in SPLITS) for code in languages
    }
    manifest = None if config.bundled else read_manifest(config.directory)
    left_out = manifest.left_out() if manifest else ""
    return Corpus(examples["train"], examples["heldout"], checksums, left_out)


def _stand(config: CorpusConfig, languages: Sequence[str], progress: bool) -> None:
    """Assemble a corpus that is not there yet; one that is there is not touched."""
    # Only here: a bundled corpus needs no library to read files or to translate with.
    from pinch_jax.corpus.assemble import assemble, outdated

    standing = read_manifest(config.directory)
    if standing is None:
        assemble(config, languages, progress, confirmed=False)
    elif why := outdated(config, languages, standing):
        raise UserError(
            f"config.corpus.name={config.name!r}: the corpus in {config.directory} is not that of "
            f"the config: {why}; run `pinch corpus --config=...` to build it anew, or choose "
            "another name"
        )


def check_parallel(split: str, examples: Mapping[str, Sequence[Example]]) -> None:
    """Check that every language has the same ids in the same order.

    Raises:
      UserError: a language differs from the first one; names it and some of the ids.
    """
    (first, expected), *others = (
        (language, [example.id for example in own]) for language, own in examples.items()
    )
    for language, ids in others:
        if ids == expected:
            continue
        missing = sorted(set(expected) - set(ids))[:3]
        surplus = sorted(set(ids) - set(expected))[:3]
        raise UserError(
            f"corpus split {split!r}: language {language!r} is not parallel to {first!r}: "
            f"{len(ids)} ids against {len(expected)}, missing {missing}, surplus {surplus}; "
            "give both the same examples in the same order"
        )


def _read_whole(
    builder: type[ParallelBuilder], language: str, data_dir: Path
) -> dict[str, tuple[Example, ...]]:
    """Return the examples of a language, by split, as they were when its files were built."""
    try:
        dataset = _prepare(builder, language, data_dir)
        examples = {split: _read(dataset, split) for split in SPLITS}
        why = "" if dataset.was_built_of(examples) else "its examples are not those it was built of"
    except DAMAGE as error:
        why = str(error)
    if why:
        folder = data_dir / builder.name / language
        raise UserError(f"{folder} is damaged ({why}); delete it, and it is built anew")
    return examples


def _prepare(builder: type[ParallelBuilder], language: str, data_dir: Path) -> ParallelBuilder:
    """Return a builder whose files exist."""

    def opened() -> ParallelBuilder:
        # The list of them has the languages that CLDR names, but not all in another script.
        named = language in builder.builder_configs
        config = language if named else tfds.core.BuilderConfig(name=language)
        return builder(config=config, data_dir=str(data_dir), file_format="array_record")

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
    # Decoded here: texts and a truth value need no arrays, which take most of the time.
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    source = dataset.as_data_source(split, deserialize_method=raw)
    contents = source.__getitems__(range(len(source)))
    records = (tf_example_pb2.Example.FromString(content).features.feature for content in contents)
    return tuple(Example(**{name: _value(of) for name, of in r.items()}) for r in records)


def _value(feature: Any) -> str | bool:
    if texts := feature.bytes_list.value:
        return texts[0].decode()
    return bool(feature.int64_list.value[0])
