"""A model as a repository of the hub, with a card that says how it came to be."""

import tempfile
from pathlib import Path
from typing import Any

from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.errors import UserError
from pinch_jax.model.convert import convert
from pinch_jax.model.source import locate
from pinch_jax.storage.files import read_record
from pinch_jax.storage.hub import CARD, model_named, told
from pinch_jax.study.run import CODE, DESCRIPTION
from pinch_jax.study.workdir import read_command, read_config
from pinch_jax.version import code_version

LICENSE = ("license", "license_name", "license_link")


def upload(source: str, target: str, target_format: str) -> str:
    """Converts a model and puts it into a new private repository; returns where people see it.

    Raises:
        UserError: the repository has files already or is public, or the hub does not let us.
    """
    from huggingface_hub import HfApi

    repository, api = model_named(target), HfApi()
    if not repository or target_format == "orbax":
        raise UserError(f"--target=hub:{target}: write hub:ORG/NAME; Orbax files are not for it")
    path = locate(source, "--source")
    with told(repository):  # before what takes long
        api.create_repo(target, private=True, exist_ok=True)
        there = {*api.list_repo_files(target)} - {".gitattributes"}
        is_private = api.repo_info(target).private
    if there or not is_private:
        trouble = "has files already" if there else "is there already, and public"
        raise UserError(f"--target=hub:{target} {trouble}; name a repository that is not there")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "model"
        convert(path, folder, target_format)
        (folder / CARD).write_text(model_card(source, path, target), encoding="utf-8")
        with told(repository):
            api.upload_folder(repo_id=target, folder_path=folder, commit_message="By pinch convert")
    return repository.url


def model_card(source: str, path: Path, target: str) -> str:
    """Returns the README.md of a model: what its study says, where it is of a run.

    A folder here is called by its last name alone.
    """
    from huggingface_hub import ModelCardData

    run, workdir = path.absolute().parent, path.absolute().parents[2]
    tuned = (run / DESCRIPTION).exists() and (workdir / "config.json").exists()
    record = read_record(run / DESCRIPTION, "run `pinch study` again") if tuned else {}
    config = read_config(workdir) if tuned else {}
    base = config["model"]["source"] if tuned else source
    origin, budgets = model_named(base), record.get("budgets", {})
    card = origin.pinned().card() if origin else {}
    terms = {field: card[field] for field in LICENSE if card.get(field)}
    name = base if origin else Path(base).name or "a model from nothing"
    rights = terms.get("license_name") or terms.get("license") or "find out which before you share"
    lines = [
        f"Made of {name}.",
        *(_tuning(config, record) if tuned else ()),
        *([f"Study: `{read_command(workdir)}`"] if tuned else ()),
        f"Code: pinch_jax {', '.join(record.get(CODE, [code_version()]))}",
        f"Licence: that of {name}: {rights}",
    ]
    data = ModelCardData(
        base_model=origin.name if origin else None,
        language=[code for code, count in budgets.items() if count] or None,
        library_name="transformers",
        tags=["pinch_jax", *["instruction-tuning"] * tuned],
        **terms,
    )
    return f"---\n{data.to_yaml()}\n---\n# {target}\n\n" + "\n\n".join(lines) + "\n"


def _tuning(config: dict[str, Any], record: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{code} {count}" for code, count in record["budgets"].items() if count)
    rank, corpus, rate = config["lora"]["rank"], config["corpus"], config["train"]["learning_rate"]
    how = f"adapters of rank {rank}, merged" if rank else "all weights"
    on_hub = [source for source in corpus["train"] if parse_source(source).place]
    return [
        f"Mixture: `{record['spec']}`, draw {record['draw']}; examples: {counts}",
        f"Tuned: {how}, {record['steps']} steps, learning rate {rate}, {config['model']['dtype']}",
        " ".join([f"Corpus: {corpus['name']}", *on_hub, corpus["license"]]).strip(),
    ]
