"""A corpus by its config: made by the package, or read from the files that it was assembled in."""

import dataclasses
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from pinch_jax.corpus.cldr.examples import CONTENT
from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import SPLITS, Example, checksum
from pinch_jax.corpus.manifest import Manifest, read_manifest, read_split, split_path
from pinch_jax.corpus.standing import outdated
from pinch_jax.errors import UserError
from pinch_jax.languages import language as known_language

__all__ = ["Corpus", "Example", "load_corpus"]


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Examples by language, with the same ids in the same order in every language.

    `checksums` (SHA-256 by language) cover every example of a language, its split and its place.
    Any prefix of the `heldout` of a bundled corpus is a fair sample of it; one of a corpus of one's
    own holds its sources in proportion. `left_out` says why examples of the sources are not in
    `train`; "" if all are. `made_in` are the languages that a corpus of one's own has its examples
    in, which may be more than were asked for; () of a bundled one.
    """

    train: Mapping[str, tuple[Example, ...]]
    heldout: Mapping[str, tuple[Example, ...]]
    checksums: Mapping[str, str]
    left_out: str = ""
    made_in: tuple[str, ...] = ()

    def prompts(self, language: str, count: int) -> tuple[Example, ...]:
        """Returns the first `count` held-out examples of a language, config.evaluate.prompts.

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
    """Returns the corpus in these languages; one of one's own is assembled first if need be.

    Raises:
      UserError: a language is unknown, or a source or a file is gone or damaged.
      UserError: the corpus cannot be built without being asked for: it needs a paid translation,
        or another one stands there.
    """
    if not languages:
        raise UserError("languages=(): a corpus needs at least one language, e.g. ('en',)")
    for code in languages:
        known_language(code)
    manifest = None if config.bundled else _assembled(config, languages, progress)
    examples: dict[str, dict[str, tuple[Example, ...]]] = {split: {} for split in SPLITS}
    bar = tqdm(languages, desc=f"corpus {config.name}", unit="language", disable=not progress)
    for code in bar:
        for split in SPLITS:
            if manifest is None:
                examples[split][code] = CONTENT[config.name][split](code)
            else:
                path = split_path(config.directory, split, code)
                examples[split][code] = read_split(path, manifest.languages[code][split])
    checksums = {
        code: checksum((split, examples[split][code]) for split in SPLITS) for code in languages
    }
    told = (manifest.left_out(), tuple(manifest.languages)) if manifest else ()
    return Corpus(examples["train"], examples["heldout"], checksums, *told)


def _assembled(config: CorpusConfig, languages: Sequence[str], progress: bool) -> Manifest:
    """Returns the manifest of a corpus that stands, or is assembled; what stands is not touched."""
    standing = read_manifest(config.directory)
    if standing is None:
        # Only here: what stands, or is bundled, needs no library that checks or translates texts.
        from pinch_jax.corpus.assemble import assemble

        return assemble(config, languages, progress, confirmed=False)
    if why := outdated(config, languages, standing):
        raise UserError(
            f"config.corpus.name={config.name!r}: the corpus in {config.directory} is not that of "
            f"the config: {why}; run `pinch corpus --config=...` to build it anew, or name another"
        )
    return standing
