"""The record that every corpus yields: one instruction with its reference response."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SPLITS = ("train", "heldout")
# The first part of a task whose prompts are in another language than the one to answer in.
CROSSLINGUAL = "crosslingual"

# A role, "system", "user" or "assistant", and what it says.
Turn = tuple[str, str]
# What a model is asked: one turn of a user, or all turns up to one.
Prompt = str | tuple[Turn, ...]


@dataclasses.dataclass(frozen=True)
class Example:
    """One instruction in one language.

    `id` is the same in every language; `fact` is the unit of the train / held-out split.
    `answer` is the name inside `response` that makes it right. `english_answer` is True where
    that name is spelt as in English, so that it cannot show the language of a response.

    `answer` is "" where no short one makes it right, and `response` is "" where a held-out
    instruction has no reference: nothing is measured then that would need it.

    `turns` are all turns up to the one that `response` replies to, where there are several, so
    that a template can write them; `prompt` is then what they say, with a blank line between.
    """

    id: str
    fact: str
    task: str
    language: str
    prompt: str
    response: str = ""
    answer: str = ""
    english_answer: bool = False
    turns: tuple[Turn, ...] = ()

    def __post_init__(self) -> None:
        if self.turns and self.prompt != written(self.turns):
            raise ValueError(f"{self.id!r}: the prompt is not what its turns say")

    @property
    def asked(self) -> Prompt:
        """What a template makes a prompt of."""
        return self.turns or self.prompt

    def record(self) -> dict[str, Any]:
        """Returns what a file has of it; several turns are the `messages` of a chat."""
        fields = {name: value for name, value in vars(self).items() if name != "turns"}
        if self.turns:
            del fields["prompt"]
            turns = (*self.turns, ("assistant", fields.pop("response")))
            fields["messages"] = [{"role": role, "content": text} for role, text in turns if text]
        return fields


ByLanguage = Mapping[str, Sequence[Example]]


def crosslingual(example: Example) -> Example:
    """Returns an example that says of its prompt that it is in another language, in whole or part.

    Its words tell nothing of how the language of the response is written.
    """
    return dataclasses.replace(example, task=f"{CROSSLINGUAL}/{example.task}")


def written(turns: Iterable[Turn]) -> str:
    """Returns what turns say as one text."""
    return "\n\n".join(text for _, text in turns)


def turn_fields(turns: Sequence[Turn]) -> dict[str, Any]:
    """Returns the fields that an example has of turns, the last of which may be the reply."""
    role, text = turns[-1]
    asked, response = (tuple(turns[:-1]), text) if role == "assistant" else (tuple(turns), "")
    several = asked if len(asked) > 1 else ()
    return {"prompt": written(asked), "response": response, "turns": several}


def example_of(record: Mapping[str, Any]) -> Example:
    """Returns the example that `Example.record` says."""
    fields = dict(record)
    if messages := fields.pop("messages", ()):
        fields |= turn_fields([_turn(told["role"], told["content"]) for told in messages])
    return Example(**fields)


@functools.lru_cache(maxsize=1 << 12)
def _turn(role: str, text: str) -> Turn:
    """Returns a turn, the same object for all examples of a conversation: each has all before."""
    return role, text


def checksum(splits: Iterable[tuple[str, Iterable[Example]]]) -> str:
    """Returns the SHA-256 of named, ordered sequences of examples, as hexadecimal digits."""
    digest = hashlib.sha256()
    for name, examples in splits:
        digest.update(f"{name}\n".encode())
        for example in examples:
            line = json.dumps(example.record(), sort_keys=True, ensure_ascii=False)
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()
