"""A Hugging Face directory: config.json, and tensors in one safetensors file or in several."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.model.config_json import read_config
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layout import places, unread
from pinch_jax.model.loading import row_parts
from pinch_jax.model.weights import SafetensorsFiles
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.json_input import read_object

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTERS = "adapter_config.json"
# What a text decoder leaves alone: the images and sounds of Gemma 3 and 4, and frequencies that
# older versions stored although they follow from the config.
NOT_OURS = re.compile(
    r"(model\.)?(vision_tower|multi_modal_projector|audio_tower|vision_embedder|embed_vision|"
    r"embed_audio)\..*|.*\.rotary_emb\.inv_freq"
)
# How the decoder inside an image model is called, older and newer, and in a text model.
INSIDE = {
    "language_model.model.": "model.",
    "model.language_model.": "model.",
    "language_model.lm_head.": "lm_head.",
}


class HuggingFaceTensors(SafetensorsFiles):
    """The tensors of a directory, by the names that they have in a text model."""

    places = staticmethod(places)

    def __init__(self, path: Path):
        super().__init__(path, _find_files(path), _plain_name)


class HuggingFaceDirectory(HuggingFaceTensors):
    """The tensors of a directory with a config, and the decoder that this describes."""

    def __init__(self, path: str | Path):
        path = as_path(path)
        if (path / ADAPTERS).exists():  # transformers loads what they adapt, and them
            raise UserError(
                f"{path / ADAPTERS}: adapters of PEFT are not read; merge them into their model "
                "(`merge_and_unload`), and give what `save_pretrained` writes of that"
            )
        self.config_json: Mapping[str, Any] = read_json(path / "config.json")
        self.decoder: DecoderConfig = read_config(self.config_json, path)
        super().__init__(path)
        self.files = (path / "config.json", *self.files)
        self._leave_out_tied_head()
        self._leave_out(unread(self.decoder) & self.shapes.keys())

    def _leave_out(self, names: Iterable[str]) -> None:
        for known in (self.shapes, self.dtypes, self._stored):
            for name in names:
                del known[name]

    def _leave_out_tied_head(self) -> None:
        """Drops an output head that repeats the embedding it is tied to."""
        head, embedding = "lm_head.weight", "model.embed_tokens.weight"
        if not self.decoder.tied_embeddings or not {head, embedding} <= self.shapes.keys():
            return
        if self.shapes[head] == (shape := self.shapes[embedding]) and all(
            np.array_equal(self.read(head, (rows,)), self.read(embedding, (rows,)))
            for rows in row_parts(shape, self.dtypes[head])
        ):
            self._leave_out([head])


def _find_files(path: Path) -> list[Path]:
    if (path / SINGLE).exists():
        return [path / SINGLE]
    if not (path / INDEX).exists():
        raise UserError(
            f"no {SINGLE} and no {INDEX} in {path}; other formats than safetensors are not read"
        )
    index = read_json(path / INDEX)
    if not isinstance(index.get("weight_map"), dict):
        raise UserError(f"{path / INDEX}: no weight_map in it; download it anew")
    files = [path / name for name in sorted(set(index["weight_map"].values()))]
    if absent := [file.name for file in files if not file.exists()]:
        told = ", ".join(absent)
        raise UserError(f"{path / INDEX} names files that are not there: {told}; bring them too")
    return files


def _plain_name(stored: str) -> str | None:
    if NOT_OURS.fullmatch(stored):
        return None
    for inside, plain in INSIDE.items():
        if stored.startswith(inside):
            return plain + stored.removeprefix(inside)
    return stored


def read_json(path: Path) -> Any:
    """Returns what a JSON file of a directory holds; UserError says what is not there."""
    if not path.exists():
        raise UserError(f"no {path.name} in {path.parent}; give a Hugging Face directory")
    return read_object(path, "download it anew")
