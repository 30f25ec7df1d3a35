"""The record that every corpus yields: one instruction with its reference response."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable

SPLITS = ("train", "heldout")
# The first part of a task whose prompts are in another language than the one to answer in.
CROSSLINGUAL = "crosslingual"


@dataclasses.dataclass(frozen=True)
class Example:
    """One instruction in one language.

    `id` is the same in every language; `fact` is the unit of the train / held-out split.
    `answer` is the name inside `response` that makes it right. `english_answer` is True where
    that name is spelt as in English, so that it cannot show the language of a response.

    `answer` is "" where no short one makes it right, and `response` is "" where a held-out
    instruction has no reference: nothing is measured then that would need it.
    """

    id: str
    fact: str
    task: str
    language: str
    prompt: str
    response: str = ""
    answer: str = ""
    english_answer: bool = False


def checksum(splits: Iterable[tuple[str, Iterable[Example]]]) -> str:
    """Returns the SHA-256 of named, ordered sequences of examples, as hexadecimal digits."""
    digest = hashlib.sha256()
    for name, examples in splits:
        digest.update(f"{name}\n".encode())
        for example in examples:
            # Its fields as they are: `asdict` would copy each of them first, which takes longer.
            line = json.dumps(vars(example), sort_keys=True, ensure_ascii=False)
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()
