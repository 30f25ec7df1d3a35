"""A Hugging Face directory: config.json, and tensors in one safetensors file or in several."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.errors import UserError
from pinch_jax.json_input import read_object
from pinch_jax.model.config_json import read_config
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.layout import Index
from pinch_jax.model.weights import DTYPES, open_safetensors

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
# What a text decoder leaves alone: the image side of Gemma 3, and frequencies that older versions
# stored although they follow from the config.
NOT_OURS = re.compile(
    r"(model\.)?(vision_tower|multi_modal_projector)\..*|.*\.rotary_emb\.inv_freq"
)
# How the decoder inside an image model is called, older and newer.
INSIDE = (("language_model.model.", "model."), ("model.language_model.", "model."))
INSIDE_HEAD = "language_model.lm_head."


class HuggingFaceDirectory:
    """The config and the tensors of a directory; `Tensors` of loading.py.

    Attributes:
        path: the directory.
        config_json: its config.json.
        decoder: the decoder that this describes.
        files: all that decide the weights.
        shapes, dtypes: of each tensor of the decoder, by the name that it has in a text model.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config_json: Mapping[str, Any] = read_json(self.path / "config.json")
        self.decoder: DecoderConfig = read_config(self.config_json, self.path)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, np.dtype] = {}
        # The file that holds a tensor, and what it is called there.
        self._stored: dict[str, tuple[Path, str]] = {}
        stored = self._find_files()
        self.files = (self.path / "config.json", *stored)
        for file in stored:
            self._enter(file)
        self._leave_out_tied_head()

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor, read from disk when it is asked for."""
        path, stored = self._stored[name]
        # Opened anew: what a mapped file was read of stays in memory for as long as it is open.
        with open_safetensors(path) as file:
            return file.get_slice(stored)[index]

    def _find_files(self) -> list[Path]:
        if (self.path / SINGLE).exists():
            return [self.path / SINGLE]
        if not (self.path / INDEX).exists():
            raise UserError(
                f"no {SINGLE} and no {INDEX} in {self.path}; other formats than safetensors are "
                "not read"
            )
        index = read_json(self.path / INDEX)
        if not isinstance(index.get("weight_map"), dict):
            raise UserError(f"{self.path / INDEX}: no weight_map in it; download it anew")
        files = [self.path / name for name in sorted(set(index["weight_map"].values()))]
        absent = [file.name for file in files if not file.exists()]
        if absent:
            raise UserError(f"{INDEX} names files that are not there: {', '.join(absent)}")
        return files

    def _enter(self, path: Path) -> None:
        file = open_safetensors(path)
        for stored in file.keys():  # noqa: SIM118 (it is no mapping)
            if NOT_OURS.fullmatch(stored):
                continue
            part, name = file.get_slice(stored), _plain_name(stored)
            if part.get_dtype() not in DTYPES:
                raise UserError(
                    f"{stored} in {path} is of type {part.get_dtype()}, which is not supported: "
                    f"only {', '.join(DTYPES)}"
                )
            if name in self._stored:
                raise UserError(f"{stored} in {path} is there twice; remove one of the two")
            self._stored[name] = path, stored
            self.shapes[name] = tuple(part.get_shape())
            self.dtypes[name] = DTYPES[part.get_dtype()]

    def _leave_out_tied_head(self) -> None:
        """Drops an output head that repeats the embedding it is tied to."""
        head, embedding = "lm_head.weight", "model.embed_tokens.weight"
        if not self.decoder.tied_embeddings or not {head, embedding} <= self.shapes.keys():
            return
        if self.shapes[head] != self.shapes[embedding]:
            return
        everything = (slice(None), slice(None))
        if np.array_equal(self.read(head, everything), self.read(embedding, everything)):
            for known in (self.shapes, self.dtypes, self._stored):
                del known[head]


def _plain_name(stored: str) -> str:
    for inside, plain in INSIDE:
        if stored.startswith(inside):
            return plain + stored.removeprefix(inside)
    if stored.startswith(INSIDE_HEAD):
        return "lm_head." + stored.removeprefix(INSIDE_HEAD)
    return stored


def read_json(path: Path) -> Any:
    """Returns what a JSON file of a directory holds; UserError says what is not there."""
    if not path.exists():
        raise UserError(f"no {path.name} in {path.parent}; give a Hugging Face directory")
    return read_object(path, "download it anew")
