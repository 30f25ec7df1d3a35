"""Small tokenizers of each kind, trained on the hard texts, as files of models are."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import chat_templates
import sentencepiece
from hard_texts import EMOJI, WORDS
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

import pinch_jax

BUNDLED = Path(pinch_jax.__file__).parent / "assets" / "tiny"
SENTENCES = (*WORDS, *EMOJI, "the quick brown fox jumps over the lazy dog  and   sleeps") * 3
# Of Gemma's kind, what is found whole in a text.
MARKUP = ["\n", "\n\n", "\t", "\u2581\u2581", "\u2581\u2581\u2581", "<table>"]
# How the families cut words, numbers, signs and blanks.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")
TURNS = ("START_OF_TURN", "END_OF_TURN", "USER", "CHATBOT", "SYSTEM")
ROLES = ("system", "developer", "user", "assistant")


def write_bundled(directory: Path) -> None:
    """Writes the bundled tokenizer as other models have theirs: line ends are tokens."""
    model = ModelProto.FromString((BUNDLED / "tokenizer.model").read_bytes())
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.name, model.normalizer_spec.precompiled_charsmap = "identity", b""
    (directory / "tokenizer.model").write_bytes(model.SerializeToString())


def train_merges(dummy_prefix: bool = False) -> bytes:
    """Returns a SentencePiece model of merges and bytes: Gemma's, or with a prefix Llama 2's."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        control_symbols=["<start_of_turn>", "<end_of_turn>"],
        user_defined_symbols=[] if dummy_prefix else MARKUP,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=dummy_prefix,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def write_byte_level(
    directory: Path,
    pattern: str,
    control: list[str],
    markup: list[str],
    config: dict[str, Any],
    composes: bool = False,
    keeps_tokens: bool = False,
) -> Path:
    """Writes a tokenizer.json of bytes and its tokenizer_config.json: Llama 3's or Qwen's."""
    library = Tokenizer(models.BPE(ignore_merges=keeps_tokens))
    library.normalizer = normalizers.NFC() if composes else None
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(SENTENCES, trainer)
    if keeps_tokens:  # one that no merges make
        told = json.loads(library.to_str())
        told["model"]["vocab"]["\u0120zebra"] = len(told["model"]["vocab"])
        library = Tokenizer.from_str(json.dumps(told))
    library.add_special_tokens([AddedToken(p, special=True, normalized=False) for p in control])
    library.add_tokens([AddedToken(p, special=False, normalized=False) for p in markup])
    bos = config.get("bos_token")
    if bos and "add_bos_token" not in config:
        id = library.token_to_id(bos)
        library.post_processor = processors.TemplateProcessing(
            f"{bos} $A", special_tokens=[(bos, id)]
        )
    directory.mkdir(parents=True, exist_ok=True)
    library.save(str(directory / "tokenizer.json"))
    text = json.dumps(config | {"tokenizer_class": "PreTrainedTokenizerFast"})
    (directory / "tokenizer_config.json").write_text(text)
    return directory


def write_llama3(directory: Path, template: str | None = None) -> Path:
    """Writes a tokenizer as of Llama 3; the config does not say that texts begin with BOS."""
    control = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    config = {"bos_token": control[0], "eos_token": control[3]}
    if template:
        config["chat_template"] = template
    return write_byte_level(directory, LLAMA3, control, [], config, keeps_tokens=True)


def write_qwen(directory: Path, template: str | None = None) -> Path:
    """Writes a tokenizer as of Qwen 3: without BOS, with markup that is not control."""
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    config = {
        "add_bos_token": False,
        "bos_token": None,
        "eos_token": control[2],
        "pad_token": control[0],
    }
    if template:
        config["chat_template"] = template
    markup = ["<think>", "</think>", "<tool_call>"]
    return write_byte_level(directory, QWEN, control, markup, config, composes=True)


def write_newer(directory: Path, name: str) -> Path:
    """Writes a tokenizer in the manner of a newer family, by the name of its chat template."""
    pattern, control, config = {
        # Cohere composes characters, and cuts digits apart.
        "AYA": (
            r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            ["<BOS_TOKEN>", "<PAD>", *(f"<|{name}_TOKEN|>" for name in TURNS)],
            {"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>"},
        ),
        "OLMO": (
            LLAMA3,
            ["<|endoftext|>", "<|pad|>"],
            {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "add_bos_token": False},
        ),
        "SMOLLM": (
            LLAMA3,
            ["<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"],
            {"bos_token": None, "eos_token": "<|im_end|>", "add_bos_token": False},
        ),
        "APERTUS": (
            QWEN,
            ["<s>", "</s>", *(f"<|{role}_{end}|>" for role in ROLES for end in ("start", "end"))],
            {"bos_token": "<s>", "eos_token": "<|assistant_end|>"},
        ),
        "GEMMA4": (
            LLAMA3,
            ["<bos>", "<eos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>"],
            {"bos_token": "<bos>", "eos_token": "<turn|>"},
        ),
    }[name]
    config = config | {"chat_template": getattr(chat_templates, name)}
    markup = ["<think>", "</think>"] if name == "SMOLLM" else []
    return write_byte_level(directory, pattern, control, markup, config, composes=name == "AYA")


