"""The files that the bad inputs are about: a small study, models and texts, whole and broken."""

import dataclasses
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from small import LLAMA_LIKE, random_params
from small_tokenizers import write_bundled

from pinch_jax.evaluate.records import RESPONSE_FIELDS
from pinch_jax.model.config_json import write_config
from pinch_jax.model.export import export_model
from pinch_jax.text.tokenizer import load_tokenizer

CONFIG = """
from ml_collections_configs import base

def get_config():
    c = base.get_config()
    c.languages = ("en", "fi")
    c.corpus.name = "own"
    c.corpus.data_dir = "{root}/corpora"
    c.corpus.train = ("jsonl:{root}/train.{{language}}.jsonl",)
    c.corpus.heldout = ("jsonl:{root}/heldout.{{language}}.jsonl",)
    c.mixture.examples = 8
    c.mixture.spec = "pinch:25"
    c.model.source = ""
    c.model.tokenizer = "{root}/tokenizer"
    c.model.decoder = dict(
        vocab_size=5120, layers=1, embed_dim=16, heads=2, kv_heads=1, head_dim=8, mlp_dim=16
    )
    c.batch.rows = 2
    c.batch.examples = 2
    c.batch.row_tokens = c.batch.row_supervised_tokens = c.evaluate.prompt_tokens = 64
    c.train.epochs = 3
    c.train.checkpoint_period_steps = 2
    c.evaluate.prompts = 2
    c.evaluate.rows = 2
    c.evaluate.loss_prompts = 2
    c.evaluate.new_tokens = 2
    c.study.experiments = ("monolingual",)
    return c
"""
WORDS = {"en": "Which number follows {}, and why?", "fi": "Mikä luku seuraa lukua {}, ja miksi?"}
GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
]
SURROGATE = '{"prompt": "half of a pair: \\ud83d"}'
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def rows(code: str, split: str, count: int) -> list[dict[str, str]]:
    """Returns examples, each like no other one."""
    shift = 0 if split == "train" else 8
    return [
        {
            "id": f"{split}-{n}",
            "prompt": WORDS[code].format(" ".join(GREEK[(n + shift + k) % 16] for k in (0, 3, 5))),
            "response": f"{code} {GREEK[(n + shift) % 16]} {n}.",
        }
        for n in range(count)
    ]


