"""What `pinch corpus` does and says: the cost, the corpus, what was dropped, the report.

P % of the examples are not P % of the tokens, let alone of the supervised ones: the same example is
longer in one language than in another. The report says how far off they are.
"""

import collections
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.corpus.assemble import assemble, translation_costs
from pinch_jax.corpus.fertility import fertility
from pinch_jax.corpus.manifest import SPLITS, Manifest
from pinch_jax.corpus.sources import Corpus, load_corpus
from pinch_jax.corpus.translation.translate import Estimate
from pinch_jax.languages import name_of
from pinch_jax.model.source import locate, open_model
from pinch_jax.report.fertility_table import COLUMNS, fertility_cells
from pinch_jax.report.text_table import number, text_table
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.files import write_text
from pinch_jax.text.template import Renderer, Template
from pinch_jax.text.tokenizer import load_tokenizer

# The shares of examples whose shares of tokens are told: one for a language by itself, more for
# all languages together.
PERCENT = 10
PERCENTS = (1, 10, 30, 50, 70, 90)
TOKENS = ("tokens", "supervised_tokens")
RATES = ("tokens_per_word", "tokens_per_character", "continued_word_fraction")
Say = Callable[[str], None]


def say_costs(config: Config, say: Say) -> None:
    """Says what is still to be translated for the corpus of a config; builds nothing."""
    c = config.corpus
    costs = () if c.bundled else translation_costs(c, config.corpus_languages)
    say(costs_table(costs) if costs else "nothing is to be paid for or translated")


def build_corpus(config: Config, confirmed: bool, say: Say) -> tuple[Corpus, Manifest | None]:
    """Returns the corpus of a config, after building what is not there; says what it has become.

    Raises:
        UserError: it needs a translation that is paid for, and that was not `confirmed`.
    """
    c, languages = config.corpus, config.corpus_languages
    manifest = None
    if not c.bundled:
        show = lambda costs: say(f"{costs_table(costs)}\n")  # noqa: E731
        manifest = assemble(c, languages, True, confirmed, show)
    corpus = load_corpus(c, languages)
    counts = {split: len(next(iter(getattr(corpus, split).values()))) for split in SPLITS}
    say(
        f"{c.name}: {counts['train']:,} examples to tune on and {counts['heldout']:,} held out, in "
        f"each of {len(languages)} languages: {', '.join(languages)}"
    )
    if manifest:
        say(f"version {manifest.version} in {c.directory}\n{_standing(manifest)}")
    return corpus, manifest


def say_report(
    config: Config,
    corpus: Corpus,
    manifest: Manifest | None,
    tokenizers: Sequence[str],
    say: Say,
) -> None:
    """Says the report of a corpus and writes it beside the manifest, as report.json.

    It counts what the config's model is tuned on. Of other tokenizers, which have no template, it
    counts the texts alone, and writes nothing.
    """
    base = config.mixture.base if config.mixture.base in corpus.train else config.languages[0]
    name, model = config.corpus.name, config.model
    if tokenizers:
        alone = Template(before=(), after=(), end=())
        renderers = [Renderer(alone, load_tokenizer(path)) for path in tokenizers]
    elif model.source:
        renderers = [open_model(model.source, model.template).renderer]
    else:
        tokenizer = load_tokenizer(locate(model.tokenizer, "config.model.tokenizer"))
        renderers = [Renderer(Template(), tokenizer)]
    for renderer in renderers:
        report = report_corpus(name, corpus, renderer, base, manifest)
        say(f"\n{renderer.tokenizer.path}\n\n{corpus_tables(report)}")
    if not tokenizers:
        path = as_path(config.corpus.data_dir, "config.corpus.data_dir") / name / "report.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(path, f"{text}\n")
        say(f"\nreport: {path}")


def report_corpus(
    name: str, corpus: Corpus, renderer: Renderer, base: str, manifest: Manifest | None
) -> dict[str, Any]:
    """Returns the report of a corpus as JSON has it; a figure that there is none for is None.

    `base` is the language that the others replace; a corpus of one's own has a manifest.
    """
    reasons = _drop_reasons(manifest)
    counts = {
        code: _count_language(corpus, code, renderer)
        for code in tqdm(corpus.train, "count tokens", unit="language")
    }
    languages = {
        code: own
        | {
            f"percent_of_tokens_at_{PERCENT}_percent": token_shares(counts, base, PERCENT, [code]),
            "dropped": {why: by[code] for why, by in reasons.items() if code in by},
        }
        for code, own in counts.items()
    }
    others = [code for code in counts if code != base]
    return {
        "corpus": name,
        "version": manifest.version if manifest else None,
        "tokenizer": str(renderer.tokenizer.path),
        "base": base,
        "languages": languages,
        "others_together": [
            {"percent_of_examples": percent, **token_shares(counts, base, percent, others)}
            for percent in PERCENTS
            if others
        ],
        "duplicates": len(manifest.leaks) if manifest else 0,
    }


