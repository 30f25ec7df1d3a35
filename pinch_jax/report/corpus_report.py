"""What `pinch corpus` does and says: the cost, the corpus, what was dropped, the report."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pinch_jax.config import Config
from pinch_jax.corpus.assemble import assemble, translation_costs
from pinch_jax.corpus.manifest import SPLITS, Manifest
from pinch_jax.corpus.sources import Corpus, load_corpus
from pinch_jax.model.source import open_model
from pinch_jax.report.corpus_table import (
    corpus_tables,
    costs_table,
    report_corpus,
    standing_table,
    write_corpus_report,
)
from pinch_jax.text.template import Renderer, Template
from pinch_jax.text.tokenizer import load_tokenizer

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
        say(f"version {manifest.version} in {c.directory}\n{standing_table(manifest)}")
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
    model = config.model
    if tokenizers:
        alone = Template(before=(), after=(), end=())
        renderers = [Renderer(alone, load_tokenizer(path)) for path in tokenizers]
    elif model.source:
        renderers = [open_model(model.source, model.template).renderer]
    else:
        renderers = [Renderer(Template(), load_tokenizer(model.tokenizer))]
    for renderer in renderers:
        report = report_corpus(config.corpus.name, corpus, renderer, base, manifest, True)
        say(f"\n{renderer.tokenizer.path}\n\n{corpus_tables(report)}")
    if not tokenizers:
        path = Path(config.corpus.data_dir).expanduser() / config.corpus.name / "report.json"
        write_corpus_report(report, path)
        say(f"\nreport: {path}")
