"""What a corpus holds in each language, as the tokenizer of its model cuts it.

P % of the examples are not P % of the tokens, let alone of the supervised ones: the same example is
longer in one language than in another. The table says how far off they are.
"""

import collections
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.fertility import Fertility, fertility
from pinch_jax.corpus.manifest import Manifest
from pinch_jax.corpus.sources import Corpus
from pinch_jax.corpus.translation.translate import Estimate
from pinch_jax.languages import name_of
from pinch_jax.report.fertility_table import COLUMNS, fertility_cells
from pinch_jax.report.text_table import number, text_table
from pinch_jax.text.template import Renderer

# The shares of examples whose shares of tokens are told: one for a language by itself, more for
# all languages together.
PERCENT = 10
PERCENTS = (1, 10, 30, 50, 70, 90)


@dataclasses.dataclass(frozen=True)
class LanguageCounts:
    """The training examples of a language; tokens are those of the template too."""

    examples: int
    heldout: int
    tokens: int
    supervised_tokens: int
    fertility: Fertility


def count_language(
    train: Sequence[Example], heldout: Sequence[Example], renderer: Renderer
) -> LanguageCounts:
    """Returns the counts of a language."""
    texts = [text for e in train for text in (e.prompt, e.response) if text]
    tokens = supervised = 0
    for example in train:
        ids, prompt_length = renderer.example(example.prompt, example.response)
        tokens += len(ids)
        supervised += len(ids) - prompt_length
    return LanguageCounts(
        examples=len(train),
        heldout=len(heldout),
        tokens=tokens,
        supervised_tokens=supervised,
        fertility=fertility(texts, renderer.tokenizer),
    )


def share_of_tokens(percent: float, own: float, base: float) -> float:
    """Returns the % of tokens that `percent` % of the examples have, by the means of an example."""
    return 100 * percent * own / (percent * own + (100 - percent) * base)


@dataclasses.dataclass(frozen=True)
class CorpusReport:
    """All that the report says; `base` is the language that the others replace."""

    name: str
    base: str
    tokenizer: str
    languages: Mapping[str, LanguageCounts]
    manifest: Manifest | None

    def mean(self, unit: str, codes: Sequence[str]) -> float:
        """Returns the mean of an example, each of these languages having as many."""
        counts = [self.languages[code] for code in codes]
        return sum(getattr(own, unit) / own.examples for own in counts) / len(counts)

    def shares(self, percent: float, codes: Sequence[str]) -> dict[str, float]:
        """Returns the % of each kind of tokens where `percent` % of examples are in `codes`."""
        return {
            unit: share_of_tokens(percent, self.mean(unit, codes), self.mean(unit, [self.base]))
            for unit in ("tokens", "supervised_tokens")
        }

    @property
    def others(self) -> list[str]:
        """The languages that are not the base."""
        return [code for code in self.languages if code != self.base]


def drop_reasons(manifest: Manifest | None) -> dict[str, dict[str, int]]:
    """Returns why examples were dropped -> in which language -> how many.

    A reason is told without its details, which are in the manifest.
    """
    counts: dict[str, dict[str, int]] = {}
    for entry in manifest.dropped if manifest else ():
        counts.setdefault(entry.kind, collections.Counter())[entry.language] += 1
    return counts


def report_corpus(
    name: str,
    corpus: Corpus,
    renderer: Renderer,
    base: str,
    manifest: Manifest | None,
    progress: bool = False,
) -> CorpusReport:
    """Returns the report of a corpus; that of one's own has a manifest."""
    bar = tqdm(corpus.train, desc="count tokens", unit="language", disable=not progress)
    counts = {
        code: count_language(corpus.train[code], corpus.heldout[code], renderer) for code in bar
    }
    return CorpusReport(name, base, str(renderer.tokenizer.path), counts, manifest)


