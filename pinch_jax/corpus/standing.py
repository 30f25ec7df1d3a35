"""Whether a corpus of one's own that stands on disk is what a config asks for.

Nothing is read but files' bytes, and none of what reads, checks or translates texts is imported.
"""

import fnmatch
import glob
from collections.abc import Sequence
from typing import Any

from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import SPLITS, checksum
from pinch_jax.corpus.manifest import Manifest
from pinch_jax.corpus.reading.readers import read_source
from pinch_jax.corpus.reading.rows import files_of, path_of
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.files import file_checksum

# Part of every recipe: raised when the same files come to be other examples.
ASSEMBLY_VERSION = 5


def outdated(config: CorpusConfig, languages: Sequence[str], manifest: Manifest) -> str:
    """Returns why a corpus is not what a config asks for in some languages; "" if it is.

    Sources that have gone since as a whole do not matter: what was made of them is there.
    """
    if absent := [code for code in languages if code not in manifest.languages]:
        return f"it is not in {', '.join(absent)}"
    recipe = full_recipe(config)
    for field in sorted(recipe.keys() | manifest.recipe.keys()):
        if recipe.get(field) != manifest.recipe.get(field):
            return f"its {field} was {manifest.recipe.get(field)!r}, not {recipe.get(field)!r}"
    now = input_checksums(config, languages)
    for path, content in now.items():
        if manifest.inputs.get(path) != content:
            return f"{path} has changed since"
    for file in map(as_path, _paths(config, languages)):
        folder = str(file).removesuffix(file.name)
        named = [path for path in manifest.inputs if path == folder + path.rpartition("/")[2]]
        named = fnmatch.filter(named, glob.escape(folder) + file.name)
        # Of several files, those that are left are another source.
        if (gone := [path for path in named if path not in now]) and len(gone) < len(named):
            return f"{gone[0]} has gone since"
    return ""


def full_recipe(config: CorpusConfig) -> dict[str, Any]:
    """Returns all that decides what becomes of the same files."""
    return config.recipe | {"assembly": ASSEMBLY_VERSION}


def input_checksums(config: CorpusConfig, languages: Sequence[str]) -> dict[str, str]:
    """Returns each file that is there to be read, with the sha256 of its content.

    What comes with the package stands beside them, since another release may say it otherwise.
    """
    sources = [source for split in SPLITS for source in config.sources[split]]
    checksums = {
        f"{source} in {code}": checksum([(source.path, read_source(source, code))])
        for source in sources
        for code in languages
        if source.bundled
    }
    # A commit cannot change.
    checksums |= {str(one): one.repository.pinned().commit for one in sources if one.place}
    for file in (file for path in _paths(config, languages) for file in files_of(path)):
        # Of what TFDS prepared, this file stands for all: it says how large they are.
        file = file / "dataset_info.json" if file.is_dir() else file
        if file.exists():
            checksums[str(file)] = file_checksum(file)
    return checksums


def _paths(config: CorpusConfig, languages: Sequence[str]) -> list[str]:
    """Returns the paths that are read in some languages, each of a file or of those of a `*`."""
    sources = [source for split in SPLITS for source in config.sources[split]]
    patterns = [source.path for source in sources if not (source.bundled or source.place)]
    if config.translation.by:
        patterns.append(config.translation.path)
    return sorted({path_of(pattern, code) for pattern in patterns for code in languages})
