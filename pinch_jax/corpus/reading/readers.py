"""Corpora as they are published, read into examples: "reader:path", with options behind a "?".

    lima:PATH         train.jsonl of LIMA: the first turn and its reply
    oasst:PATH        trees or messages of OpenAssistant, 1 or 2: roots with their best-ranked
                      reply; with `?turns=` more of the path of best-ranked messages
    aya:PATH          the Aya data set, of all languages in one file; with `?language=language`
                      the Aya collection
    alpaca_farm:PATH  the evaluation set of AlpacaFarm: instructions without references
    lcb:PATH          prompts of the Language Confusion Benchmark, without references; the language
                      is the one to answer in, which a cross-lingual prompt asks for in English
    sib200:PATH       SIB-200: sentences and their topics, as instructions in 12 languages
    cldr:SPLIT        the bundled questions about facts of Unicode CLDR, train or heldout, in all
                      languages; here any prefix of either is a fair sample of it
    jsonl:PATH, parquet:PATH, tfds:DIRECTORY?split=SPLIT, hub:ORG/NAME?split=SPLIT
                      records with the fields `prompt` and `response`, which is "" where there is
                      no reference; or a conversation: `messages` or `conversation` of `role` and
                      `content`, or ShareGPT's `conversations` of `from` and `value`, perhaps with
                      a `system`; or with Alpaca's `instruction`, `input` and `output`, as those of
                      Bactrian-X; and optionally the fields of `Example`

An example is the same in two languages where its id is. Records of `lima`, `alpaca_farm` and the
last four readers may have an `id`; one without, or of `lcb` or `aya`, is known by its place, so
that every language needs as many of them (of `aya`: after `?first=N`).
"""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pinch_jax.corpus.cldr.examples import fair_examples
from pinch_jax.corpus.example import CROSSLINGUAL, Example, turn_fields
from pinch_jax.corpus.reading.conversations import (
    FORMS,
    check_beside,
    chosen,
    conversation,
    system_turn,
)
from pinch_jax.corpus.reading.hub_files import Wanted, hub_files
from pinch_jax.corpus.reading.oasst import oasst_examples
from pinch_jax.corpus.reading.rows import Row, check_text, path_of, read_rows, rows_of
from pinch_jax.corpus.reading.source import BUNDLED, HUB, Source
from pinch_jax.corpus.reading.topics import topic_examples
from pinch_jax.errors import UserError
from pinch_jax.languages import spellings

# Each row of these is an example, which may have no id but its place.
_MAY_LACK_IDS = ("lima", "alpaca_farm", "jsonl", "parquet", "tfds", HUB)
# Of these, none has one, or it is no translation of the one in another language.
_KNOWN_BY_PLACE = ("lcb", "aya")


def read_source(source: Source, language: str) -> tuple[Example, ...]:
    """Returns the examples of a source in a language, in the order of the file.

    Raises:
      UserError: as `read_parallel` does.
    """
    return read_parallel(source, [language])[language]


def read_parallel(source: Source, languages: Sequence[str]) -> dict[str, tuple[Example, ...]]:
    """Returns the examples of a source in each of some languages, in the order of the files.

    Raises:
      UserError: there is no such file, a record is not what its reader expects, an id comes
        twice, a part that is to be left out is not there, or nothing is left.
      UserError: examples that are known by their place are not as many in every language.
    """
    whole, kept = {}, {}
    for code in tqdm(languages, f"reading {source}", unit="language", delay=2, leave=False):
        try:
            if source.place:
                path, rows = str(source), rows_of(_hub_files(source, code))
            else:
                path = path_of(source.path, code)
                rows = read_rows(path, source.split.replace("{language}", code))
            whole[code] = tuple(READERS[source.reader](source, rows, code))
            kept[code] = _kept(source, code, whole[code])
            _check_ids(path, kept[code])
        except UserError as error:
            raise type(error)(
                f"{error} (read for {code!r}, which config.languages names, or for the experiment "
                "'slavic' config.study.slavic_languages: without files of these, leave that one "
                "out of config.study.experiments)"
            ) from None
    _check_places(source, kept if source.reader in _KNOWN_BY_PLACE else whole)
    return kept