def write_corpus_report(report: CorpusReport, path: Path) -> None:
    """Writes the report as JSON; a figure that there is none for is null."""
    languages, reasons = {}, drop_reasons(report.manifest)
    for code, own in report.languages.items():
        f = own.fertility
        figures = {
            "examples": own.examples,
            "heldout_examples": own.heldout,
            "tokens": own.tokens,
            "supervised_tokens": own.supervised_tokens,
            "characters": f.characters,
            "words": f.words,
            "tokens_per_word": f.tokens_per_word,
            "tokens_per_character": f.tokens_per_character,
            "continued_word_fraction": f.continued_fraction,
            f"percent_of_tokens_at_{PERCENT}_percent": report.shares(PERCENT, [code]),
            "dropped": {why: by[code] for why, by in reasons.items() if code in by},
        }
        languages[code] = {
            name: None if isinstance(figure, float) and math.isnan(figure) else figure
            for name, figure in figures.items()
        }
    record: dict[str, Any] = {
        "corpus": report.name,
        "version": report.manifest.version if report.manifest else None,
        "tokenizer": report.tokenizer,
        "base": report.base,
        "languages": languages,
        "others_together": [
            {"percent_of_examples": percent, **report.shares(percent, report.others)}
            for percent in PERCENTS
            if report.others
        ],
        "duplicates": len(report.manifest.leaks) if report.manifest else 0,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def corpus_tables(report: CorpusReport) -> str:
    """Returns the report as a person reads it."""
    parts = [_languages_table(report)]
    if report.others:
        parts.append(_shares_table(report))
    return "\n\n".join("\n".join(part) for part in parts)


def _languages_table(report: CorpusReport) -> list[str]:
    columns = ["to tune on", "examples", "tokens", "supervised", "characters", *COLUMNS]
    columns += [f"tokens / {report.base}", f"{PERCENT} % are: tokens", "supervised"]
    base = report.mean("tokens", [report.base])
    rows = []
    for code, own in report.languages.items():
        shares = report.shares(PERCENT, [code]).values()
        rows.append(
            [
                f"{code}  {name_of(code)}",
                f"{own.examples:,}",
                f"{own.tokens:,}",
                f"{own.supervised_tokens:,}",
                f"{own.fertility.characters:,}",
                *fertility_cells(own.fertility),
                number(report.mean("tokens", [code]) / base, 2),
                *(f"{number(share)} %" for share in shares),
            ]
        )
    return text_table(columns, rows)


def _shares_table(report: CorpusReport) -> list[str]:
    rows = [
        [
            f"{percent} %",
            *(f"{number(s)} %" for s in report.shares(percent, report.others).values()),
        ]
        for percent in PERCENTS
    ]
    columns = (f"examples not in {report.base}, evenly spread", "are: tokens", "supervised")
    return text_table(columns, rows)


def standing_table(manifest: Manifest) -> str:
    """Returns what a manifest says: what was dropped and why, what was found twice."""
    ids = {(entry.split, entry.id) for entry in manifest.dropped}
    lines = [f"dropped in every language: {len(ids):,} examples"]
    lines += [
        f"  {reason}: " + ", ".join(f"{code} {count:,}" for code, count in own.items())
        for reason, own in drop_reasons(manifest).items()
    ]
    exact = sum(leak.kind == "exact" for leak in manifest.leaks)
    fate = "left out of training" if manifest.leaks_dropped else "left in training"
    lines.append(
        f"duplicates of held-out prompts: {exact:,} exact, {len(manifest.leaks) - exact:,} near"
        + (f", {fate} in every language" if manifest.leaks else "")
    )
    return "\n".join(lines)


def costs_table(costs: Sequence[Estimate]) -> str:
    """Returns what is still to be translated, and what that takes."""
    rows = [_cost_cells(cost.language, [cost]) for cost in costs]
    columns = ("to translate into", "examples", "pieces", "characters", "price", "minutes")
    return "\n".join(text_table(columns, [*rows, [], _cost_cells("all", costs)]))


def _cost_cells(name: str, costs: Sequence[Estimate]) -> list[str]:
    def total(field: str) -> float:
        return sum(getattr(cost, field) for cost in costs)

    return [
        name_of(name),
        *(f"{total(field):,}" for field in ("examples", "pieces", "characters")),
        number(total("price"), 2),
        number(total("seconds") / 60),
    ]
