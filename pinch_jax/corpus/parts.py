"""What the sources of a corpus of one's own bring: each in one language, or in every one."""

import dataclasses
import hashlib
from collections.abc import Sequence

from etils import epath

from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import Example, checksum
from pinch_jax.corpus.language_files import path_of
from pinch_jax.corpus.manifest import SPLITS
from pinch_jax.corpus.reading.readers import (
    Source,
    check_places,
    parse_source,
    read_counted,
    read_source,
)
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
      UserError: a file is not there.
      UserError: a file is not what its reader expects, or not parallel to that of another
        language.
    """
    parts = []
    for split in SPLITS:
        for text in getattr(config, split):
            source = parse_source(text)
            codes = languages if source.parallel else (config.translation.source,)
            parts.append(Part(split, source, _read(source, codes)))
    return parts


def _read(source: Source, codes: Sequence[str]) -> dict[str, tuple[Example, ...]]:
    examples, places = {}, {}
    for code in codes:
        try:
            examples[code], places[code] = read_counted(source, code)
        except UserError as error:
            raise UserError(
                f"{error} (read for {code!r}, which config.languages or, for the experiment "
                "'slavic', config.study.slavic_languages names)"
            ) from None
    check_places(source, places)
    return examples


def input_checksums(config: CorpusConfig, languages: Sequence[str]) -> dict[str, str]:
    """Returns each file that is there to be read, with the sha256 of its content.

    What comes with the package stands beside them, since another release may say it otherwise.
    """
    sources = [parse_source(text) for text in (*config.train, *config.heldout)]
    patterns = [source.path for source in sources if not source.bundled]
    if config.translation.by:
        patterns.append(config.translation.path)
    paths = {path_of(pattern, code) for pattern in patterns for code in languages}
    checksums = {
        f"{source} in {code}": checksum([(source.path, read_source(source, code))])
        for source in sources
        for code in languages
        if source.bundled
    }
    for path in sorted(paths):
        named = epath.Path(path).expanduser()
        for file in named.parent.glob(named.name) if "*" in named.name else (named,):
            # Of what TFDS prepared, this file stands for all: it says how large they are.
            file = file / "dataset_info.json" if file.is_dir() else file
            if file.exists():
                with file.open("rb") as stream:
                    checksums[str(file)] = hashlib.file_digest(stream, "sha256").hexdigest()
    return checksums
