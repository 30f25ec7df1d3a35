"""What a judge is asked in words: an instruction and two answers, fenced.

An answer may say that it is the better one, end a fence or speak as the system. So what is to be
judged stands between marks that depend on all of it: whoever writes an answer cannot write its
mark, and special tokens in it are text, as in every prompt.
"""

import dataclasses
import functools
import json
import string
from collections.abc import Mapping
from pathlib import Path

from pinch_jax.errors import UserError
from pinch_jax.judge.protocol import Pair
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.files import digest

# What the answers are called: the first two that are one token each are taken.
LABELS = (("A", "B"), ("1", "2"))
# Our wording by language: a list of lines each. English is ours; the others are translations that
# nobody has checked who speaks the language from childhood.
WORDINGS = Path(__file__).with_name("wordings.json")
ENGLISH = "en"
_FIELDS = ("mark", "prompt", "first", "second", "a", "b")


@dataclasses.dataclass(frozen=True)
class Wording:
    """The words that a judge is asked in: `by_language` has one text a language, or "" for all."""

    by_language: Mapping[str, str]
    described: str

    @functools.cached_property
    def checksum(self) -> str:
        """The checksum of the words."""
        return digest(dict(self.by_language))

    def ask(self, pair: Pair, labels: tuple[str, str]) -> str:
        """Returns the prompt that asks which of two answers, called by these labels, is better.

        Raises:
            UserError: there are no words in the language of the instruction.
        """
        record, code = pair.record, pair.record["language"]
        text = self.by_language.get("") or self.by_language.get(code)
        if text is None:
            raise UserError(
                f"{self.described} has no words in {code!r}, the language of {record['id']!r}; "
                "write a template of your own in it, or set prompt_language='en'"
            )
        texts = record["prompt"], pair.first, pair.second
        values = (f"[{digest(texts)}]", *texts, *labels)
        return text.format(**dict(zip(_FIELDS, values, strict=True)))


def read_wording(
    template: str = "", prompt_language: str = ENGLISH, field: str = "config.judges.model"
) -> Wording:
    """Returns our wording, or the one of a file of one's own; `field` is for messages.

    `prompt_language` is "en", or "instruction" for the language of each instruction. `template` is
    a file with {mark}, {prompt}, {first}, {second}, {a} and {b} in it; {language} in its name is
    the code of the instruction's language, and there is a file for each.

    Raises:
        UserError: there is no such file, or one of the six is missing in it.
    """
    if not template:
        ours = json.loads(WORDINGS.read_text("utf-8"))
        ours = {code: "\n".join(lines) for code, lines in ours.items()}
        chosen = {"": ours[ENGLISH]} if prompt_language == ENGLISH else ours
        return Wording(chosen, f"{field}.prompt_language={prompt_language!r}")
    path = as_path(template, f"{field}.template")
    before, by_language, behind = path.name.partition("{language}")
    if by_language:
        found = {
            own.name.removeprefix(before).removesuffix(behind): own
            for own in sorted(path.parent.glob(f"{before}?*{behind}"))
        }
    else:
        found = {"": path} if path.is_file() else {}
    if not found:
        raise UserError(f"{field}.template={template!r}: no such file")
    return Wording(
        {code: _read_template(own, field) for code, own in found.items()},
        f"{field}.template={template!r}",
    )


def _read_template(path: Path, field: str) -> str:
    try:
        text = path.read_text("utf-8")
        parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise UserError(f"{field}.template: {path}: {error}; write {{{{ for a brace") from None
    names = [name for _, name, _, _ in parts]
    if cut := [name for _, name, form, conversion in parts if form or conversion]:
        raise UserError(
            f"{field}.template: {path}: {{{cut[0]}}} has a format of its own, which might cut what "
            f"is judged; write {{{cut[0]}}} alone"
        )
    wrong = set(names) ^ set(_FIELDS)
    if wrong:
        trouble = "is not known" if min(wrong) in names else "is missing"
        raise UserError(
            f"{field}.template: {path}: {{{min(wrong)}}} {trouble}; it needs each of "
            + ", ".join(f"{{{name}}}" for name in _FIELDS)
        )
    if (names.index("a") < names.index("b")) != (names.index("first") < names.index("second")):
        raise UserError(
            f"{field}.template: {path}: {{a}} is the label of {{first}} and {{b}} of {{second}}, "
            "but they come in other orders, as if each were the other's; name them in one order"
        )
    return text
