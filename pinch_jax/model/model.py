"""A model: what it is, and weights that are read when they are asked for.

In this folder the decoder, and with it Flax, is imported where parameters are made: a mixture is
planned without them, and half a second sooner.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pinch_jax.devices.mesh import check_finite
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.model.config_json import read_ids, write_ids
from pinch_jax.model.families import DecoderConfig, Params
from pinch_jax.model.loading import Tensors, TrimmedTensors, load_params, stored_params
from pinch_jax.storage.files import file_checksum
from pinch_jax.text.base import check_ids
from pinch_jax.text.template import Renderer
from pinch_jax.text.tokenizer import Tokenizer
from pinch_jax.text.vocabulary import TrimmedTokenizer, Vocabulary


@dataclasses.dataclass(frozen=True)
class StoredWeights:
    """The weights of a decoder in files, which are all that decides them."""

    tensors: Tensors
    decoder: DecoderConfig
    files: tuple[Path, ...]

    @functools.cached_property
    def checksum(self) -> str:
        """The sha256 of the files, by which a fingerprint knows a model, whatever their names."""
        checksums = (bytes.fromhex(file_checksum(path)) for path in self.files)
        return hashlib.sha256(b"".join(checksums)).hexdigest()

    def load(self, shardings: Any = None, dtype: Any = np.float32) -> Params:
        """Returns parameters as `load_params` does; UserError lists tensors that do not fit."""
        return load_params(self.tensors, self.decoder, dtype, shardings)

    def stored(self) -> Params:
        """Returns the parameters in their own types, each a `StoredParameter`: none is read yet."""
        return stored_params(self.tensors, self.decoder)

    def trimmed(self, decoder: DecoderConfig, vocabulary: Vocabulary) -> "StoredWeights":
        """Returns the weights of `decoder`, which has the rows of the kept tokens alone."""
        tensors = TrimmedTensors(self.tensors, self.decoder, vocabulary.kept)
        return dataclasses.replace(self, tensors=tensors, decoder=decoder)


@dataclasses.dataclass(frozen=True)
class DrawnWeights:
    """Weights of a model from nothing."""

    decoder: DecoderConfig
    seed: int

    @property
    def checksum(self) -> str:
        """The sha256 of the decoder and the seed."""
        decisive = {"decoder": self.decoder.described, "seed": self.seed}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def load(self, shardings: Any = None, dtype: Any = np.float32) -> Params:
        """Returns freshly drawn parameters, the same on every mesh."""
        from pinch_jax.model.decoder import in_precision, init

        @functools.partial(jax.jit, out_shardings=shardings)
        def draw(key):
            return in_precision(init(self.decoder, key), dtype)

        params = draw(jax.random.key(self.seed))
        return jax.device_get(params) if shardings is None else params


@dataclasses.dataclass(frozen=True)
class Trimming:
    """What a model has of another one: the tokens that are kept, and which model it was."""

    vocabulary: Vocabulary
    path: str
    checksum: str


@dataclasses.dataclass(frozen=True)
class Model:
    """A decoder with its tokenizer, its template and its weights.

    Attributes:
        pretraining_share: the fraction of each language in the text it was pretrained on; empty
            where nobody knows.
        details: what a config.json says of it beside the decoder.
        path: where it was opened; "" for a model from nothing.
        trimming: where it has some tokens of another model, which; None for a whole model.
    """

    decoder: DecoderConfig
    renderer: Renderer
    weights: StoredWeights | DrawnWeights
    pretraining_share: Mapping[str, float] = dataclasses.field(default_factory=dict)
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    path: str = ""
    trimming: Trimming | None = None

    def __post_init__(self) -> None:
        tokens, rows = self.tokenizer.vocab_size, self.decoder.vocab_size
        # Special tokens may be beyond: the text models of Gemma 3 have no row for an image's.
        if rows < tokens and not {*range(rows, tokens)} <= {*self.tokenizer.reserved_ids}:
            where = f"{self.path}: " if self.path else "config.model.decoder."
            raise UserError(
                f"{where}vocab_size={rows} is too small for the tokenizer's {tokens} tokens; it "
                f"takes {tokens} rows or more"
            )
        if rows < tokens:
            self._check_written_ids()

    def _check_written_ids(self) -> None:
        """Raises UserError when a token that is written whatever the text has no row."""
        tokenizer, renderer = self.tokenizer, self.renderer
        written = {
            "the chat or base template": [*renderer.prompt("a"), *renderer.example("a", "a")[0]],
            "padding": [tokenizer.pad_id],
            "the beginning of a text": [tokenizer.bos_id] if tokenizer.adds_bos else [],
        }
        for what, ids in written.items():
            check_ids(ids, self.decoder.vocab_size, tokenizer, f"{tokenizer.path}, {what}")

    @functools.cached_property
    def end_ids(self) -> tuple[int, ...]:
        """The ids, in the whole vocabulary, that end an answer.

        They are the end of the template's response, the end of a text, and all that `details` name.
        """
        tokenizer = self.tokenizer
        ours = [self.renderer.stop_id]
        if tokenizer.roles.eos is not None:
            ours.append(tokenizer.eos_id)
        if self.trimming:
            ours = self.trimming.vocabulary.restore(ours).tolist()
        return tuple(dict.fromkeys([*ours, *read_ids(self.details.get("eos_token_id"))]))

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The same as ids of the table's rows; what has no row is never written."""
        if not self.trimming:
            return self.end_ids
        vocabulary = self.trimming.vocabulary
        return tuple(vocabulary.trim(list(filter(vocabulary.has, self.end_ids))).tolist())

    @property
    def config_details(self) -> dict[str, Any]:
        """What its config.json says beside the decoder: `details`, and the ids of its tokenizer.

        Without them transformers assumes those of the family, which a small table has no row for.
        """
        tokenizer, ids = self.tokenizer, {}
        if not self.details:
            bos_id = None if tokenizer.roles.bos is None else tokenizer.bos_id
            ids = {"bos_token_id": bos_id, "pad_token_id": tokenizer.pad_id}
        return {**ids, **self.details, "eos_token_id": write_ids(self.end_ids)}

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the renderer."""
        return self.renderer.tokenizer

    def load_on(self, mesh: jax.sharding.Mesh, dtype: str = "float32", what: str = "") -> Params:
        """Returns the parameters, read straight to where they lie on a mesh.

        `what` begins a message; by default it says whose weights they are.

        Raises:
            UserError: one of them is NaN or infinite, or they do not fit.
        """
        from pinch_jax.model.decoder import abstract_params

        shardings = parameter_shardings(mesh, abstract_params(self.decoder))
        params = self.weights.load(shardings, jax.numpy.dtype(dtype))
        check_finite(params, what or f"the weights of {self.path or 'a model from nothing'}")
        return params

    def trimmed(self, vocabulary: Vocabulary) -> "Model":
        """Returns the model with the kept tokens alone: in its tokenizer, table and head."""
        decoder = dataclasses.replace(self.decoder, vocab_size=len(vocabulary.kept))
        tokenizer = TrimmedTokenizer(self.tokenizer, vocabulary)
        return dataclasses.replace(
            self,
            decoder=decoder,
            renderer=dataclasses.replace(self.renderer, tokenizer=tokenizer),
            weights=self.weights.trimmed(decoder, vocabulary),
            trimming=Trimming(vocabulary, self.path, self.weights.checksum),
        )