def _hub_files(source: Source, language: str) -> list[Path]:
    """Returns the files of a source on the hub, for a language by whichever code names them."""
    file = source.place.removeprefix(source.repository.name)[1:]
    told = [
        [text.replace("{language}", code) for text in (file, source.config, source.split)]
        for code in (language, *spellings(language))
    ]
    return hub_files(source.repository, [Wanted(*one) for one in told])


def _kept(source: Source, language: str, examples: Sequence[Example]) -> tuple[Example, ...]:
    """Returns what is not left out, up to the first so many."""
    parts = {_part(example) for example in examples}
    if unknown := [part for part in source.without if part not in parts]:
        raise UserError(
            f"source={str(source)!r}: no part {unknown[0]!r} to leave out; "
            f"there are {sorted(parts)[:20]}"
        )
    kept = tuple(example for example in examples if _part(example) not in source.without)
    if source.first and len(kept) < source.first:
        raise UserError(
            f"source={str(source)!r}: there are only {len(kept)} examples in language="
            f"{language!r}; lower 'first', or leave it out"
        )
    if not kept:
        raise UserError(
            f"source={str(source)!r}: no example in language={language!r}; name another file"
        )
    return kept[: source.first]


def _check_ids(path: str, examples: Iterable[Example]) -> None:
    counts = collections.Counter(example.id for example in examples)
    if repeated := [identity for identity, count in counts.items() if count > 1]:
        raise UserError(
            f"{path}: {len(repeated)} ids come twice, such as {repeated[0]!r}; give each its own"
        )


def _check_places(source: Source, examples: Mapping[str, Sequence[Example]]) -> None:
    """Checks that a place is the same example everywhere, where examples are known by it."""
    by_place = source.reader in _KNOWN_BY_PLACE or (
        source.reader in _MAY_LACK_IDS
        and any(
            _id_of_place(source, place) in known
            for own in examples.values()
            for known in [{one.id.partition("#")[0] for one in own}]
            for place in range(len(own))
        )
    )
    if by_place and len({len(own) for own in examples.values()}) > 1:
        counts = ", ".join(f"{len(own)} in {code!r}" for code, own in examples.items())
        raise UserError(
            f"source={str(source)!r}: records without an `id` are paired by their place, and there "
            f"are not as many in every language: {counts}; give ids, or fill in what is missing"
        )


def _part(example: Example) -> str:
    """Returns the part of its source that an example is of: "koala" of "alpaca_farm/koala"."""
    return example.task.rpartition("/")[2]


