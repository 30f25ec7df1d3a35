"""Who translates: Google Cloud Translation, an OpenAI-compatible model, or a file somebody made.

`TranslationConfig` says who and how; `make_translator` returns it ready to work.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from pinch_jax.config_fields import LanguageCode, NotNegative, check_fields
from pinch_jax.corpus.normalisation import normal_form
from pinch_jax.corpus.reading.rows import path_of, read_rows
from pinch_jax.corpus.translation.services import PATH, GoogleTranslator, OpenAITranslator
from pinch_jax.errors import UserError
from pinch_jax.service.faults import Refused

_NEEDED = {"google": "project", "openai": "model", "jsonl": "path"}
GOOGLE_MODEL = "general/nmt"
# A rough guide for the table before the first call; the progress bar knows better.
# by -> (seconds of a request, characters a second)
_PACE = {"google": (0.3, 20_000.0), "openai": (1.0, 200.0)}


@dataclasses.dataclass(frozen=True)
class TranslationConfig:
    """How a corpus in one language becomes a corpus in all of them; `by` is "" for not at all.

    `source` is the language translated from. `path`, with {language} in it, is for "jsonl";
    `project` and `location` are for "google"; `model` is a name for "openai" and a path such as
    general/nmt for "google". A request fails after `timeout_seconds` and is tried `attempts`
    times in all, waiting about `wait_seconds` at first and twice as long each time.
    """

    by: Literal["", "google", "openai", "jsonl"]
    source: LanguageCode
    path: str
    model: str
    base_url: str
    project: str
    location: str
    price_per_million_characters: NotNegative
    requests_per_second: Annotated[float, Gt(0), Le(10_000)]
    concurrency: Annotated[int, Gt(0), Le(1000)]
    # About a sentence at least.
    piece_characters: Annotated[int, Ge(80), Le(1_000_000)]
    attempts: Annotated[int, Gt(0), Le(100)]
    wait_seconds: Annotated[float, Ge(0), Le(3600)]
    timeout_seconds: Annotated[float, Gt(0), Le(86_400)]

    def __post_init__(self) -> None:
        check_fields(self, PATH)
        needed = _NEEDED.get(self.by)
        if needed and not getattr(self, needed):
            raise UserError(f"{PATH}.{needed}='': by={self.by!r} needs it")
        if self.by != "jsonl" and self.path:
            raise UserError(f"{PATH}.path={self.path!r}: by={self.by!r} reads none; set it to ''")
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise UserError(f"{PATH}.base_url={self.base_url!r}: start with https://")
        if self.by == "jsonl" and "{language}" not in self.path:
            raise UserError(f"{PATH}.path={self.path!r}: write {{language}} for the language")

    @property
    def name(self) -> str:
        """Who translates, as kept with every translation: "google:general/nmt"."""
        if not self.by:
            raise UserError(f"{PATH}.by='': choose google, openai or jsonl")
        model = self.model or GOOGLE_MODEL
        return f"{self.by}:{self.path if self.by == 'jsonl' else model}"

    @property
    def is_paid(self) -> bool:
        """Whether a translation takes a call to a service."""
        return self.by in _PACE

    def seconds(self, pieces: int, characters: int) -> float:
        """Returns about how long a service takes for so much."""
        if not self.is_paid:
            return 0.0
        request, speed = _PACE[self.by]
        working = (pieces * request + characters / speed) / self.concurrency
        return max(working, pieces / self.requests_per_second)


class JsonlTranslator:
    """Translations that somebody made, a file a language: {"source": text, "translation": text}.

    `path` has {language} in it and is what `read_rows` reads, JSON lines above all; `source` is
    a whole prompt, response or answer, in its normal form. A text that the file lacks is refused. A
    corpus that was translated example by example needs no translator: it is a parallel source,
    jsonl:DIRECTORY/{language}.jsonl.
    """

    whole_texts = True

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._path = path
        self._known: dict[str, Mapping[str, str]] = {}

    def translate(self, text: str, source: str, target: str) -> str:
        """Returns what the file of `target` has for a text; raises `Refused` where it has none."""
        del source
        if target not in self._known:
            self._known[target] = self._read(target)
        if (translation := self._known[target].get(normal_form(text))) is None:
            raise Refused(f"not in {self._file(target)}")
        return translation

    def close(self) -> None:
        """Nothing is open."""

    def _file(self, target: str) -> str:
        return path_of(self._path, target)

    def _read(self, target: str) -> Mapping[str, str]:
        known: dict[str, str] = {}
        for row in read_rows(self._file(target)):
            source, translation = row.text("source"), row.text("translation", empty=True)
            if known.setdefault(normal_form(source), translation) != translation:
                raise UserError(f"{row.place}: a second translation of {source[:60]!r}; keep one")
        return known


# `name` is kept with each translation and in the manifest; `whole_texts`: texts are wanted as they
# are, neither cut nor masked.
Translator = GoogleTranslator | OpenAITranslator | JsonlTranslator


def make_translator(config: TranslationConfig) -> Translator:
    """Returns the translator of a config.

    Raises:
      UserError: the config names none, its library is not installed, or a key is missing.
    """
    c = config
    if c.by == "google":
        return GoogleTranslator(
            c.name, c.model or GOOGLE_MODEL, c.project, c.location, c.base_url, c.timeout_seconds
        )
    if c.by == "openai":
        return OpenAITranslator(c.name, c.model, c.base_url, c.timeout_seconds)
    return JsonlTranslator(c.name, c.path)
