"""How finely a tokenizer cuts texts of one's own, language by language."""

import re
from collections.abc import Sequence
from pathlib import Path

from pinch_jax.corpus.fertility import fertility
from pinch_jax.errors import UserError
from pinch_jax.languages import name_of
from pinch_jax.report.text_table import number, text_table
from pinch_jax.storage.buckets import as_path
from pinch_jax.text.tokenizer import load_tokenizer

LANGUAGE = "{language}"
COLUMNS = ("tokens/word", "tokens/character", "continued words")


def fertility_tables(pattern: str, tokenizers: Sequence[str]) -> str:
    """Returns a table for each tokenizer, of the text files that a pattern names.

    Texts that say the same are compared with the English ones, where there are any.
    Raises:
        UserError: no file is named so, or there is no such tokenizer.
        UserError: the pattern lacks {language}, or a file is not UTF-8 or has no text.
    """
    texts = read_texts(pattern)
    parallel = ("tokens / en",) if "en" in texts else ()
    columns = ("language", "characters", "words", "tokens", *COLUMNS, *parallel)
    tables = []
    for path in tokenizers:
        tokenizer = load_tokenizer(path)
        counts = {code: fertility(lines, tokenizer) for code, lines in texts.items()}
        rows = [
            [
                name_of(code),
                *(f"{count:,}" for count in (own.characters, own.words, own.tokens)),
                *fertility_cells(
                    own.tokens_per_word, own.tokens_per_character, own.continued_fraction
                ),
                *(number(own.tokens / counts["en"].tokens, 2) for _ in parallel),
            ]
            for code, own in counts.items()
        ]
        title = f"{tokenizer.path}: {tokenizer.vocab_size:,} tokens"
        tables.append("\n".join([title, "", *text_table(columns, rows)]))
    return "\n\n".join(tables)


def read_texts(pattern: str) -> dict[str, list[str]]:
    """Returns the lines with text of each language's file, by its code."""
    path = as_path(pattern)
    if path.name.count(LANGUAGE) != 1 or LANGUAGE in str(path.parent):
        raise UserError(
            f"--texts={pattern}: write {LANGUAGE} once, in the name of the file, "
            "such as texts/{language}.txt"
        )
    before, after = path.name.split(LANGUAGE)
    named = re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
    files = {
        match[1]: file for file in path.parent.glob("*") if (match := named.fullmatch(file.name))
    }
    if not files:
        raise UserError(f"--texts={pattern}: no such file")
    return {code: _lines(files[code]) for code in sorted(files)}


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 ({error}); convert it") from None
    if not (texts := [line for line in lines if line.strip()]):
        raise UserError(f"{file}: no text in it; leave it out")
    return texts


def fertility_cells(
    tokens_per_word: float | None, tokens_per_character: float | None, continued: float | None
) -> list[str]:
    """Returns what stands under `COLUMNS`; None is a dash."""
    percent = None if continued is None else 100 * continued
    return [number(tokens_per_word, 2), number(tokens_per_character, 3), f"{number(percent)} %"]
