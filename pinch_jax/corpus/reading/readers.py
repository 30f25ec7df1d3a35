"""Corpora as they are published, read into examples: "reader:path", with options behind a "?".

    lima:PATH         train.jsonl of LIMA: the first turn and its reply
    oasst:PATH        trees or messages of OpenAssistant: roots with their best-ranked reply
    alpaca_farm:PATH  the evaluation set of AlpacaFarm: instructions without references
    lcb:PATH          prompts of the Language Confusion Benchmark, without references; the language
                      is the one to answer in, which a cross-lingual prompt asks for in English
    sib200:PATH       SIB-200: sentences and their topics, as instructions in 12 languages
    cldr:SPLIT        the bundled questions about facts of Unicode CLDR, train or heldout, in all
                      languages; here any prefix of either is a fair sample of it
    jsonl:PATH, parquet:PATH, tfds:DIRECTORY?split=SPLIT, hub:ORG/NAME?split=SPLIT
                      records with the fields `prompt` and `response`, which is "" where there is
                      no reference; or with `messages` of one turn; or with Alpaca's `instruction`,
                      `input` and `output`; and optionally the fields of `Example`

An example is the same in two languages where its id is. Records of `lima`, `alpaca_farm` and the
last four readers may have an `id`; one without, or of `lcb`, is known by its place, so that every
language needs as many of them.

PATH ends in .jsonl, .json (lines or a list), .tsv or .csv, also with .gz, or in .parquet; a `*` in
its name stands for shards. Any of them may be a directory that TFDS prepared, or hub:ORG/NAME, a
data set of the Hugging Face hub, or hub:ORG/NAME/FILE, as in oasst:hub:ORG/NAME/trees.jsonl.gz.
Options:

    ?without=PART,PART  leaves out parts, such as `multi_turn` of LIMA, `oasst` of AlpacaFarm
    ?split=SPLIT        of a TFDS directory, also as `train[:10%]`; of a data set of the hub
    ?config=CONFIG      of a data set of the hub, as its card calls it
    ?revision=REVISION  of a data set of the hub: a branch, a tag or a commit; main unless told
    ?first=N            only the first N examples, of what is not left out

Options are joined by "&". `{language}` in a source means that it brings every language itself, as
`cldr` does.
"""

import collections
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pinch_jax.corpus.cldr.examples import fair_examples
from pinch_jax.corpus.example import CROSSLINGUAL, SPLITS, Example
from pinch_jax.corpus.reading.hub_files import Wanted, hub_files
from pinch_jax.corpus.reading.oasst import oasst_examples
from pinch_jax.corpus.reading.rows import Row, check_text, path_of, read_rows, rows_of
from pinch_jax.corpus.reading.topics import topic_examples
from pinch_jax.errors import UserError
from pinch_jax.hub import BRANCH, Repository
from pinch_jax.languages import spellings