def _count_language(corpus: Corpus, code: str, renderer: Renderer) -> dict[str, Any]:
    """Returns the figures of a language's training examples; tokens are those of the template too.

    The characters and words are those of prompts and responses alone.
    """
    train = corpus.train[code]
    rendered = [renderer.example(e.asked, e.response) for e in train]
    texts = [text for e in train for text in (e.prompt, e.response) if text]
    cut = fertility(texts, renderer.tokenizer)
    rates = cut.tokens_per_word, cut.tokens_per_character, cut.continued_fraction
    return {
        "examples": len(train),
        "heldout_examples": len(corpus.heldout[code]),
        "tokens": sum(len(ids) for ids, _ in rendered),
        "supervised_tokens": sum(len(ids) - prompt for ids, prompt in rendered),
        "characters": cut.characters,
        "words": cut.words,
        **{n: None if math.isnan(rate) else rate for n, rate in zip(RATES, rates, strict=True)},
    }


def token_shares(
    counts: Mapping[str, Mapping[str, Any]], base: str, percent: float, codes: Sequence[str]
) -> dict[str, float]:
    """Returns the % of each kind of tokens where `percent` % of the examples are in `codes`.

    `counts` are the figures of each language; the rest of the examples is in the base language.
    """
    shares = {}
    for unit in TOKENS:
        own = percent * _mean_of_example(counts, unit, codes)
        rest = (100 - percent) * _mean_of_example(counts, unit, [base])
        shares[unit] = 100 * own / (own + rest)
    return shares


def _mean_of_example(
    counts: Mapping[str, Mapping[str, Any]], unit: str, codes: Sequence[str]
) -> float:
    """Returns how many tokens an example has, each of these languages having as many examples."""
    return sum(counts[code][unit] / counts[code]["examples"] for code in codes) / len(codes)


def corpus_tables(report: Mapping[str, Any]) -> str:
    """Returns the report as a person reads it."""
    base, languages = report["base"], report["languages"]
    columns = ["to tune on", "examples", "tokens", "supervised", "characters", *COLUMNS]
    columns += [f"tokens / {base}", f"{PERCENT} % are: tokens", "supervised"]
    of_base = _mean_of_example(languages, "tokens", [base])
    rows = []
    for code, own in languages.items():
        shares = own[f"percent_of_tokens_at_{PERCENT}_percent"]
        rows.append(
            [
                f"{code}  {name_of(code)}",
                *(f"{own[count]:,}" for count in ("examples", *TOKENS, "characters")),
                *fertility_cells(*(own[rate] for rate in RATES)),
                number(_mean_of_example(languages, "tokens", [code]) / of_base, 2),
                *(f"{number(shares[unit])} %" for unit in TOKENS),
            ]
        )
    lines = text_table(columns, rows)
    if report["others_together"]:
        rows = [
            [f"{held['percent_of_examples']} %", *(f"{number(held[unit])} %" for unit in TOKENS)]
            for held in report["others_together"]
        ]
        columns = [f"examples not in {base}, evenly spread", "are: tokens", "supervised"]
        lines += ["", *text_table(columns, rows)]
    return "\n".join(lines)


def _drop_reasons(manifest: Manifest | None) -> dict[str, dict[str, int]]:
    """Returns why examples were dropped -> in which language -> how many.

    A reason is told without its details, which are in the manifest.
    """
    counts: dict[str, dict[str, int]] = {}
    for entry in manifest.dropped if manifest else ():
        count = dict.fromkeys(entry.languages, len(entry.ids))
        counts.setdefault(entry.kind, collections.Counter()).update(count)
    return counts


def _standing(manifest: Manifest) -> str:
    """Returns what a manifest says: what was dropped and why, what was found twice."""
    ids = {(entry.split, id) for entry in manifest.dropped for id in entry.ids}
    lines = [f"dropped in every language: {len(ids):,} examples"]
    lines += [
        f"  {reason}: " + ", ".join(f"{code} {count:,}" for code, count in own.items())
        for reason, own in _drop_reasons(manifest).items()
    ]
    exact = sum(leak.kind == "exact" for leak in manifest.leaks)
    # Near ones are found in each language by itself, and an example goes from all.
    found = len({leak.train_id for leak in manifest.leaks})
    fate = "left out of" if manifest.leaks_dropped else "left in"
    lines.append(
        f"duplicates of held-out prompts: {exact:,} exact, {len(manifest.leaks) - exact:,} near"
        + (f"; examples {fate} training in every language: {found:,}" if found else "")
    )
    return "\n".join(lines)


def costs_table(costs: Sequence[Estimate]) -> str:
    """Returns what is still to be translated, and what that takes."""

    def cells(name: str, some: Sequence[Estimate]) -> list[str]:
        counts = ("examples", "pieces", "characters")
        price, seconds = (sum(getattr(cost, of) for cost in some) for of in ("price", "seconds"))
        return [
            name_of(name),
            *(f"{sum(getattr(cost, of) for cost in some):,}" for of in counts),
            number(price, 2),
            number(seconds / 60),
        ]

    rows = [cells(cost.language, [cost]) for cost in costs]
    columns = ("to translate into", "examples", "pieces", "characters", "price", "minutes")
    return "\n".join(text_table(columns, [*rows, [], cells("all", costs)]))
