"""Tokenizers against those of transformers, on texts of one's own and on hard ones.

    python tests/parity/tokenizers_table.py --texts=TEXTS.txt --texts=TEXTS.json \\
        --tokenizer=gemma3=DIRECTORY --tokenizer=qwen3=DIRECTORY --gguf=gemma3=FILE.gguf

A directory holds the tokenizer.json and tokenizer_config.json of a model; of a .txt file each line
is a text, of a .json file each string in it; besides, each file's texts by tens, joined by line
ends. For each directory it compares

    tokenizer.json   what is read from the directory
    GGUF             the vocabulary of the file given by --gguf, or, where none is given, of one
                     written from the directory as the converter of llama.cpp would
    saved            what is saved of that, loaded by transformers
    chat template    prompts in the model's own template

with what transformers makes of the directory, text that looks like a special token taken as text.
A text differs if one of its ids does, or if its ids are another text. Texts that hold what looks
like a token are told apart: the files of a family do not agree which of them are special tokens.
As prompts they are left out: transformers encodes such a token apart from what is around it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent.parent))

from gguf_vocabularies import of_tokenizer_json, write_vocabulary
from hard_texts import HARD_TEXTS, LOOKALIKES

from pinch_jax.text.base import Tokenizer
from pinch_jax.text.template import make_renderer
from pinch_jax.text.tokenizer import load_tokenizer

# By what the patterns of a tokenizer.json of bytes begin with; SentencePiece has none.
LLAMA3, TEKKEN = r"\p{N}{1,3}", r"\p{Lu}"


class Row(NamedTuple):
    """How many texts were compared, how many tokens they have, and those that differ."""

    family: str
    source: str
    texts: int
    tokens: int
    different: list[str]


def read(path: Path) -> list[str]:
    """Returns the texts of a file, and the same by tens."""
    content = path.read_text(encoding="utf-8")
    texts = [*strings(json.loads(content))] if path.suffix == ".json" else content.splitlines()
    return [*texts, *("\n".join(texts[i : i + 10]) for i in range(0, len(texts), 10))]


def strings(value: Any) -> Iterator[str]:
    """Yields all strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for held in value.values() if isinstance(value, dict) else value:
            yield from strings(held)


def reference(directory: Path) -> Any:
    """Returns transformers' tokenizer, which takes what looks like a special token as text."""
    return AutoTokenizer.from_pretrained(directory, split_special_tokens=True)


def different(
    texts: Sequence[str], theirs: Any, ours: Tokenizer | None = None, loaded: Any = None
) -> tuple[int, list[str]]:
    """Returns the tokens of all texts, and those texts that `ours` or `loaded` has otherwise."""
    tokens, found = 0, []
    for text in texts:
        expected = theirs(text)["input_ids"]
        if ours is not None:
            ids = ([ours.bos_id] if ours.adds_bos else []) + ours.encode(text)
            again = ours.decode(ids)
        else:
            ids = loaded(text)["input_ids"]
            again = decode(loaded, ids)
        tokens += len(expected)
        if ids != expected or again != decode(theirs, expected):
            found.append(text)
    return tokens, found


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """Returns the text of ids, as transformers decodes it without special tokens."""
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def different_prompts(
    texts: Sequence[str], theirs: Any, ours: Tokenizer
) -> tuple[int, int, list[str]]:
    """Returns how many prompts were compared, their tokens, and those that differ."""
    renderer = make_renderer(ours, "chat")
    count, tokens, found = 0, 0, []
    for text in texts:
        if any(token in text for token in theirs.get_added_vocab() if token.strip("\u2581\n\t ")):
            continue
        expected = theirs.apply_chat_template(
            [{"role": "user", "content": text}],
            add_generation_prompt=True,
            enable_thinking=False,
            # What templates write where they are not told the day.
            date_string="26 Jul 2024",
            tokenizer_kwargs={"split_special_tokens": False},
        )["input_ids"]
        count, tokens = count + 1, tokens + len(expected)
        if renderer.prompt(text) != expected:
            found.append(text)
    return count, tokens, found


def splitting(directory: Path) -> str:
    """Returns what a GGUF file calls the pre-tokenizer of a tokenizer.json."""
    pattern = json.dumps(json.loads((directory / "tokenizer.json").read_text())["pre_tokenizer"])
    pattern = pattern.replace("\\\\", "\\")
    return "llama-bpe" if LLAMA3 in pattern else "tekken" if TEKKEN in pattern else "qwen2"


def compare(family: str, directory: Path, gguf: Path | None, texts: Sequence[str]) -> Iterator[Row]:
    """Yields the rows of a family."""
    theirs = reference(directory)
    ours = load_tokenizer(directory)
    yield Row(family, "tokenizer.json", len(texts), *different(texts, theirs, ours))
    with tempfile.TemporaryDirectory() as name:
        written, saved = Path(name) / "vocabulary.gguf", Path(name) / "saved"
        if gguf is None:
            write_vocabulary(written, of_tokenizer_json(directory, splitting(directory)))
        held = load_tokenizer(gguf or written)
        source = "GGUF" if gguf else "GGUF written from it"
        yield Row(family, source, len(texts), *different(texts, theirs, held))
        saved.mkdir()
        held.save(saved)
        loaded = reference(saved)
        yield Row(
            family, "saved, by transformers", len(texts), *different(texts, theirs, None, loaded)
        )
    if ours.chat_template:
        yield Row(family, "chat template", *different_prompts(texts, theirs, ours))


def main() -> None:
    """Prints the table, and below it the texts that differ; look-alikes are among the texts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    pair: Callable[[str], tuple[str, ...]] = lambda told: tuple(told.split("=", 1))  # noqa: E731
    parser.add_argument("--texts", type=Path, action="append", default=[])
    parser.add_argument("--tokenizer", type=pair, action="append", required=True)
    parser.add_argument("--gguf", type=pair, action="append", default=[])
    told = parser.parse_args()
    texts = [text for path in told.texts for text in read(path)] + list(HARD_TEXTS)
    files = {family: Path(path) for family, path in told.gguf}
    found = []
    heads = ("texts", "tokens", "different", "look-alikes")
    print(f"{'family':14}{'source':24}" + "".join(f"{head:>12}" for head in heads))
    for family, directory in told.tokenizer:
        for row in compare(family, Path(directory), files.get(family), texts):
            alike = sum(text in LOOKALIKES for text in row.different)
            counts = row.texts, row.tokens, len(row.different) - alike, alike
            print(
                f"{row.family:14}{row.source:24}" + "".join(f"{n:12,}" for n in counts), flush=True
            )
            found += [(row.family, row.source, text) for text in row.different]
    for family, source, text in found:
        print(f"{family}, {source}: {text[:90]!r}")


if __name__ == "__main__":
    main()