OPTIONS = ("without", "split", "config", "revision", "first")
BUNDLED, HUB = "cldr", "hub"
# Each row of these is an example, which may have no id but its place.
_MAY_LACK_IDS = ("lima", "alpaca_farm", "jsonl", "parquet", "tfds", HUB)
# Of these, none has one.
_KNOWN_BY_PLACE = ("lcb",)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where examples come from, as parsed; `str` gives the text back."""

    reader: str
    path: str
    without: tuple[str, ...]
    split: str
    config: str
    revision: str
    first: int | None

    @property
    def place(self) -> str:
        """ORG/NAME or ORG/NAME/FILE of the hub; "" for what is elsewhere."""
        if self.reader == HUB:
            return self.path
        return self.path[len(HUB) + 1 :] if self.path.startswith(f"{HUB}:") else ""

    @property
    def repository(self) -> Repository:
        """The repository of `place`."""
        name = "/".join(self.place.split("/")[:2])
        return Repository(name, self.revision or BRANCH, "dataset")

    @property
    def bundled(self) -> bool:
        """Whether it comes with the package, so that there is no file of it."""
        return self.reader == BUNDLED

    @property
    def parallel(self) -> bool:
        """Whether it brings every language itself, so that nothing is translated."""
        return self.bundled or "{language}" in f"{self.path} {self.split} {self.config}"

    def __str__(self) -> str:
        values = {name: getattr(self, name) for name in OPTIONS}
        values["without"] = ",".join(self.without)
        options = "&".join(f"{name}={value}" for name, value in values.items() if value)
        return f"{self.reader}:{self.path}" + (f"?{options}" if options else "")


def parse_source(text: str) -> Source:
    """Returns the source that a text such as "lima:/data/train.jsonl?without=multi_turn" names.

    Raises:
      UserError: no such reader or option, an option that is empty or comes twice, or no path.
    """
    location, _, query = text.partition("?")
    reader, colon, path = location.partition(":")
    if reader not in READERS or not (colon and path):
        raise UserError(
            f"source={text!r}: not READER:PATH with a known reader; write e.g. "
            f"'lima:/data/lima/train.jsonl', with one of {sorted(READERS)}"
        )
    options = dict.fromkeys(OPTIONS, "")
    for option in query.split("&") if query else ():
        name, _, value = option.partition("=")
        if name not in OPTIONS or options[name] or not value:
            raise UserError(
                f"source={text!r}: the option {option!r} is unknown, empty, or there twice; use "
                f"each of {list(OPTIONS)} once, e.g. '?without=multi_turn'"
            )
        options[name] = value
    without = tuple(part for part in options["without"].split(",") if part)
    if reader == BUNDLED and (path not in SPLITS or options["split"]):
        raise UserError(f"source={text!r}: write 'cldr:train' or 'cldr:heldout', without a split")
    first = options["first"]
    if first and not (first.isdecimal() and int(first)):
        raise UserError(
            f"source={text!r}: first={first!r}: write a number from 1, e.g. '?first=700'"
        )
    options |= {"without": without, "first": int(first) if first else None}
    source = Source(reader, path, **options)
    if source.place and not re.match(r"[\w.-]+/[\w.-]+(/.|$)", source.place):
        raise UserError(f"source={text!r}: write 'hub:ORG/NAME', or 'hub:ORG/NAME/FILE'")
    if not source.place and (source.config or source.revision):
        raise UserError(f"source={text!r}: config and revision are of the hub; leave them out")
    return source


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
    whole, chosen = {}, {}
    for code in languages:
        try:
            if source.place:
                path, rows = str(source), rows_of(_hub_files(source, code))
            else:
                path = path_of(source.path, code)
                rows = read_rows(path, source.split.replace("{language}", code))
            whole[code] = tuple(READERS[source.reader](source, rows, code))
            chosen[code] = _chosen(source, code, whole[code])
            _check_ids(path, chosen[code])
        except UserError as error:
            raise UserError(
                f"{error} (read for {code!r}, which config.languages or, for the experiment "
                "'slavic', config.study.slavic_languages names)"
            ) from None
    _check_places(source, whole)
    return chosen


def _hub_files(source: Source, language: str) -> list[Path]:
    """Returns the files of a source on the hub, for a language by whichever code names them."""
    file = source.place.removeprefix(source.repository.name)[1:]
    told = [
        [text.replace("{language}", code) for text in (file, source.config, source.split)]
        for code in (language, *spellings(language))
    ]
    return hub_files(source.repository, [Wanted(*one) for one in told])


def _chosen(source: Source, language: str, examples: Sequence[Example]) -> tuple[Example, ...]:
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
            f"source={str(source)!r}: no example in language={language!r}; name a file that has "
            "some, or leave the source out"
        )
    return kept[: source.first]


def _check_ids(path: str, examples: Iterable[Example]) -> None:
    counts = collections.Counter(example.id for example in examples)
    if repeated := [identity for identity, count in counts.items() if count > 1]:
        raise UserError(
            f"{path}: {len(repeated)} ids come more than once, such as {repeated[0]!r}; "
            "ids must be unique, so rename or delete their records"
        )


def _check_places(source: Source, examples: Mapping[str, Sequence[Example]]) -> None:
    """Checks that a place is the same example everywhere, where examples are known by it."""
    by_place = source.reader in _KNOWN_BY_PLACE or (
        source.reader in _MAY_LACK_IDS
        and any(
            one.id == _id_of_place(source, place)
            for own in examples.values()
            for place, one in enumerate(own)
        )
    )
    if by_place and len({len(own) for own in examples.values()}) > 1:
        counts = ", ".join(f"{len(own)} in {code!r}" for code, own in examples.items())
        raise UserError(
            f"source={str(source)!r}: records without an `id` are paired by their place, and there "
            f"are not as many in every language: {counts}; give each record the id that it has in "
            "all of them, or fill in what is missing"
        )


def _part(example: Example) -> str:
    """Returns the part of its source that an example is of: "koala" of "alpaca_farm/koala"."""
    return example.task.rpartition("/")[2]


def _lima(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields first turns; a conversation of one turn, as in LIMA's test set, has no reference."""
    for row in rows:
        turns = row.value("conversations", list) or [""]
        texts = [
            check_text(row.place, f"conversations[{number}]", turn)
            for number, turn in enumerate(turns[:2])
        ]
        identity = _identity(source, row)
        yield Example(identity, identity, f"lima/{row.text('source')}", language, *texts)


