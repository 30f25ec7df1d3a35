"""Corpora as they are published, read into examples: "reader:path", with options behind a "?".

    lima:PATH         train.jsonl of LIMA: the first turn and its reply
    oasst:PATH        trees or messages of OpenAssistant: roots with their best-ranked reply
    alpaca_farm:PATH  the evaluation set of AlpacaFarm: instructions without references
    sib200:PATH       SIB-200: sentences and their topics, as instructions in 12 languages
    cldr:SPLIT        the bundled questions about facts of Unicode CLDR, train or heldout, in all
                      languages; here any prefix of either is a fair sample of it
    jsonl:PATH, parquet:PATH, tfds:DIRECTORY?split=SPLIT
                      records with the fields `prompt` and `response`, which is "" where there is
                      no reference; or with `messages` of one turn; or with Alpaca's `instruction`,
                      `input` and `output`; and optionally the fields of `Example`

An example is the same in two languages where its id is. Records of `lima`, `alpaca_farm` and the
last three readers may have an `id`; one without is known by its place, so that every language needs
as many of them.

PATH ends in .jsonl, .json (lines or a list) or .tsv, also with .gz, or in .parquet; a `*` in its
name stands for shards. Any of them may be a directory that TFDS prepared. Options:

    ?without=PART,PART     leaves out parts, such as `multi_turn` of LIMA, `oasst` of AlpacaFarm
    ?split=SPLIT           of a TFDS directory, also as `train[:10%]`
    ?text=text_{language}  of OpenAssistant messages: the field that holds their text
    ?first=N               only the first N examples, of what is not left out

Options are joined by "&". `{language}` in a source means that it brings every language itself, as
`cldr` does.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

from pinch_jax.corpus.cldr.examples import fair_examples
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.language_files import path_of
from pinch_jax.corpus.reading.oasst import oasst_examples
from pinch_jax.corpus.reading.rows import Row, check_text, read_rows
from pinch_jax.corpus.reading.topics import topic_examples
from pinch_jax.errors import UserError
from pinch_jax.languages import spellings

OPTIONS = ("without", "split", "text", "first")
BUNDLED = "cldr"
SPLITS = ("train", "heldout")
_MAY_LACK_IDS = ("lima", "alpaca_farm", "jsonl", "parquet", "tfds")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where examples come from, as parsed; `str` gives the text back."""

    reader: str
    path: str
    without: tuple[str, ...]
    split: str
    text: str
    first: int | None

    @property
    def bundled(self) -> bool:
        """Whether it comes with the package, so that there is no file of it."""
        return self.reader == BUNDLED

    @property
    def parallel(self) -> bool:
        """Whether it brings every language itself, so that nothing is translated."""
        return self.bundled or "{language}" in f"{self.path} {self.split} {self.text}"

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
    if options["text"] and reader != "oasst":
        raise UserError(f"source={text!r}: only oasst has the option 'text'; leave it out")
    if reader == BUNDLED and (path not in SPLITS or options["split"]):
        raise UserError(f"source={text!r}: write 'cldr:train' or 'cldr:heldout', without a split")
    first = options["first"]
    if first and not (first.isdecimal() and int(first)):
        raise UserError(
            f"source={text!r}: first={first!r}: write a number from 1, e.g. '?first=700'"
        )
    number = int(first) if first else None
    return Source(reader, path, without, options["split"], options["text"], number)


