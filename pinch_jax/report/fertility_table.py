"""How finely a tokenizer cuts texts of one's own, language by language."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pinch_jax.corpus.fertility import Fertility, fertility
from pinch_jax.errors import UserError
from pinch_jax.languages import name_of
from pinch_jax.report.text_table import number, text_table
from pinch_jax.text.tokenizer import load_tokenizer

LANGUAGE = "{language}"
COLUMNS = ("tokens/word", "tokens/character", "continued words")


def fertility_tables(pattern: str, tokenizers: Sequence[str], base: str = "en") -> str:
    """Returns a table for each tokenizer, of the text files that a pattern names.

    Raises:
        UserError: no file is named so, or there is no such tokenizer.
        UserError: the pattern lacks {language}, or a file is not UTF-8 or has no text.
    """
    texts = read_texts(pattern)
    tables = []
    for path in tokenizers:
        tokenizer = load_tokenizer(path)
        counts = {code: fertility(lines, tokenizer) for code, lines in texts.items()}
        title = f"{tokenizer.path}: {tokenizer.vocab_size:,} tokens"
        tables.append(f"{title}\n\n{fertility_table(counts, base)}")
    return "\n\n".join(tables)


def read_texts(pattern: str) -> dict[str, list[str]]:
    """Returns the lines with text of each language's file, by its code."""
    path = Path(pattern).expanduser()
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


def fertility_table(counts: Mapping[str, Fertility], base: str) -> str:
    """Returns a row a language; the last column compares texts that say the same."""
    parallel = (f"tokens / {base}",) if base in counts else ()
    rows = [
        [
            name_of(code),
            f"{own.characters:,}",
            f"{own.words:,}",
            f"{own.tokens:,}",
            *fertility_cells(own),
            *(number(own.tokens / counts[base].tokens, 2) for _ in parallel),
        ]
        for code, own in counts.items()
    ]
    columns = ("language", "characters", "words", "tokens", *COLUMNS, *parallel)
    return "\n".join(text_table(columns, rows))


def fertility_cells(own: Fertility) -> tuple[str, str, str]:
    """Returns what stands under `COLUMNS`."""
    return (
        number(own.tokens_per_word, 2),
        number(own.tokens_per_character, 3),
        f"{number(100 * own.continued_fraction)} %",
    )