def _alpaca_farm(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields instructions, with what they are about below; published outputs are a model's."""
    for row in rows:
        identity, task = _identity(source, row), f"alpaca_farm/{row.text('dataset')}"
        yield Example(identity, identity, task, language, _instruction(row))


def _instruction(row: Row) -> str:
    # The form published with AlpacaEval has no `input`: it is part of the instruction.
    below = row.text("input", empty=True) if row.fields.get("input") is not None else ""
    return row.text("instruction") + (f"\n\n{below}" if below else "")


def _lcb(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields prompts with the language to answer in; the cross-lingual ones say how that is put."""
    for row in rows:
        _check_language(row, language)
        kind = CROSSLINGUAL if "phrasing" in row.fields else "monolingual"
        part = row.text("source")
        identity = f"lcb-{kind}-{part}-{row.index}"
        yield Example(identity, identity, f"{kind}/{part}", language, row.text("prompt"))


def _check_language(row: Row, language: str) -> None:
    if row.text("language") not in (language, *spellings(language)):
        raise UserError(
            f"{row.place}: language={row.fields['language']!r} where {language!r} is read; "
            "keep each language in a file of its own, with {language} in the path"
        )


def _records(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields records that are examples already, with what they leave out filled in."""
    for row in rows:
        given = {name for name, value in row.fields.items() if value is not None}
        if "language" in given:
            _check_language(row, language)
        identity = _identity(source, row)
        prompt, response = _turn(row)
        yield Example(
            id=identity,
            fact=row.name("fact") if "fact" in given else identity,
            task=row.text("task") if "task" in given else source.reader,
            language=language,
            prompt=prompt,
            response=response,
            answer=row.text("answer", empty=True) if "answer" in given else "",
            english_answer="english_answer" in given and row.value("english_answer", bool),
        )


def _turn(row: Row) -> tuple[str, str]:
    """Returns the prompt and the response of a record, in whichever form it has them."""
    if "prompt" not in row.fields and "messages" in row.fields:
        return _one_turn(row)
    if "prompt" not in row.fields and "instruction" in row.fields:
        return _instruction(row), row.text("output", empty=True)
    return row.text("prompt"), row.text("response", empty=True)


def _one_turn(row: Row) -> tuple[str, str]:
    messages = row.value("messages", list)
    told = [message if isinstance(message, Mapping) else {} for message in messages]
    roles = [message.get("role") for message in told]
    if roles not in (["user"], ["user", "assistant"]):
        raise UserError(
            f"{row.place}: messages of {roles}; one turn can be read, of 'user' and 'assistant'"
        )
    texts = [
        check_text(row.place, f"messages[{number}].content", message.get("content"))
        for number, message in enumerate(told)
    ]
    return texts[0], texts[1] if texts[1:] else ""


def _identity(source: Source, row: Row) -> str:
    """Returns the id of a record, or else its place: see `_check_places`."""
    has_id = row.fields.get("id") is not None
    return row.name("id") if has_id else _id_of_place(source, row.index)


def _id_of_place(source: Source, place: int) -> str:
    return f"{source.reader}-{place}"


READERS: dict[str, Callable[[Source, Iterable[Row], str], Iterable[Example]]] = {
    "lima": _lima,
    "oasst": lambda source, rows, language: oasst_examples(rows, language),
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
