"""GGUF files: their names, their orders of rows, their quantisation."""

import dataclasses
import json

import gguf
import jax
import numpy as np
import pytest
from gguf_files import write_gguf
from safetensors.numpy import load_file
from small import random_params

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import parameter_shardings
from pinch_jax.errors import UserError
from pinch_jax.model.config_json import write_config
from pinch_jax.model.convert import convert
from pinch_jax.model.decoder import abstract_params
from pinch_jax.model.export import export_model
from pinch_jax.model.families import DecoderConfig, RopeScaling
from pinch_jax.model.gguf_file import GgufFile
from pinch_jax.model.loading import load_params
from pinch_jax.text.gguf_header import read_gguf_header

SHAPE = {
    "vocab_size": 32,
    "layers": 7,
    "embed_dim": 64,
    "heads": 6,
    "kv_heads": 2,
    "head_dim": 8,
    "mlp_dim": 96,
}
EVEN = SHAPE | {"heads": 4}  # transformers has no Gemma whose heads do not divide its width
PLAIN = {
    "activation": "silu",
    "norm_offset": False,
    "post_norms": False,
    "qk_norm": False,
    "scale_embeddings": False,
}
DECODERS = {
    "llama": DecoderConfig(
        **SHAPE,
        **PLAIN,
        tied_embeddings=False,
        rope_theta=500_000.0,
        rope_local_theta=500_000.0,
        rope_scaling=RopeScaling("llama3", 32.0),
        rope_local_scaling=RopeScaling("llama3", 32.0),
    ),
    "qwen2": DecoderConfig(**SHAPE, **PLAIN, qkv_bias=True),
    "qwen3": DecoderConfig(**SHAPE, **PLAIN | {"qk_norm": True}),
    "gemma2": DecoderConfig(
        **EVEN,
        qk_norm=False,
        window=16,
        window_pattern=2,
        attention_softcap=50.0,
        logit_softcap=30.0,
    ),
    "gemma3": DecoderConfig(
        **EVEN,
        window=16,
        window_pattern=6,
        rope_theta=1e6,
        rope_scaling=RopeScaling("linear", 8.0),
    ),
}
METADATA = {
    "gemma2": {
        "attention.sliding_window": 16,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    "gemma3": {
        "attention.sliding_window": 16,
        "rope.scaling.type": "linear",
        "rope.scaling.factor": 8.0,
    },
}


def llama3_divisors(base, size, factor):
    """Returns what Llama 3's reference divides each frequency by, one by one."""
    divisors = []
    for i in range(0, size, 2):
        wavelength = 2 * np.pi * base ** (i / size)
        if wavelength < 8192 / 4:
            divisors.append(1.0)
        elif wavelength > 8192 / 1:
            divisors.append(factor)
        else:
            smooth = (8192 / wavelength - 1) / (4 - 1)
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(divisors, np.float32)


def written(architecture, directory, kinds=(), more=None, decoder=None):
    """Returns (the tensors of transformers, the file) of random parameters as a GGUF."""
    decoder = decoder or DECODERS[architecture]
    config = write_config(decoder, max_position_embeddings=128)
    export_model(directory / "peer", config, random_params(decoder))
    tensors = load_file(directory / "peer" / "model.safetensors")
    extra = dict(more or {})
    if decoder.rope_scaling and decoder.rope_scaling.kind == "llama3":
        extra.setdefault("rope_freqs.weight", llama3_divisors(decoder.rope_theta, 8, 32.0))
    # As in every file for llama.cpp: no head of its own, a field set to its default, or none.
    named = config | {"head_dim": decoder.head_dim}
    path = directory / "model.gguf"
    chosen = {name: gguf.GGMLQuantizationType[kind] for name, kind in dict(kinds).items()}
    metadata = METADATA.get(architecture, {})
    write_gguf(path, architecture, named, tensors | extra, chosen, metadata)
    return tensors, path


@pytest.mark.parametrize("architecture", DECODERS)
def test_a_file_holds_the_same_model_as_the_directory_it_came_from(architecture, tmp_path):
    tensors, path = written(architecture, tmp_path)
    source = GgufFile(path)
    assert source.decoder == DECODERS[architecture]
    convert(path, tmp_path / "target")
    again = load_file(tmp_path / "target" / "model.safetensors")
    assert again.keys() == tensors.keys()
    for name, value in tensors.items():
        # A norm's offset from one is rounded when one is added; all else is the same to the bit.
        rounding = 2e-7 if "gemma" in architecture and "norm" in name else 0
        np.testing.assert_allclose(again[name], value, atol=rounding, rtol=0, err_msg=name)
    config = json.loads((tmp_path / "target" / "config.json").read_text())
    assert (config["max_position_embeddings"], config["eos_token_id"]) == (128, 2)


def test_rotations_are_those_that_llama_cpp_makes_of_the_metadata(tmp_path):
    def scaling(**metadata):
        told = {f"rope.{name}": value for name, value in metadata.items()}
        config = write_config(DECODERS["qwen3"], max_position_embeddings=131_072)
        named = config | {"head_dim": DECODERS["qwen3"].head_dim}
        write_gguf(tmp_path / "rope.gguf", "qwen3", named, tensors, {}, told)
        return GgufFile(tmp_path / "rope.gguf").decoder.rope_scaling

    tensors, _ = written("qwen3", tmp_path)
    yarn = {"scaling.type": "yarn", "scaling.factor": 4.0}
    # As in files whose context was made longer: 131,072 tokens out of 32,768.
    longer = scaling(**yarn, **{"scaling.original_context_length": 32_768})
    assert (longer.kind, longer.original_tokens) == ("yarn", 32_768)
    assert scaling(**yarn).original_tokens == 131_072
    assert scaling(**{"scaling.factor": 8.0}) == RopeScaling("linear", 8.0)
    # The first is how another converter calls the bases of Gemma 3.
    for wrong in ("global.freq_base", "scaling.attn_factor"):
        with pytest.raises(UserError, match=rf"qwen3\.rope\.{wrong}=2\.0 is not supported"):
            scaling(**{wrong: 2.0})
    with pytest.raises(UserError, match=r"partial_rotary_factor=0\.5 is not supported"):
        scaling(dimension_count=DECODERS["qwen3"].head_dim // 2)


def test_every_end_of_a_turn_that_a_file_names_or_that_is_known_by_name_is_kept(tmp_path):
    tensors, _ = written("llama", tmp_path)
    config = write_config(DECODERS["llama"], max_position_embeddings=128)
    tokens = ["mine", "a", "</s>", "<|eot_id|>", "<|eot|>", "<end_of_turn>"]
    write_gguf(tmp_path / "ends.gguf", "llama", config | {"head_dim": 8}, tensors, {}, {}, tokens)
    assert GgufFile(tmp_path / "ends.gguf").config_json["eos_token_id"] == [2, 0, 3, 5]


def test_quantised_rows_are_dequantised_where_the_mesh_wants_them(tmp_path):
    kinds = {
        "model.embed_tokens.weight": "Q8_0",
        "model.layers.3.self_attn.q_proj.weight": "Q8_0",
        "model.layers.0.mlp.gate_proj.weight": "Q5_0",
        "model.layers.0.mlp.down_proj.weight": "F16",
        "model.layers.1.self_attn.k_proj.weight": "BF16",
    }
    tensors, path = written("llama", tmp_path, kinds)
    source = GgufFile(path)
    mesh = make_mesh(MeshConfig(2, 2, 2))
    shardings = parameter_shardings(mesh, abstract_params(source.decoder))
    plain = load_params(source, source.decoder)
    placed = load_params(source, source.decoder, shardings=shardings)
    assert all(map(np.array_equal, jax.tree.leaves(plain), jax.tree.leaves(placed)))
    query = plain["layers"]["attention"]["query"][3].reshape(64, 48).T
    step = np.abs(tensors["model.layers.3.self_attn.q_proj.weight"]).max() / 127
    error = np.abs(query - tensors["model.layers.3.self_attn.q_proj.weight"]).max()
    assert 0 < error <= step
    norm = source.read("model.norm.weight", (slice(3, 9),))
    assert np.array_equal(norm, tensors["model.norm.weight"][3:9])
    down = plain["layers"]["feedforward"]["down"][0].T
    assert np.array_equal(
        down, tensors["model.layers.0.mlp.down_proj.weight"].astype(np.float16).astype(np.float32)
    )


def test_what_a_file_has_too_much_is_listed(tmp_path):
    _, path = written("llama", tmp_path, more={"blk.0.attn_q.bias": np.ones(48, np.float32)})
    source = GgufFile(path)
    with pytest.raises(ValueError, match=r"do not fit: left over blk\.0\.attn_q\.bias$"):
        load_params(source, source.decoder)


def test_a_file_that_is_not_supported_says_why(tmp_path):
    with pytest.raises(UserError, match="no GGUF file at"):
        GgufFile(tmp_path / "absent.gguf")
    divisors = llama3_divisors(500_000.0, 8, 32.0)
    divisors[1] *= 1.1
    _, path = written("llama", tmp_path, more={"rope_freqs.weight": divisors})
    with pytest.raises(ValueError, match=r"rope_freqs\.weight is not the scaling of Llama 3"):
        GgufFile(path)
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match=r"general\.architecture='mamba' is not supported"):
        GgufFile(tmp_path / "other.gguf")


def test_the_head_of_a_file_is_read_as_the_library_reads_it(tmp_path):
    path = tmp_path / "all.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
        getattr(writer, f"add_{kind}")(f"a.{kind}", 100)
    writer.add_float32("a.float32", 0.1)
    writer.add_float64("a.float64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "नमस्ते")
    writer.add_array("a.strings", ["", "\u2581a", "\x00"])
    writer.add_array("a.numbers", [-1, 2**20])
    writer.add_array("a.floats", [0.5, -1000.0])
    writer.add_array("a.bools", [True, False])
    writer.add_custom_alignment(128)
    rng = np.random.default_rng(0)
    for rows in (1, 2, 3):
        writer.add_tensor(f"t{rows}", rng.normal(size=(rows, 32)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    library = gguf.GGUFReader(path)
    metadata, tensors = read_gguf_header(path)
    told = {name: field.contents() for name, field in library.fields.items()}
    assert metadata == {name: v for name, v in told.items() if not name.startswith("GGUF.")}
    assert [*tensors] == [tensor.name for tensor in library.tensors]
    for tensor in library.tensors:
        shape = tuple(tensor.shape[::-1].tolist())
        assert tensors[tensor.name] == (shape, tensor.tensor_type, tensor.data_offset)


def test_a_file_that_is_damaged_says_so(tmp_path):
    _, path = written("llama", tmp_path)
    content, damaged = path.read_bytes(), tmp_path / "damaged.gguf"
    writer = gguf.GGUFWriter(tmp_path / "numbers.gguf", "llama")
    writer.add_array("a.numbers", [*range(100)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    for part, message in (
        (b"GGML" + content[4:], "is not a GGUF file"),
        (content[:4] + b"\x01" + content[5:], "is of GGUF version 1; only 2 and 3 are read"),
        (content[:6], "is cut short or damaged"),
        (content[:24], "is cut short or damaged"),
        (content[:60], "is cut short or damaged"),
        (content[:400], "is cut short or damaged"),
        ((tmp_path / "numbers.gguf").read_bytes()[:-40], "it ends within a value"),
    ):
        damaged.write_bytes(part)
        with pytest.raises(ValueError, match=message):
            GgufFile(damaged)


@pytest.mark.parametrize(("architecture", "layers"), [("gemma2", 46), ("gemma3", 62)])
def test_the_largest_gemmas_scale_their_queries_by_the_width(architecture, layers, tmp_path):
    deep = dataclasses.replace(DECODERS[architecture], layers=layers, query_scale=64 // 4)
    _, path = written(architecture, tmp_path, decoder=deep)
    assert GgufFile(path).decoder == deep
