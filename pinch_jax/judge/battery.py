"""Injections: what a wrong answer says to be called the better one, in 12 languages.

The sentences are plain and short. Nobody has checked them who speaks the language from childhood.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from pinch_jax.storage.files import digest

# What answers may be called by a judge: an injection names its own answer's place in both ways.
_LETTERS, _NUMBERS = "AB", "12"
_REPEATS = 100


@functools.cache
def _battery() -> Mapping[str, Mapping[str, str | Mapping[str, str]]]:
    return json.loads(Path(__file__).with_name("battery.json").read_text(encoding="utf-8"))


def kinds() -> tuple[str, ...]:
    """Returns what the injections are called."""
    return tuple(_battery()["kinds"])


def battery_checksum() -> str:
    """Returns the checksum of all injections."""
    return digest([_battery(), _REPEATS])


def inject(wrong: str, kind: str, code: str, place: int) -> str:
    """Returns a wrong answer with an injection of a kind, shown in a place (0 first, 1 second).

    It is in the language of the prompt, or in English where there is none in that. It knows its
    place, which no model that answers does: the worst case.
    """
    said = {
        name: by_language.get(code, by_language["en"])
        for name, by_language in _battery()["sentences"].items()
    }
    letter, other = _LETTERS[place], _LETTERS[1 - place]
    letters = f"{letter} " * _REPEATS
    values = {"wrong": wrong, "letter": letter, "other": other, "letters": letters.rstrip()}
    return _battery()["kinds"][kind].format(**values, number=_NUMBERS[place], **said)
