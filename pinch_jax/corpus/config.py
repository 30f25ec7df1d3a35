"""Which parallel corpus: one that comes with the package, or one's own, and from what."""

import dataclasses
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le

from pinch_jax.config_fields import check_fields
from pinch_jax.corpus.cldr.facts import LANGUAGES
from pinch_jax.corpus.example import SPLITS
from pinch_jax.corpus.reading.source import Source, parse_source
from pinch_jax.corpus.translation.translators import TranslationConfig
from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import as_path

BUNDLED = ("cldr_instructions", "cldr_statements")

# What decides which examples a corpus has and what they say; the rest of the fields decide how
# fast and for how much it comes to be.
_DECISIVE = ("train", "heldout", "drop_duplicates", "duplicate_similarity")


@dataclasses.dataclass(frozen=True)
class CorpusConfig:
    """A corpus by its name, and where it is kept once built.

    `train` and `heldout` are the sources of a corpus of one's own, "lima:/data/train.jsonl";
    `translation` is of those that do not bring every language themselves.
    """

    name: str
    data_dir: str
    train: tuple[str, ...]
    heldout: tuple[str, ...]
    drop_duplicates: bool
    duplicate_similarity: Annotated[float, Gt(0), Le(1)]
    license: str
    citation: str
    judge_pairs: tuple[Literal["answer", "language", "echo", "empty"], ...]
    translation: TranslationConfig

    def __post_init__(self) -> None:
        check_fields(self, "config.corpus")
        if not self.data_dir:
            raise UserError("config.corpus.data_dir='' names no folder; '.' is this one")
        if self.judge_pairs and self.name == "cldr_statements":
            raise UserError(
                f"config.corpus.judge_pairs={self.judge_pairs}: {self.name!r} has no instructions; "
                "use 'cldr_instructions' or a corpus of your own, or set it to ()"
            )
        if self.bundled:
            self._check_bundled()
        else:
            self._check_own()

    def _check_bundled(self) -> None:
        fields = {name: getattr(self, name) for name in ("train", "heldout", "license", "citation")}
        for field, value in (fields | {"translation.by": self.translation.by}).items():
            if value:
                raise UserError(
                    f"config.corpus.name={self.name!r} and config.corpus.{field}={value!r} "
                    "contradict each other: the package has that one; give yours another name"
                )

    def _check_own(self) -> None:
        if not (self.train or self.heldout) or not re.fullmatch(r"[a-z]\w*", self.name):
            raise UserError(
                f"config.corpus.name: {self.name!r} is not known; choose one of "
                f"{', '.join(BUNDLED)}, or name a corpus of your own (a-z, 0-9, _) and set "
                "config.corpus.train and config.corpus.heldout to its sources"
            )
        for field, sources in self.sources.items():
            if not sources:
                raise UserError(
                    f"config.corpus.{field}=(): the corpus {self.name!r} needs a source of it, "
                    "such as 'jsonl:/data/{language}.jsonl'"
                )
        if self.translation.by and not self._single:
            raise UserError(
                f"config.corpus.translation.by={self.translation.by!r}: there is nothing to "
                "translate, since every source brings {language} itself; set it to ''"
            )

    def check_languages(self, languages: Sequence[str]) -> None:
        """Checks that every language comes from somewhere.

        Raises:
          UserError: a source is in one language, and nothing translates it.
        """
        if self.bundled and (others := [code for code in languages if code not in LANGUAGES]):
            raise UserError(
                f"config.corpus.name={self.name!r} is in {', '.join(LANGUAGES)}, not in "
                f"{', '.join(others)}; leave these out, or give a corpus of your own"
            )
        others = [code for code in languages if code != self.translation.source]
        if others and self._single and not self.translation.by:
            raise UserError(
                f"config.corpus: the source {str(self._single[0])!r} is in "
                f"{self.translation.source!r} alone, not in {', '.join(others)}; set "
                "config.corpus.translation.by, or name files with {language} in their path"
            )

    @functools.cached_property
    def sources(self) -> dict[str, tuple[Source, ...]]:
        """The sources of each split of a corpus of one's own."""
        parsed = {}
        for split in SPLITS:
            try:
                parsed[split] = tuple(map(parse_source, getattr(self, split)))
            except UserError as error:
                raise UserError(f"config.corpus.{split}: {error}") from None
        return parsed

    @property
    def _single(self) -> list[Source]:
        """The sources that are in one language."""
        return [one for split in SPLITS for one in self.sources[split] if not one.parallel]

    @property
    def bundled(self) -> bool:
        """Whether it comes with the package."""
        return self.name in BUNDLED

    @property
    def directory(self) -> Path:
        """Where all of a corpus of one's own is kept."""
        return as_path(self.data_dir, "config.corpus.data_dir") / self.name

    @property
    def recipe(self) -> dict[str, Any]:
        """The fields that decide what the examples are."""
        fields = {name: getattr(self, name) for name in _DECISIVE}
        if t := self.translation if self.translation.by else None:
            fields |= {"translator": t.name, "source": t.source, "pieces": t.piece_characters}
        # As JSON gives it back.
        return {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}