def _lima(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields turns; a conversation of one turn, as in LIMA's test set, has no reference."""
    for row in rows:
        told = row.value("conversations", list) or [""]
        texts = [
            check_text(row.place, f"conversations[{number}]", turn)
            for number, turn in enumerate(told[:2] if source.which == "first" else told)
        ]
        turns = list(zip(itertools.cycle(("user", "assistant")), texts, strict=False))
        fact, task = _identity(source, row), f"lima/{row.text('source')}"
        for behind, fields in chosen(turns, source.which):
            yield Example(fact + behind, fact, task, language, **fields)


def _alpaca_farm(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields instructions, with what they are about below; published outputs are a model's."""
    for row in rows:
        identity, task = _identity(source, row), f"alpaca_farm/{row.text('dataset')}"
        yield Example(identity, identity, task, language, _instruction(row))


def _instruction(row: Row, field: str = "instruction") -> str:
    # The form published with AlpacaEval has no `input`: it is part of the instruction. Dolly's is
    # its `context`.
    about = [name for name in ("input", "context") if row.fields.get(name) is not None]
    texts = row.text(field), *(row.text(name, empty=True) for name in about)
    return "\n\n".join(filter(None, texts))


def _prompt(source: Source, row: Row) -> str:
    """Returns a prompt with what stands beside it, unless it says that itself."""
    whole, own = _instruction(row, "prompt"), row.text("prompt")
    if source.columns.get("prompt") == "instruction":
        return whole
    below = [row.fields.get(name) or "" for name in ("input", "context")]
    return own if all(text.strip() in own for text in below) else whole


def _lcb(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields prompts with the language to answer in; the cross-lingual ones say how that is put."""
    for row in rows:
        _check_language(row, language)
        kind = CROSSLINGUAL if "phrasing" in row.fields else "monolingual"
        part = row.text("source")
        identity = f"lcb-{kind}-{part}-{row.index}"
        yield Example(identity, identity, f"{kind}/{part}", language, row.text("prompt"))


def _check_language(row: Row, language: str) -> None:
    if not _is_in(row, "language", language):
        raise UserError(
            f"{row.place}: language={row.fields['language']!r} where {language!r} is read; "
            "keep each language in a file of its own, with {language} in the path"
        )


def _is_in(row: Row, field: str, language: str) -> bool:
    return row.text(field) in (language, *spellings(language))


def _with_our_names(source: Source, rows: Iterable[Row], language: str) -> Iterator[Row]:
    """Yields the records of a language by the columns that have other names, counted anew."""
    columns = dict(source.all_columns)
    column = columns.pop("language", None)
    if column:
        rows = (row for row in rows if _is_in(row, column, language))
    # What a column is named for, it is not by its own name too: an `answer` may be a response.
    taken = {columns.get("prompt"), columns.get("response")}
    for index, row in enumerate(rows):
        fields = {name: value for name, value in row.fields.items() if name not in taken}
        fields |= {name: row.value(c, object) for name, c in columns.items()}
        # A file of many languages may call them by their names besides.
        fields |= {"language": language} if column else {}
        yield Row(row.place, index, fields)


def _records(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields records that are examples already, with what they leave out filled in."""
    for row in _with_our_names(source, rows, language):
        given = {name for name, value in row.fields.items() if value is not None}
        if "language" in given:
            _check_language(row, language)
        identity = _identity(source, row)
        for behind, fields in _turns(source, row):
            yield Example(
                id=identity + behind,
                fact=row.name("fact") if "fact" in given else identity,
                task=row.text("task") if "task" in given else source.reader,
                language=language,
                answer=row.text("answer", empty=True) if "answer" in given else "",
                english_answer="english_answer" in given and row.value("english_answer", bool),
                **fields,
            )


def _turns(source: Source, row: Row) -> Iterable[tuple[str, dict[str, Any]]]:
    """Returns the chosen turns of a record as `chosen` does, in whichever form it has them."""
    form = next((field for field in FORMS if row.fields.get(field) is not None), None)
    if form and not {"prompt", "response"} <= row.fields.keys():
        check_beside(row, form)
        return conversation(row, form, source.which)
    alpaca = "prompt" not in row.fields and "instruction" in row.fields
    asked = _instruction(row) if alpaca else _prompt(source, row)
    answered = "output" if alpaca and "response" not in source.columns else "response"
    turns = [("user", asked), ("assistant", row.text(answered, empty=True))]
    turns = [*system_turn(row), *turns]
    check_beside(row, "", turns)
    return [("", turn_fields(turns))]


def _identity(source: Source, row: Row) -> str:
    """Returns the id of a record, or else its place: see `_check_places`."""
    has_id = row.fields.get("id") is not None
    return row.name("id") if has_id else _id_of_place(source, row.index)


def _id_of_place(source: Source, place: int) -> str:
    return f"{source.reader}-{place}"


READERS: dict[str, Callable[[Source, Iterable[Row], str], Iterable[Example]]] = {
    "lima": _lima,
    "oasst": lambda source, rows, language: oasst_examples(rows, language, source.which),
    "aya": _records,
    "alpaca_farm": _alpaca_farm,
    "lcb": _lcb,
    "sib200": lambda source, rows, language: topic_examples(rows, language),
    # There is no file of it, and so no row.
    BUNDLED: lambda source, rows, language: fair_examples(language, source.path == "heldout"),
    "jsonl": _records,
    "parquet": _records,
    "tfds": _records,
    HUB: _records,
}
