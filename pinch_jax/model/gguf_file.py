"""A GGUF file: metadata as a config.json, tensors dequantised, by the names of transformers.

Two things differ from a Hugging Face directory besides the names. The rows of Llama's query and
key heads are in the order of rotary pairs instead of halves. Gemma's norms hold the weight
itself instead of its offset from one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pinch_jax.devices.mesh import path_name
from pinch_jax.errors import UserError
from pinch_jax.model.config_json import SIZES, read_config, write_ids
from pinch_jax.model.families import DecoderConfig, RopeScaling
from pinch_jax.model.layout import Index, places
from pinch_jax.model.loading import tensor_names
from pinch_jax.text.gguf_header import TensorInfo, read_gguf_header

# The architectures of llama.cpp, by the model_type of transformers. Its "llama" is Mistral too.
MODEL_TYPES = {
    "gemma3": "gemma3_text",
    "gemma2": "gemma2",
    "qwen3": "qwen3",
    "qwen2": "qwen2",
    "llama": "llama",
}
# Metadata, less the architecture's prefix, by what config.json calls it.
FIELDS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.sliding_window": "sliding_window",
    "attention.sliding_window_pattern": "sliding_window_pattern",
    "rope.freq_base": "rope_theta",
    "rope.freq_base_swa": "rope_local_base_freq",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "expert_count": "num_experts",
    "attention.causal": "is_causal",
}
# All that is read of what they say of rotations; others would be other rotations.
ROPE_FIELDS = {
    *("freq_base", "freq_base_swa", "dimension_count", "scaling.type", "scaling.factor"),
    *("scaling.original_context_length", "scaling.finetuned"),
}
TOKEN_IDS = {
    "tokenizer.ggml.bos_token_id": "bos_token_id",
    "tokenizer.ggml.padding_token_id": "pad_token_id",
}
# Whatever ends an answer: the end of a text, of a turn, of a message.
END_IDS = tuple(f"tokenizer.ggml.{end}_token_id" for end in ("eos", "eot", "eom"))
# Files of older converters name the first alone. Source: llama.cpp, src/llama-vocab.cpp, what it
# adds to the ends of generation by name, of the families here.
END_TOKENS = {
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<end_of_turn>",
}
# The numbers of layers of the Gemmas that divide query . key by sqrt(width / heads), as
# llama.cpp knows them: the file does not say.
WIDE_QUERY_LAYERS = {"gemma2": 46, "gemma3": 62}
ROPE_FACTORS = "rope_freqs.weight"


class GgufFile:
    """The config and the tensors of a GGUF file; `Tensors` of loading.py, read as float32.

    `config_json` is what its metadata say, as a config.json.
    """

    places = staticmethod(places)

    def __init__(self, path: str | Path):
        try:
            import gguf
        except ImportError:
            raise UserError("to read GGUF files: pip install 'pinch_jax[gguf]'") from None
        self._gguf = gguf
        self.path = Path(path)
        self.files = (self.path,)
        self._metadata, self._tensors = read_gguf_header(self.path)
        self._check_complete()
        self.has_tokenizer = "tokenizer.ggml.model" in self._metadata
        self.architecture: str = self._metadata["general.architecture"]
        self.config_json = self._config_json()
        self.decoder: DecoderConfig = read_config(self.config_json, self.path)
        self._names = self._their_names()
        self.shapes = {name: self._tensors[stored].shape for name, stored in self._names.items()}
        self.dtypes = dict.fromkeys(self.shapes, np.dtype(np.float32))

    def _check_complete(self) -> None:
        told = self._metadata
        if (parts := told.get("split.count", 1)) > 1:
            raise UserError(
                f"{self.path} is one of {parts} parts; join them with `llama-gguf-split --merge`"
            )
        if (kind := told.get("general.type", "model")) != "model":
            raise UserError(f"{self.path} is an {kind}, not a model; give the model's file")
        if "general.architecture" not in told:
            raise UserError(f"{self.path} does not say its general.architecture; give another file")

    def read(self, name: str, index: Index) -> np.ndarray:
        """Returns a block of a tensor in float32; only its rows are dequantised."""
        tensor = self._tensors[self._names[name]]
        values = self._rows(tensor, index[0])
        if self.architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            # Whole heads lie together, and `Place` asks for whole heads.
            values = _halves(values, self.decoder.head_dim)
        if self.decoder.norm_offset and name.endswith("norm.weight"):
            values = values - np.float32(1)
        return values[(slice(None), *index[1:])]

    def _rows(self, tensor: TensorInfo, rows: slice = slice(None)) -> np.ndarray:
        kind = self._gguf.GGMLQuantizationType(tensor.kind)
        # A vector as its one row: what is quantised cannot be cut within a row.
        shape = tensor.shape if len(tensor.shape) > 1 else (1, *tensor.shape)
        stored = np.memmap(
            self.path,
            mode="r",
            offset=tensor.offset,
            shape=self._gguf.quant_shape_to_byte_shape(shape, kind),
        )
        if len(tensor.shape) > 1:
            return self._gguf.dequantize(stored[rows], kind)
        return self._gguf.dequantize(stored, kind)[0, rows]

    def _config_json(self) -> dict[str, Any]:
        if self.architecture not in MODEL_TYPES:
            raise UserError(
                f"{self.path}: general.architecture={self.architecture!r} is not supported: only "
                f"{', '.join(MODEL_TYPES)}; take its Hugging Face directory"
            )
        told = {
            ours: self._metadata[f"{self.architecture}.{theirs}"]
            for theirs, ours in FIELDS.items()
            if f"{self.architecture}.{theirs}" in self._metadata
        }
        for field, value in told.items():
            if isinstance(value, list):
                raise UserError(f"{self.path}: {field}={value} differs by layer: not supported")
            if isinstance(value, float):
                told[field] = float(str(np.float32(value)))  # 1e-06, not 9.99999997e-07
        needed = {theirs: ours for theirs, ours in FIELDS.items() if ours in SIZES}
        if missing := [theirs for theirs, ours in needed.items() if ours not in told]:
            field = f"{self.architecture}.{missing[0]}"
            raise UserError(f"{self.path} has no {field}; give a file with its metadata")
        if "token_embd.weight" not in self._tensors:
            raise UserError(f"{self.path} has no token_embd.weight; give a whole model")
        told["model_type"] = MODEL_TYPES[self.architecture]
        told["vocab_size"] = self._tensors["token_embd.weight"].shape[0]
        told["tie_word_embeddings"] = "output.weight" not in self._tensors
        # Where the file is silent, llama.cpp's value, not that of transformers.
        width, heads = told["hidden_size"], told["num_attention_heads"]
        told.setdefault("head_dim", width // heads)
        told.setdefault("num_key_value_heads", heads)
        told.setdefault("rope_theta", 10_000.0)
        wide = WIDE_QUERY_LAYERS.get(self.architecture) == told["num_hidden_layers"]
        told["query_pre_attn_scalar"] = width // heads if wide else told["head_dim"]
        rope = self._rope_fields()
        turned = rope.get("dimension_count", told["head_dim"])
        told["partial_rotary_factor"] = turned / told["head_dim"]
        told["rope_scaling"] = self._rope_scaling(rope, told["rope_theta"], told["head_dim"])
        ids = {ours: self._metadata[t] for t, ours in TOKEN_IDS.items() if t in self._metadata}
        return told | ids | self._ends()

    def _ends(self) -> dict[str, list[int]]:
        """Returns the ends of a turn: those that the file names, and those known by their names."""
        named = [self._metadata[key] for key in END_IDS if key in self._metadata]
        tokens = self._metadata.get("tokenizer.ggml.tokens", ())
        known = [id for id, token in enumerate(tokens) if token in END_TOKENS]
        return {"eos_token_id": write_ids([*named, *known])} if named or known else {}

    def _rope_fields(self) -> dict[str, Any]:
        prefix, told = f"{self.architecture}.rope.", self._metadata.items()
        rope = {name.removeprefix(prefix): v for name, v in told if name.startswith(prefix)}
        if unknown := sorted(rope.keys() - ROPE_FIELDS):
            raise UserError(
                f"{self.path}: {prefix}{unknown[0]}={rope[unknown[0]]!r} is not supported: only "
                f"{', '.join(sorted(ROPE_FIELDS))}; give a file that llama.cpp's converter writes"
            )
        return rope

    def _rope_scaling(
        self, rope: Mapping[str, Any], base: float, head_dim: int
    ) -> dict[str, Any] | None:
        if ROPE_FACTORS in self._tensors:
            return self._llama3_scaling(base, head_dim)
        # Source: llama.cpp, src/llama-model.cpp: a factor alone is linear.
        kind = rope.get("scaling.type", "linear" if "scaling.factor" in rope else "none")
        if kind == "none":
            return None
        scaling = {"rope_type": kind, "factor": rope.get("scaling.factor", 1.0)}
        # Where it is not said, it is the length of the context, as in a config.json.
        if tokens := rope.get("scaling.original_context_length"):
            scaling["original_max_position_embeddings"] = tokens
        return scaling

    def _llama3_scaling(self, base: float, head_dim: int) -> dict[str, Any]:
        """Returns the scaling behind a file's divisors of frequencies, which it does not name."""
        from pinch_jax.model.rotary import lowering

        divisors = self._rows(self._tensors[ROPE_FACTORS]).astype(np.float64)
        scaling = RopeScaling("llama3", float(divisors.max()))
        frequency = base ** (-np.arange(0, head_dim, 2) / head_dim)
        ours = 1 / np.asarray(lowering(scaling, frequency, base))
        if divisors.shape != ours.shape or not np.allclose(divisors, ours, rtol=1e-4):
            raise UserError(f"{self.path}: {ROPE_FACTORS} is not the scaling of Llama 3")
        return {
            "rope_type": scaling.kind,
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_turns,
            "high_freq_factor": scaling.high_turns,
            "original_max_position_embeddings": scaling.original_tokens,
        }

    def _their_names(self) -> dict[str, str]:
        """Returns the file's names by those of transformers, or its own where it has no other."""
        from pinch_jax.model.decoder import abstract_params

        kinds = {name: kind for kind, name in self._gguf.MODEL_ARCH_NAMES.items()}
        table = self._gguf.get_tensor_name_map(kinds[self.architecture], self.decoder.layers)
        names, where = {}, places(self.decoder)
        for path, leaf in jax.tree_util.tree_leaves_with_path(abstract_params(self.decoder)):
            for name in tensor_names(where[path_name(path)], leaf.shape):
                stored = table.get_name(name, try_suffixes=(".weight", ".bias"))
                if stored in self._tensors:
                    names[name] = stored
        unused = self._tensors.keys() - set(names.values()) - {ROPE_FACTORS}
        return names | {name: name for name in unused}


def _halves(values: np.ndarray, head_dim: int) -> np.ndarray:
    """Returns rows [heads * H, D], each head's as halves: a pair's first members, then seconds."""
    pairs = values.reshape(-1, head_dim // 2, 2, values.shape[-1])
    return pairs.swapaxes(1, 2).reshape(values.shape)
