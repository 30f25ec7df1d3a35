"""Where examples are read from, as a config names it: "reader:path", options behind a "?".

PATH ends in .jsonl, .json (lines or a list), .tsv or .csv, also with .gz, in .parquet or in
.array_record with JSON in its records; a `*` in its name stands for shards. Any of them may be a
directory that TFDS prepared, or hub:ORG/NAME, a data set of the Hugging Face hub, or
hub:ORG/NAME/FILE, as in oasst:hub:ORG/NAME/trees.jsonl.gz. Options:

    ?without=PART,PART  leaves out parts, such as `multi_turn` of LIMA, `oasst` of AlpacaFarm
    ?split=SPLIT        of a TFDS directory, also as `train[:10%]`; of a data set of the hub
    ?config=CONFIG      of a data set of the hub, as its card calls it
    ?revision=REVISION  of a data set of the hub: a branch, a tag or a commit; main unless told
    ?first=N            only the first N examples, of what is not left out
    ?turns=all          of conversations each turn of the assistant as an example, with all that
                        was said before it as its prompt; `first` (of `lima` and `oasst` unless
                        told otherwise) or `last` (of the others) only that one
    ?prompt=COLUMN, ?response=COLUMN, ?id=COLUMN, ?task=COLUMN
                        what the columns of other files are called
    ?language=COLUMN    only the records with the language's code in this column

Options are joined by "&". `{language}` in a source means that it brings every language itself, as
`cldr` and `?language=` do.
"""

import dataclasses
import re
from collections.abc import Mapping

from pinch_jax.corpus.example import SPLITS
from pinch_jax.corpus.reading.conversations import WHICH
from pinch_jax.errors import UserError
from pinch_jax.storage.hub import BRANCH, Repository

# What readers.py has a reader for.
NAMES = (
    *("lima", "oasst", "aya", "alpaca_farm", "lcb", "sib200", "cldr"),
    *("jsonl", "parquet", "tfds", "hub"),
)
COLUMNS = ("prompt", "response", "id", "task", "language")
OPTIONS = ("without", "split", "config", "revision", "first")
BUNDLED, HUB = "cldr", "hub"
# What these call their columns, unless an option says otherwise.
_COLUMNS_OF = {
    "aya": {"prompt": "inputs", "response": "targets", "language": "language_code"},
    **{reader: {} for reader in ("jsonl", "parquet", "tfds", HUB)},
}
# Which turns of a conversation are examples, unless an option says otherwise.
_TURNS_OF = dict.fromkeys(("lima", "oasst"), "first") | dict.fromkeys(_COLUMNS_OF, "last")


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
    turns: str = ""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)

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
        named = "{language}" in f"{self.path} {self.split} {self.config}"
        return self.bundled or named or "language" in self.all_columns

    @property
    def all_columns(self) -> Mapping[str, str]:
        """What its columns are called, by our names."""
        return {**_COLUMNS_OF.get(self.reader, {}), **self.columns}

    @property
    def which(self) -> str:
        """Which turns of a conversation are examples."""
        return self.turns or _TURNS_OF[self.reader]

    def __str__(self) -> str:
        values = {name: getattr(self, name) for name in (*OPTIONS, "turns")}
        values |= {"without": ",".join(self.without), **self.columns}
        options = "&".join(f"{name}={value}" for name, value in values.items() if value)
        return f"{self.reader}:{self.path}" + (f"?{options}" if options else "")


def parse_source(text: str) -> Source:
    """Returns the source that a text such as "lima:/data/train.jsonl?without=multi_turn" names.

    Raises:
      UserError: no such reader or option, an option that is empty or comes twice, or no path.
    """
    location, _, query = text.partition("?")
    reader, colon, path = location.partition(":")
    if reader not in NAMES or not (colon and path):
        raise UserError(
            f"source={text!r}: not READER:PATH, such as 'lima:/data/lima/train.jsonl'; the reader "
            f"is one of {sorted(NAMES)}"
        )
    known = OPTIONS + ("turns",) * (reader in _TURNS_OF) + COLUMNS * (reader in _COLUMNS_OF)
    options = dict.fromkeys((*OPTIONS, "turns", *COLUMNS), "")
    for option in query.split("&") if query else ():
        name, _, value = option.partition("=")
        if name not in known or options[name] or not value:
            raise UserError(
                f"source={text!r}: the option {option!r} is unknown, empty, or there twice; use "
                f"each of {list(known)} once, e.g. '?without=multi_turn'"
            )
        options[name] = value
    without = tuple(part for part in options["without"].split(",") if part)
    if reader == BUNDLED and (path not in SPLITS or options["split"]):
        raise UserError(f"source={text!r}: write 'cldr:train' or 'cldr:heldout', without a split")
    first = options["first"]
    if first and not (first.isdecimal() and int(first)):
        raise UserError(f"source={text!r}: first={first!r}: write a number from 1, as ?first=700")
    if (turns := options["turns"]) and turns not in WHICH:
        raise UserError(f"source={text!r}: turns={turns!r}: write one of {list(WHICH)}")
    columns = {name: options[name] for name in COLUMNS if options[name]}
    given = {name: options[name] for name in ("split", "config", "revision", "turns")}
    number = int(first) if first else None
    source = Source(reader, path, without, first=number, columns=columns, **given)
    if source.place and not re.match(r"[\w.-]+/[\w.-]+(/.|$)", source.place):
        raise UserError(f"source={text!r}: write 'hub:ORG/NAME', or 'hub:ORG/NAME/FILE'")
    if not source.place and (source.config or source.revision):
        raise UserError(f"source={text!r}: config and revision are of the hub; leave them out")
    return source