class Kind(NamedTuple):
    """One of many kinds of tokenizer.json: its parts, and what holds of the tokens added to it."""

    model: str
    normalizer: Any = None
    pre_tokenizer: Any = None
    flags: tuple[str, ...] = ()
    begins: bool = False


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
WHOLE_BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
PREPENDED = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
KINDS = {
    "first": Kind("bpe", None, pre_tokenizers.Metaspace("▁", "first", split=False)),
    "first and split": Kind("unigram", None, pre_tokenizers.Metaspace("▁", "first")),
    "always": Kind("unigram", normalizers.NFKC(), pre_tokenizers.Metaspace("▁", "always")),
    "never": Kind("bpe", None, pre_tokenizers.Metaspace("▁", "never", split=False), begins=True),
    "prepended": Kind("bpe", PREPENDED, begins=True),
    "blanks on the left": Kind("bpe", normalizers.NFC(), BYTES, ("lstrip",)),
    "blanks on the right": Kind("bpe", None, BYTES, ("rstrip",), begins=True),
    "blanks on both sides": Kind(
        "unigram",
        None,
        pre_tokenizers.Metaspace("▁", "first"),
        ("lstrip", "rstrip"),
    ),
    "normalized": Kind("whole", normalizers.Lowercase(), BYTES, ("normalized",)),
    "a blank before words": Kind("bpe", None, pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "digits": Kind("bpe", None, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), BYTES])),
    "blanks behind words": Kind(
        "whole",
        None,
        pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(r"\s+"), "merged_with_previous"), WHOLE_BYTES]
        ),
    ),
    "tokens of words": Kind("wordpiece", None, pre_tokenizers.BertPreTokenizer()),
    "words": Kind("wordlevel", None, pre_tokenizers.Whitespace()),
}
TURN = ["<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>", "<|end|>"]
THOUGHT = ["<think>", "</think>"]


def write_kind(directory: Path, kind: Kind, template: str) -> Path:
    """Writes a tokenizer.json of a kind, which also cuts and fills, and its config."""
    unknown, shown = {"unk_token": "<unk>"}, {"show_progress": False}
    alphabet = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    sizes = {"vocab_size": 500, "special_tokens": ["<unk>"]} | shown
    # Of unigrams, and of what is a token as it stands, special tokens are in the vocabulary.
    whole = sizes | {"special_tokens": TURN}
    model, trainer = {
        "bpe": (models.BPE(**unknown), trainers.BpeTrainer(**sizes, **alphabet)),
        "whole": (models.BPE(ignore_merges=True), trainers.BpeTrainer(**whole, **alphabet)),
        "unigram": (models.Unigram(), trainers.UnigramTrainer(**whole, **unknown)),
        "wordpiece": (models.WordPiece(**unknown), trainers.WordPieceTrainer(**sizes)),
        "wordlevel": (models.WordLevel(**unknown), trainers.WordLevelTrainer(**sizes)),
    }[kind.model]
    library = Tokenizer(model)
    if kind.normalizer:
        library.normalizer = kind.normalizer
    if kind.pre_tokenizer:
        library.pre_tokenizer = kind.pre_tokenizer
    library.train_from_iterator([*SENTENCES, "user assistant dog", *["x\n\ny"] * 9], trainer)
    flags = {"normalized": False} | dict.fromkeys(kind.flags, True)
    library.add_special_tokens([AddedToken(token, normalized=False) for token in TURN[:3]])
    library.add_special_tokens([AddedToken(token, **flags) for token in TURN[3:]])
    library.add_tokens([AddedToken(token, normalized=False) for token in THOUGHT])
    if kind.begins:
        library.post_processor = processors.TemplateProcessing(
            "<s> $A", special_tokens=[("<s>", library.token_to_id("<s>"))]
        )
    library.enable_truncation(4)
    library.enable_padding(length=9, pad_token="</s>", pad_id=library.token_to_id("</s>"))
    directory.mkdir(parents=True, exist_ok=True)
    library.save(str(directory / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
    config |= {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory
