"""From sources to a corpus of one's own: read, translated, parallel, without leaks, on disk.

A source is in one language, or in every one. What fails in one language is left out of all of them.
Nothing is done twice: a corpus that stands is left alone, and a translation that was stopped goes
on behind its last piece.
"""

import contextlib
import dataclasses
import pathlib
import tomllib
from collections.abc import Callable, Iterable, Sequence

from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import SPLITS, Example
from pinch_jax.corpus.manifest import (
    Dropped,
    Manifest,
    corpus_version,
    read_manifest,
    split_path,
    write_manifest,
    write_split,
)
from pinch_jax.corpus.parallel import find_leaks, in_every_language, without_leaks
from pinch_jax.corpus.reading.readers import read_parallel
from pinch_jax.corpus.reading.source import Source
from pinch_jax.corpus.standing import full_recipe, input_checksums, outdated
from pinch_jax.corpus.translation.checks import MANY, is_copy
from pinch_jax.corpus.translation.translate import Estimate, estimate, translate_examples
from pinch_jax.corpus.translation.translators import make_translator
from pinch_jax.errors import UserError

# The licences and citations of published corpora, by reader.
PUBLISHED = pathlib.Path(__file__).parent / "reading" / "published.toml"

Show = Callable[[Sequence[Estimate]], None]


@dataclasses.dataclass(frozen=True)
class Part:
    """One source of a split, in the languages that it is in so far."""

    split: str
    source: Source
    examples: dict[str, tuple[Example, ...]]


def assemble(
    config: CorpusConfig,
    languages: Sequence[str],
    progress: bool,
    confirmed: bool,
    show: Show = lambda costs: None,
) -> Manifest:
    """Returns the manifest of a corpus that stands on disk as the config has it.

    Where something is to be translated, `show` is given what that takes before the first call;
    what is paid for is begun only when `confirmed`.

    Raises:
      UserError: a source is not there or not what it should be, two of them have the same id,
        nothing is left in every language, or the translation was not confirmed.
    """
    standing = read_manifest(config.directory)
    license, citation = _rights(config)
    if standing and not outdated(config, languages, standing):
        told = dataclasses.replace(standing, license=license, citation=citation)
        if told != standing:
            write_manifest(config.directory, told)
        return told
    inputs = input_checksums(config, languages)
    parts = _read_parts(config, languages)
    if costs := _costs(config, languages, parts):
        show(costs)
        if config.translation.is_paid and not confirmed:
            raise UserError(
                f"config.corpus.name={config.name!r}: {sum(cost.characters for cost in costs):,} "
                f"characters are still to be translated by {config.translation.name}, which is "
                "paid for; run `pinch corpus --config=... --yes` first"
            )
    rejected = _translate(config, languages, parts, progress)
    examples, dropped = {}, []
    for split in SPLITS:
        own = [{code: p.examples[code] for code in languages} for p in parts if p.split == split]
        examples[split], why = in_every_language(split, own, rejected)
        dropped += why
    leaks = find_leaks(examples["train"], examples["heldout"], config.duplicate_similarity)
    if config.drop_duplicates:
        examples["train"] = without_leaks(examples["train"], leaks)
    files = {
        code: {
            split: write_split(split_path(config.directory, split, code), examples[split][code])
            for split in SPLITS
        }
        for code in languages
    }
    manifest = Manifest(
        name=config.name,
        version=corpus_version(files),
        languages=files,
        recipe=full_recipe(config),
        inputs=inputs,
        translator=config.translation.name if config.translation.by else "",
        dropped=tuple(dropped),
        leaks=leaks,
        leaks_dropped=config.drop_duplicates,
        license=license,
        citation=citation,
    )
    write_manifest(config.directory, manifest)
    return manifest


def translation_costs(config: CorpusConfig, languages: Sequence[str]) -> tuple[Estimate, ...]:
    """Returns what is still to be translated, language by language; translates nothing."""
    standing = read_manifest(config.directory)
    if standing and not outdated(config, languages, standing):
        return ()
    return _costs(config, languages, _read_parts(config, languages))


def _read_parts(config: CorpusConfig, languages: Sequence[str]) -> list[Part]:
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


def _costs(
    config: CorpusConfig, languages: Sequence[str], parts: Iterable[Part]
) -> tuple[Estimate, ...]:
    t = config.translation
    single = [one for part in parts if not part.source.parallel for one in part.examples[t.source]]
    targets = [code for code in languages if code != t.source]
    if not (single and targets):
        return ()
    costs = estimate(single, targets, t, config.directory / "translations")
    return tuple(cost for cost in costs if cost.characters)


def _translate(
    config: CorpusConfig, languages: Sequence[str], parts: Iterable[Part], progress: bool
) -> list[Dropped]:
    """Adds to each part the languages that it lacks; returns what failed in them."""
    t = config.translation
    missing = [(part, code) for part in parts for code in languages if code not in part.examples]
    if not missing:
        return []
    rejected = []
    with contextlib.closing(make_translator(t)) as translator:
        for part, code in missing:
            single, kept = part.examples[t.source], config.directory / "translations"
            translated = translate_examples(single, code, translator, t, kept, progress)
            part.examples[code] = translated.examples
            gone = translated.rejected.items()
            rejected += [Dropped((id,), part.split, (code,), reason) for id, reason in gone]
    return rejected


def _rights(config: CorpusConfig) -> tuple[str, str]:
    """Returns the licence and the citation of all sources together."""
    readers = {source.reader for split in SPLITS for source in config.sources[split]}
    published = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
    known = [about for reader, about in published.items() if reader in readers]
    licenses = [*(f"{about['name']}: {about['license']}" for about in known), config.license]
    citations = [*(about["citation"] for about in known), config.citation]
    return "; ".join(filter(None, licenses)), "\n\n".join(filter(None, citations))
