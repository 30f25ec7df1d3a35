"""A model directory: decoder, tokenizer, template and weights, all that is needed to run it."""

import dataclasses
import functools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.config_fields import build
from pinch_jax.data.template import Renderer, Template
from pinch_jax.data.tokenizer import Tokenizer, load_tokenizer
from pinch_jax.model.decoder import Params
from pinch_jax.model.families import DecoderConfig
from pinch_jax.model.weights import checksum, load_weights, save_weights

BUNDLED = Path(__file__).parent.parent / "assets"


@dataclasses.dataclass(frozen=True)
class Model:
    """A decoder with its tokenizer and template.

    Attributes:
        params: float32, as numpy arrays.
        pretraining_share: the fraction of each language in the text it was pretrained on; empty
            where nobody knows.
    """

    decoder: DecoderConfig
    renderer: Renderer
    params: Params
    pretraining_share: Mapping[str, float]

    def __post_init__(self) -> None:
        pieces = self.tokenizer.vocab_size
        if self.decoder.vocab_size < pieces:
            raise ValueError(
                f"config.model.decoder.vocab_size={self.decoder.vocab_size} is too small for the "
                f"tokenizer's {pieces} pieces; set it to {pieces} or more"
            )

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the renderer."""
        return self.renderer.tokenizer

    @functools.cached_property
    def checksum(self) -> str:
        """The sha256 of all parameters: what a fingerprint knows a model by."""
        return checksum(self.params)


def load_model(source: str | Path) -> Model:
    """Returns the model of a directory, or of the one that comes with the package: "tiny".

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: the weights do not fit the decoder.
    """
    directory, described = _described(source)
    decoder = load_decoder(source)
    return Model(
        decoder=decoder,
        renderer=load_renderer(source),
        params=load_weights(directory / "weights.safetensors", decoder),
        pretraining_share=described["pretraining_share"],
    )


def load_decoder(source: str | Path) -> DecoderConfig:
    """Returns what the model of a directory is, without its weights.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: a field is not one of a decoder.
    """
    directory, described = _described(source)
    return build(DecoderConfig, described["decoder"], f"{directory / 'model.json'}: decoder")


def load_renderer(source: str | Path) -> Renderer:
    """Returns the template and the tokenizer of a model, without its weights.

    Raises:
        FileNotFoundError: there is no such model.
    """
    directory, described = _described(source)
    template = Template(**{side: tuple(pieces) for side, pieces in described["template"].items()})
    return Renderer(template, load_tokenizer(directory))


def _described(source: str | Path) -> tuple[Path, dict[str, Any]]:
    directory = Path(source).expanduser()
    if not directory.exists() and (BUNDLED / str(source)).is_dir():
        directory = BUNDLED / str(source)
    if not (directory / "model.json").exists():
        raise FileNotFoundError(
            f"config.model.source={str(source)!r}: no model.json there; give a model directory, or "
            f"one of those that come with the package: {sorted(p.name for p in BUNDLED.iterdir())}"
        )
    return directory, json.loads((directory / "model.json").read_text())


def save_model(directory: Path, model: Model, dtype: Any = np.float32) -> None:
    """Writes a model directory; `load_model` reads it back."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model.tokenizer.path, directory / model.tokenizer.FILE)
    save_weights(directory / "weights.safetensors", model.params, dtype)
    described = {
        "decoder": dataclasses.asdict(model.decoder),
        "template": dataclasses.asdict(model.renderer.template),
        "pretraining_share": dict(model.pretraining_share),
    }
    text = json.dumps(described, indent=1, ensure_ascii=False)
    (directory / "model.json").write_text(text + "\n", encoding="utf-8")
