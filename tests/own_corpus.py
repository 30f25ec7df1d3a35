"""A corpus of one's own that tests can build: numbered questions in three languages, as files."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ml_collections_configs import base
from pinch_jax.config import Config, from_config_dict
from pinch_jax.corpus.assemble import assemble
from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.sources import Corpus, load_corpus

LANGUAGES = ("en", "fi", "sw")
TEXT = {
    "en": "What is the {} thing that anyone would want to know of number {}?",
    "fi": "Mikä on se {} asia, jonka kuka tahansa haluaisi tietää numerosta {}?",
    "sw": "Ni jambo gani la {} ambalo mtu yeyote angependa kujua kuhusu namba {}?",
}
GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda omicron upsilon"


def prompt(code: str, number: int) -> str:
    """Returns a question about a number, like no other one."""
    words = GREEK.split(" ")
    return TEXT[code].format(f"{words[number]} {words[-number]}", words[number] * 3)


def write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Writes JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_sources(
    root: Path, train: Iterable[int] = range(6), heldout: Iterable[int] = range(8, 11)
) -> None:
    """Writes a file for each split and language, with the questions about these numbers."""
    for split, numbers in (("train", train), ("heldout", heldout)):
        for code in LANGUAGES:
            write(
                root / split / f"{code}.jsonl",
                [
                    {"id": f"{split}-{n}", "prompt": prompt(code, n), "response": f"{code} {n}"}
                    for n in numbers
                ],
            )


def config(root: Path, **changes: Any) -> CorpusConfig:
    """Returns the config of the corpus of these files, with changes to its fields."""
    return whole_config(root, **changes).corpus


def whole_config(root: Path, **changes: Any) -> Config:
    """Returns a config of these languages, tuned on that corpus."""
    values = base.get_config().to_dict()
    values["corpus"] |= {
        "name": "mine",
        "data_dir": str(root / "built"),
        "train": (f"jsonl:{root}/train/{{language}}.jsonl",),
        "heldout": (f"jsonl:{root}/heldout/{{language}}.jsonl",),
        "license": "CC0",
        "citation": "@misc{me}",
    }
    values["corpus"]["translation"] |= changes.pop("translation", {})
    values["corpus"] |= changes
    values["study"]["experiments"] = ("monolingual",)
    values["languages"] = LANGUAGES
    values["evaluate"]["prompts"] = 3
    return from_config_dict(values)


def built(c: CorpusConfig, languages: Sequence[str] = LANGUAGES) -> Corpus:
    """Returns the corpus of a config, assembled and read."""
    assemble(c, languages, progress=False, confirmed=False)
    return load_corpus(c, languages, progress=False)


def ids(examples: Iterable[Example]) -> list[str]:
    """Returns the ids, in order."""
    return [example.id for example in examples]