def lines(path: Path, records: Any) -> None:
    """Writes JSON lines."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")


def write_study(root: Path) -> None:
    """Writes the config of a small study, its corpus and its tokenizer."""
    (root / "config.py").write_text(CONFIG.format(root=root))
    (root / "tokenizer").mkdir()
    write_bundled(root / "tokenizer")
    for code in WORDS:
        lines(root / f"train.{code}.jsonl", rows(code, "train", 8))
        lines(root / f"heldout.{code}.jsonl", rows(code, "heldout", 4))


def write_files(root: Path) -> None:
    """Writes what is whole and what is broken."""
    write_study(root)
    _write_configs(root)
    _write_texts(root)
    _write_responses(root)
    _write_sources(root)
    _write_models(root)
    (root / "a_file").write_text("not a folder")
    (root / "a_folder").mkdir()
    (root / "study").mkdir()
    (root / "study/config.json").write_text("{}")


def _write_configs(root: Path) -> None:
    for name, text in {
        "no_python": "def get_config(:\n",
        "no_function": "x = 1\n",
        "raises": "def get_config():\n    raise RuntimeError('my own fault')\n",
        "value": "def get_config():\n    return int('my own number')\n",
        "opens": "def get_config():\n    open('my_own_file')\n",
        "returns_number": "def get_config():\n    return 3\n",
        "wrong_type": CONFIG.format(root=root).replace(
            "    return c\n", "    c.train.learning_rate = '1e-3'\n    return c\n"
        ),
        "imports": "import a_module_that_is_not_there\n",
        "empty_dict": "import ml_collections\n\ndef get_config():\n"
        "    return ml_collections.ConfigDict()\n",
        "returns_none": "def get_config():\n    return None\n",
        "extra": CONFIG.format(root=root).replace(
            "    return c\n", "    c.train.rate = 1\n    return c\n"
        ),
    }.items():
        (root / f"{name}.py").write_text(text)


def _write_texts(root: Path) -> None:
    good = '{"prompt": "A question?"}\n'
    for name, content in {
        "nothing": "",
        "blank": "\n \n\t\n",
        "null": good + '{"prompt": null}\n',
        "number": good + '{"prompt": 3}\n',
        "nested": good + '{"prompt": {"text": "A question?"}}\n',
        "empty": good + '{"prompt": ""}\n',
        "spaces": good + '{"prompt": " \\u3000 "}\n',
        "other": good + '{"question": "A question?"}\n',
        "list": good + '["A question?"]\n',
        "text": good + '"A question?"\n',
        "cut": good + '{"prompt": "A ques',
        "single": good + "{'prompt': 'A question?'}\n",
        "nan": good + '{"prompt": "A question?", "weight": NaN}\n',
        "huge": good + '{"prompt": "A question?", "weight": 1e999}\n',
        "surrogate": good + SURROGATE + "\n",
        "surrogate_name": good + '{"prompt": "a", "\\udc00": 1}\n',
        "pointer": LFS,
        "list_of_null": '[{"prompt": "A question?"}, null]\n',
        "list_cut": '[{"prompt": "A question?"},\n',
        "object_cut": '{\n "prompt": "A question?",\n',
    }.items():
        (root / f"{name}.jsonl").write_text(content, encoding="utf-8")
        scored = content.replace('"prompt"', '"text"')
        (root / f"{name}_text.jsonl").write_text(scored, encoding="utf-8")
    (root / "utf16.jsonl").write_text(good, encoding="utf-16")
    (root / "latin.jsonl").write_bytes('{"prompt": "Käsi?"}\n'.encode("latin-1"))
    (root / "zeros.jsonl").write_bytes(bytes(64))
    (root / "good.jsonl").write_text(good)
    # One file of two names, as on a disk that knows no case.
    (root / "same.jsonl").hardlink_to(root / "good.jsonl")
    (root / "good_text.jsonl").write_text(good.replace("prompt", "text"))
    deep = "[" * 100_000 + "]" * 100_000
    (root / "deep.jsonl").write_text(good + '{"prompt": ' + deep + "}\n")
    ids = {
        "both": '{"text": "a", "ids": [1]}',
        "ids_text": '{"ids": "1 2"}',
        "ids_float": '{"ids": [1.5]}',
        "ids_true": '{"ids": [true]}',
        "ids_none": '{"ids": []}',
        "ids_large": '{"ids": [5, 99999]}',
        "ids_negative": '{"ids": [-1]}',
        "ids_null": '{"ids": null}',
    }
    for name, line in ids.items():
        (root / f"{name}.jsonl").write_text(line + "\n")


def _write_responses(root: Path) -> None:
    base = dict.fromkeys(RESPONSE_FIELDS, "") | {"language": "en", "response": "It is four."}
    good = [base | {"id": str(n), "prompt": f"What is two and {n}?"} for n in range(2)]
    lines(root / "base.jsonl", good)
    for field in RESPONSE_FIELDS:
        lines(
            root / f"without_{field}.jsonl",
            [{k: v for k, v in r.items() if k != field} for r in good],
        )
        lines(root / f"null_{field}.jsonl", [r | {field: None} for r in good])
        lines(root / f"number_{field}.jsonl", [r | {field: 7} for r in good])
    lines(root / "twice.jsonl", [*good, good[0]])
    lines(root / "fewer.jsonl", good[:1])
    lines(root / "other_prompt.jsonl", [r | {"prompt": "Another one?"} for r in good])
    lines(root / "klingon.jsonl", [r | {"language": "xx"} for r in good])
    lines(root / "no_language.jsonl", [r | {"language": ""} for r in good])
    lines(root / "no_id.jsonl", [r | {"id": ""} for r in good])
    lines(root / "sealed.jsonl", [r | {"checksum": "0" * 16} for r in good])
    (root / "half.jsonl").write_text(json.dumps(good[0] | {"response": "\ud83d"}) + "\n")
    lines(root / "verdicts_of_others.jsonl", [{"id": "0", "winner": "candidate"}])


def _write_sources(root: Path) -> None:
    for name, record in {
        "source_null": {"id": "1", "prompt": None, "response": "x"},
        "source_number": {"id": "1", "prompt": 5, "response": "x"},
        "source_empty": {"id": "1", "prompt": " ", "response": "x"},
        "source_no_response": {"id": "1", "prompt": "A question?", "response": ""},
        "source_no_prompt": {"id": "1", "response": "x"},
        "source_list": ["A question?", "x"],
        "source_half": {"id": "1", "prompt": "\ud83d", "response": "x"},
    }.items():
        for code in WORDS:
            (root / f"{name}.{code}.jsonl").write_text(json.dumps(record) + "\n")
    lines(root / "source_twice.en.jsonl", 2 * rows("en", "train", 1))
    lines(root / "source_twice.fi.jsonl", 2 * rows("fi", "train", 1))
    lines(root / "source_apart.en.jsonl", rows("en", "train", 2))
    lines(
        root / "source_apart.fi.jsonl", [r | {"id": "x" + r["id"]} for r in rows("fi", "train", 2)]
    )
    lines(root / "source_only.en.jsonl", rows("en", "train", 2))
    for code in WORDS:
        (root / f"source_gone.{code}.jsonl").write_text("")
        (root / f"source.{code}.xlsx").write_text("a,b\n")
        (root / f"source.{code}.parquet").write_bytes(b"PAR1")
        (root / f"source.{code}.tsv").write_text("index_id\tcategory\ttext\n1\tscience\n")
        (root / f"source_cut.{code}.jsonl.gz").write_bytes(gzip.compress(b'{"id": "1"}\n')[:-9])


def _write_models(root: Path) -> None:
    decoder = dataclasses.replace(LLAMA_LIKE, vocab_size=5120)
    params = random_params(decoder)
    good = root / "model"
    config = write_config(decoder, eos_token_id=1)
    tokenizer = load_tokenizer(root / "tokenizer")
    export_model(good, config, params, tokenizer=tokenizer)

    def changed(name: str) -> Path:
        return Path(shutil.copytree(good, root / f"model_{name}"))

    weights = "model.safetensors"
    (changed("lfs") / weights).write_text(LFS)
    (changed("empty") / weights).write_bytes(b"")
    (changed("garbage") / weights).write_bytes(b"garbage" * 99)
    content = (good / weights).read_bytes()
    (changed("cut") / weights).write_bytes(content[: len(content) // 2])
    (changed("header") / weights).write_bytes(content[:40])
    (changed("no_weights") / weights).unlink()
    (changed("no_config") / "config.json").unlink()
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        stem = name.partition(".")[0]
        (changed(f"{stem}_cut") / name).write_text('{"model_type": "llama",')
        (changed(f"{stem}_list") / name).write_text("[]")
        (changed(f"{stem}_lfs") / name).write_text(LFS)
        (changed(f"{stem}_latin") / name).write_bytes(b'{"a": "\xe4"}')
    for field, value in {
        "model_type": "bloom",
        "hidden_size": None,
        "vocab_size": 64,
        "num_hidden_layers": 9,
        "num_attention_heads": "six",
        "rope_theta": -1.0,
        "hidden_act": "relu",
        "num_key_value_heads": 4,
    }.items():
        told = json.loads((good / "config.json").read_text()) | {field: value}
        if value is None:
            del told[field]
        (changed(field) / "config.json").write_text(json.dumps(told))
    split = changed("index_empty")
    (split / weights).unlink()
    (split / "model.safetensors.index.json").write_text("{}")
    split = changed("index_list")
    (split / weights).unlink()
    (split / "model.safetensors.index.json").write_text("[]")
    split = changed("index_gone")
    (split / weights).unlink()
    told = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (split / "model.safetensors.index.json").write_text(json.dumps(told))
    for name, text in {
        "tokenizer_cut": '{"model": {',
        "tokenizer_bad": '{"model": {"type": "X"}}',
    }.items():
        broken = changed(name)
        for file in broken.glob("tokenizer*"):
            file.unlink()
        (broken / "tokenizer.json").write_text(text)
    bare = changed("no_tokenizer")
    for file in bare.glob("tokenizer*"):
        file.unlink()
    nan = changed("nan")
    shutil.rmtree(nan)
    lost = params | {"embedding": np.full_like(params["embedding"], np.nan)}
    export_model(nan, config, lost, tokenizer=tokenizer)
    _write_ggufs(root)
    ours = root / "ours"
    ours.mkdir()
    (ours / "model.json").write_text("{}")


def _write_ggufs(root: Path) -> None:
    import gguf

    def write(name: str, fill: Any) -> None:
        writer = gguf.GGUFWriter(root / f"{name}.gguf", "llama")
        fill(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def split(writer: gguf.GGUFWriter) -> None:
        writer.add_uint16("split.count", 2)
        writer.add_uint16("split.no", 0)

    def vocabulary(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(["<s>", "a"])

    def adapter(writer: gguf.GGUFWriter) -> None:
        writer.add_string("general.type", "adapter")

    write("gguf_split", split)
    write("gguf_vocabulary", vocabulary)
    write("gguf_adapter", adapter)
    write("gguf_plain", lambda writer: None)
    (root / "gguf_empty.gguf").write_bytes(b"")
    (root / "gguf_garbage.gguf").write_bytes(b"garbage" * 9)
    (root / "gguf_old.gguf").write_bytes(b"GGUF\x01\x00\x00\x00" + bytes(16))
    content = (root / "gguf_vocabulary.gguf").read_bytes()
    (root / "gguf_cut.gguf").write_bytes(content[: len(content) // 2])
    (root / "gguf_lfs.gguf").write_text(LFS)