@dataclasses.dataclass
class Places:
    """How many rows a source has in a language, and how many of them have no id but their place."""

    rows: int = 0
    unnamed: int = 0

    def count(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yields rows, counted."""
        for row in rows:
            self.rows += 1
            self.unnamed += not _has_id(row)
            yield row


def read_source(source: Source, language: str) -> tuple[Example, ...]:
    """Returns the examples of a source in a language, in the order of the file.

    Raises:
      UserError: there is no such file.
      UserError: a record is not what its reader expects, an id comes twice, a part that is to
        be left out is not there, or nothing is left.
    """
    return read_counted(source, language)[0]


def read_counted(source: Source, language: str) -> tuple[tuple[Example, ...], Places]:
    """Returns what `read_source` does, and the rows that were read for it."""
    path = path_of(source.path, language)
    places = Places()
    rows = places.count(read_rows(path, source.split.replace("{language}", language)))
    examples = tuple(READERS[source.reader](source, rows, language))
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
    kept = kept[: source.first]
    counts = collections.Counter(example.id for example in kept)
    if repeated := [identity for identity, count in counts.items() if count > 1]:
        raise UserError(
            f"{path}: {len(repeated)} ids come more than once, such as {repeated[0]!r}; "
            "ids must be unique, so rename or delete their records"
        )
    if not kept:
        raise UserError(
            f"source={str(source)!r}: no example in language={language!r}; name a file that has "
            "some, or leave the source out"
        )
    return kept, places


def check_places(source: Source, places: Mapping[str, Places]) -> None:
    """Checks that examples known by their place are as many in every language of a source.

    Raises:
      UserError: they are not, so that a place is not the same example everywhere.
    """
    by_place = source.reader in _MAY_LACK_IDS and any(own.unnamed for own in places.values())
    if by_place and len({own.rows for own in places.values()}) > 1:
        counts = ", ".join(f"{own.rows} in {code!r}" for code, own in places.items())
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
        turns = row.value("conversations", list)
        if not turns or not all(isinstance(turn, str) for turn in turns):
            raise UserError(
                f"{row.place}: conversations={str(turns)[:40]!r}: not a list of texts; make it "
                "[prompt, response, ...]"
            )
        prompt = check_text(row.place, "conversations[0]", turns[0])
        response = [check_text(row.place, "conversations[1]", turn) for turn in turns[1:2]]
        part = row.text("source")
        yield _example(_identity(source, row), f"lima/{part}", language, prompt, *response)


def _oasst(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    return oasst_examples(rows, language, source.text)


def _alpaca_farm(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields instructions, with what they are about below; published outputs are a model's."""
    for row in rows:
        task = f"alpaca_farm/{row.text('dataset')}"
        yield _example(_identity(source, row), task, language, _instruction(row))


def _instruction(row: Row) -> str:
    # The form published with AlpacaEval has no `input`: it is part of the instruction.
    below = row.text("input", empty=True) if row.fields.get("input") is not None else ""
    return row.text("instruction") + (f"\n\n{below}" if below else "")


def _sib200(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    return topic_examples(rows, language)


def _cldr(source: Source, rows: Iterable[Row], language: str) -> Iterable[Example]:
    """Returns the bundled questions; there is no file, and so no row."""
    return fair_examples(language, heldout=source.path == "heldout")


def _records(source: Source, rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields records that are examples already, with what they leave out filled in."""
    for row in rows:
        given = {name for name, value in row.fields.items() if value is not None}
        if "language" in given and row.text("language") not in (language, *spellings(language)):
            raise UserError(
                f"{row.place}: language={row.fields['language']!r} where {language!r} is read; "
                "keep each language in a file of its own, with {language} in the path"
            )
        identity = _identity(source, row)
        prompt, response = _turn(row)
        task = row.text("task") if "task" in given else source.reader
        yield dataclasses.replace(
            _example(identity, task, language, prompt, response),
            fact=row.name("fact") if "fact" in given else identity,
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
    texts = [message.get("content") for message in told]
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"{row.place}: messages[{number}].content={text!r:.40} is no text")
    where = [f"messages[{number}].content" for number in range(len(texts))]
    prompt = check_text(row.place, where[0], texts[0])
    return prompt, check_text(row.place, where[1], texts[1]) if texts[1:] else ""


def _has_id(row: Row) -> bool:
    return row.fields.get("id") is not None


def _identity(source: Source, row: Row) -> str:
    """Returns the id of a record, or else its place: see `check_places`."""
    return row.name("id") if _has_id(row) else f"{source.reader}-{row.index}"


def _example(id: str, task: str, language: str, prompt: str, response: str = "") -> Example:
    return Example(id, id, task, language, prompt, response, answer="", english_answer=False)


READERS: dict[str, Callable[[Source, Iterable[Row], str], Iterable[Example]]] = {
    "lima": _lima,
    "oasst": _oasst,
    "alpaca_farm": _alpaca_farm,
    "sib200": _sib200,
    BUNDLED: _cldr,
    "jsonl": _records,
    "parquet": _records,
    "tfds": _records,
}
