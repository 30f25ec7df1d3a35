"""The commits of the hub that a study uses: found once, and kept in its config."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinch_jax.config import Config
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.hub import Repository, model_named


def pinned(config: Config, workdir: Path | None) -> Config:
    """Returns a config that names a commit with each repository of the hub.

    It is that of the study in the work directory, else the one of today, in all processes that of
    the first.
    """
    named = _named(json.loads(config.to_json()))
    if all(repository.commit for repository in named.values()):
        return config
    from pinch_jax.hosts.waiting import agreed
    from pinch_jax.study.workdir import read_config

    def find() -> dict[str, str]:
        begun = workdir and (workdir / "config.json").exists()
        kept = _named(read_config(workdir)).values() if begun else ()
        kept = {_typed(one): one for one in kept if one.commit}
        # A folder comes before what has its name on the hub.
        on_hub = {
            name: one
            for name, one in named.items()
            if one.kind == "dataset" or not as_path(name).exists()
        }
        # Each once: a branch may move between two of its sources, and one call goes by one commit.
        pins = {one: kept.get(one) or one.pinned() for one in dict.fromkeys(on_hub.values())}
        return {name: pins[one].revision for name, one in on_hub.items()}

    found = agreed("finding commits on the hub", find)

    def model(name: str, kind: str = "model") -> str:
        of_hub = kind == "model" and name in found
        return f"{named[name].name}@{found[name]}" if of_hub else name

    def source(text: str) -> str:
        if text not in found:
            return text
        return str(dataclasses.replace(parse_source(text), revision=found[text]))

    c, corpus = config, config.corpus
    judges = {k: dataclasses.replace(j, model=model(j.model, j.kind)) for k, j in c.judges.items()}
    corpus = dataclasses.replace(
        corpus, train=tuple(map(source, corpus.train)), heldout=tuple(map(source, corpus.heldout))
    )
    named_by = {"source": model(c.model.source), "tokenizer": model(c.model.tokenizer)}
    tuned = dataclasses.replace(c.model, **named_by)
    return dataclasses.replace(c, model=tuned, judges=judges, corpus=corpus)


def _typed(repository: Repository) -> Repository:
    """Returns a repository as it was named before its commit was found."""
    return dataclasses.replace(repository, revision=repository.revision.partition(":")[0])


def _named(config: Mapping[str, Any]) -> dict[str, Repository]:
    """Returns what a config, as JSON has it, names that may be of the hub."""
    judges = config.get("judges", {}).values()
    models = [config["model"]["source"], config["model"]["tokenizer"]]
    models += [j["model"] for j in judges if j.get("kind") == "model"]
    sources = [*config["corpus"]["train"], *config["corpus"]["heldout"]]
    parsed = {text: parse_source(text) for text in sources}
    named = {name: model_named(name) for name in models}
    named |= {text: one.repository for text, one in parsed.items() if one.place}
    return {name: repository for name, repository in named.items() if repository}
