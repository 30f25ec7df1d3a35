"""A corpus of one's own on disk: its files, and `manifest.json`, written when all are there.

DIRECTORY/train/fi.jsonl, DIRECTORY/heldout/fi.jsonl    the examples, parallel
DIRECTORY/manifest.json                                 what they are and come from
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pinch_jax.corpus.duplicates import Duplicate
from pinch_jax.corpus.example import SPLITS, Example, example_of
from pinch_jax.errors import UserError
from pinch_jax.storage.files import read_record, write_bytes, write_record

MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class SplitFile:
    """One language of a split: how many examples, and the sha256 of its file."""

    examples: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Dropped:
    """Examples that are in no language of the corpus, because they failed in just these."""

    ids: tuple[str, ...]
    split: str
    languages: tuple[str, ...]
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its details."""
        return ": ".join(self.reason.split(": ")[:2])


@dataclasses.dataclass(frozen=True)
class Leak(Duplicate):
    """A training prompt that is also a held-out one, in these languages, and at most so similar."""

    languages: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A corpus as it stands on disk.

    Attributes:
      version: changes with any byte of any language.
      languages: language -> split -> its file.
      recipe: the fields of config.corpus that decide the examples.
      inputs: each file that was read -> its sha256.
      translator: what translated; "" where every source brought its languages.
      leaks: found between the splits; `leaks_dropped` says whether `train` is without them.
    """

    name: str
    version: str
    languages: Mapping[str, Mapping[str, SplitFile]]
    recipe: Mapping[str, Any]
    inputs: Mapping[str, str]
    translator: str
    dropped: tuple[Dropped, ...]
    leaks: tuple[Leak, ...]
    leaks_dropped: bool
    license: str
    citation: str

    def left_out(self) -> str:
        """Returns why training examples of the sources are not in the corpus; "" if all are."""
        said = []
        if self.leaks_dropped and self.leaks:
            exact = {leak.train_id for leak in self.leaks if leak.kind == "exact"}
            near = {leak.train_id for leak in self.leaks} - exact
            said.append(
                f"{len(exact):,} duplicates and {len(near):,} near-duplicates of held-out prompts, "
                "by config.corpus.drop_duplicates"
            )
        reasons: dict[str, set[str]] = {}
        for entry in self.dropped:
            if entry.split == "train":
                reasons.setdefault(entry.kind, set()).update(entry.ids)
        said += [f"{len(ids):,} for {reason!r}" for reason, ids in reasons.items()]
        return "left out: " + "; ".join(said) if said else ""


def corpus_version(languages: Mapping[str, Mapping[str, SplitFile]]) -> str:
    """Returns a version that is another one as soon as any file of a corpus is."""
    files = (
        f"{code} {split} {languages[code][split].sha256}"
        for code in sorted(languages)
        for split in SPLITS
    )
    digest = hashlib.sha256(" ".join(files).encode()).hexdigest()
    return f"1.0.{int(digest[:8], 16)}"


def read_manifest(directory: Path) -> Manifest | None:
    """Returns the manifest of a corpus; None where none was built.

    Raises:
      UserError: it is damaged.
    """
    path = directory / MANIFEST
    if not path.exists():
        return None
    values = read_record(path, "delete it, and run `pinch corpus`; translations are kept")
    values["languages"] = {
        code: {split: SplitFile(**file) for split, file in splits.items()}
        for code, splits in values["languages"].items()
    }
    values["dropped"] = tuple(
        # Until 2026-12 there was an entry for each example in each language.
        Dropped(
            tuple(entry.get("ids") or [entry["id"]]),
            entry["split"],
            tuple(entry.get("languages") or [entry["language"]]),
            entry["reason"],
        )
        for entry in values["dropped"]
    )
    values["leaks"] = tuple(
        Leak(**entry | {"languages": tuple(entry["languages"])}) for entry in values["leaks"]
    )
    return Manifest(**values)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Writes the manifest; until then the corpus is not there."""
    write_record(directory / MANIFEST, dataclasses.asdict(manifest))


def split_path(directory: Path, split: str, language: str) -> Path:
    """Returns where the examples of a language are."""
    return directory / split / f"{language}.jsonl"


def write_split(path: Path, examples: Iterable[Example]) -> SplitFile:
    """Writes examples as JSON lines; returns what the manifest says of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(one.record(), ensure_ascii=False) for one in examples]
    content = "".join(f"{line}\n" for line in lines).encode()
    write_bytes(path, content)
    return SplitFile(len(lines), hashlib.sha256(content).hexdigest())


def read_split(path: Path, file: SplitFile) -> tuple[Example, ...]:
    """Returns the examples of a file.

    Raises:
      UserError: it is gone.
      UserError: it is not the file that the manifest speaks of.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise UserError(
            f"{path} was changed after it was built; change the source instead, and delete "
            f"{path.parent.parent / MANIFEST} to build the corpus anew"
        )
    return tuple(example_of(json.loads(line)) for line in content.splitlines())
