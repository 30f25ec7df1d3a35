"""How the bundled model is made: a tokenizer, then an ordinary run, then an export in bfloat16."""

import dataclasses
from pathlib import Path

import ml_dtypes

from pinch_jax.config import Config
from pinch_jax.corpus.sources import load_corpus
from pinch_jax.errors import UserError
from pinch_jax.model.directory import open_directory, save_model
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.folders import is_there, whole_folder
from pinch_jax.study.run import make_run
from pinch_jax.study.workbench import Workbench
from pinch_jax.text.tokenizer import train_tokenizer

# Special tokens that no text contains, for templates that want a marker of their own.
RESERVED = ("<answer>",)


def train_base_tokenizer(config: Config) -> Path:
    """Returns where the tokenizer of the config's decoder was written, trained on its corpus."""
    path = as_path(config.model.tokenizer)
    path.parent.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(config.corpus, config.languages)
    texts = [example.response for code in config.languages for example in corpus.train[code]]
    train_tokenizer(texts, path, config.model.decoder.vocab_size, RESERVED)
    return path


def export_base_model(config: Config, workdir: Path, output: Path) -> None:
    """Writes the config's finished run as a model directory, rounded to bfloat16.

    Raises:
        UserError: the run is not finished.
    """
    run = make_run(Workbench(config), config.mixture.spec, workdir)
    if not is_there(run.directory / "model"):
        raise UserError(
            f"{run.directory} has no model yet; run `pinch train` with this config and "
            f"--workdir={workdir} to its end"
        )
    model = open_directory(run.directory / "model")
    tokens = run.plan.totals()["tokens"]
    share = {code: round(count / sum(tokens.values()), 4) for code, count in tokens.items()}
    model = dataclasses.replace(model, pretraining_share=share)
    with whole_folder(output) as part:
        save_model(part, model, model.weights.stored(), ml_dtypes.bfloat16)
