"""Small tokenizers of each kind, trained on the hard texts, as files of models are."""

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
from hard_texts import EMOJI, WORDS
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

SENTENCES = (*WORDS, *EMOJI, "the quick brown fox jumps over the lazy dog  and   sleeps") * 3
# Of Gemma's kind, what is found whole in a text.
MARKUP = ["\n", "\n\n", "\t", "\u2581\u2581", "\u2581\u2581\u2581", "<table>"]
# How the families cut words, numbers, signs and blanks.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")


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
    keeps_pieces: bool = False,
) -> Path:
    """Writes a tokenizer.json of bytes and its tokenizer_config.json: Llama 3's or Qwen's."""
    library = Tokenizer(models.BPE(ignore_merges=keeps_pieces))
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
    if keeps_pieces:  # one that no merges make
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
    return write_byte_level(directory, LLAMA3, control, [], config, keeps_pieces=True)


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
