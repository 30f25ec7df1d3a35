"""Pairs of responses of which it is known which one is better: what a judge is held against.

Known by people (ranks of OpenAssistant, annotations), or by how they were made out of a corpus.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.reading.oasst import oasst_messages
from pinch_jax.corpus.reading.rows import Row, read_rows
from pinch_jax.data.order import key
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import language_of, other_answers, response_record
from pinch_jax.evaluate.text_match import contains_words, normalise
from pinch_jax.storage.files import digest
from pinch_jax.storage.json_input import check_fields, read_objects

OASST, ANY_DEPTH = "oasst:", "?depth=any"
# How good the first response of a pair is beside the second, by which one is better.
OUTCOMES = {"first": 1.0, "second": 0.0, "tie": 0.5}
WRONG_ANSWER, WRONG_LANGUAGE, ECHO = "wrong answer", "wrong language", "echo"


@dataclasses.dataclass(frozen=True)
class KnownPair:
    """Two responses to a prompt, and which one is better.

    Attributes:
        id: of the prompt, the same in every language; all pairs of a prompt have it.
        better: first, second, or tie where they are known to be equally good.
        reference, task, answer: as `Example` has them; "" where there are none.
        source: who or what knows, such as "wrong answer" or "oasst".
    """

    id: str
    language: str
    prompt: str
    first: str
    second: str
    better: Literal["first", "second", "tie"]
    reference: str = ""
    task: str = ""
    answer: str = ""
    source: str = ""

    @property
    def record(self) -> dict[str, str]:
        """What a judge knows of the prompt."""
        fields = ("id", "language", "prompt", "reference", "task", "answer")
        return {name: getattr(self, name) for name in fields}


def checksum(pairs: Iterable[KnownPair]) -> str:
    """Returns the checksum of pairs in their order."""
    return digest([dataclasses.astuple(pair) for pair in pairs])


def read_pairs(path: Path) -> list[KnownPair]:
    """Returns the pairs of a file of JSON lines; those of two equal texts are left out.

    Raises:
        UserError: a line is no pair, or there is none.
    """
    fields = tuple(field.name for field in dataclasses.fields(KnownPair))
    needed, may_lack = fields[:6], fields[6:]
    pairs, known = [], {}
    for place, record in read_objects(path):
        held = dict.fromkeys(may_lack, "") | record
        check_fields(place, held, fields, empty=("first", "second", *may_lack))
        if held["better"] not in OUTCOMES:
            raise UserError(f"{place}: better={held['better']!r} is none of {tuple(OUTCOMES)}")
        held["language"] = language_of(place, held["language"])
        pair = KnownPair(**{name: held[name] for name in fields})
        if known.setdefault((pair.language, pair.id), pair.record) != pair.record:
            raise UserError(
                f"{place}: {pair.language} {pair.id!r} has another prompt, reference, task or "
                "answer in a line before; give each prompt an id of its own"
            )
        if not alike(pair.first, pair.second):
            pairs.append(pair)
    if not pairs:
        raise UserError(f"--pairs={path}: no pairs; a line has the fields {', '.join(needed)}")
    return pairs


def corpus_pairs(heldout: Mapping[str, Sequence[Example]], seed: int) -> list[KnownPair]:
    """Returns pairs with the reference first, which is better, made of examples by language.

    The second is the reference of another example with a wrong answer of the same task; the same
    example's in another language; the prompt itself. What turns out to be right is left out.

    Raises:
        UserError: there is no example with a reference.
    """
    everywhere = {(code, one.id): one for code, held in heldout.items() for one in held}
    records = {asked: response_record(one, "") for asked, one in everywhere.items()}
    wrong_names = other_answers(records)
    by_answer: dict[tuple[str, str, str], list[Example]] = {}
    for one in everywhere.values():
        by_answer.setdefault((one.language, one.task, one.answer), []).append(one)
    pairs = []
    for (code, identity), one in everywhere.items():
        others = [
            other.response
            for name in wrong_names[code, identity]
            # A region may be part of another: who names the larger one is not all wrong.
            if one.answer and not contains_words(normalise(one.answer), normalise(name))
            for other in by_answer[code, one.task, name]
        ]
        abroad = [
            everywhere[other, identity].response
            for other in heldout
            if other != code and (other, identity) in everywhere
        ]
        for source, texts in (
            (WRONG_ANSWER, others),
            (WRONG_LANGUAGE, abroad),
            (ECHO, [one.prompt]),
        ):
            known = [text for text in texts if one.response and _is_wrong(one, text, source)]
            # Drawn by what they say: other languages and examples beside them change nothing.
            drawn = min(known, key=lambda text: key(seed, source, code, identity, text), default="")
            if drawn:
                made = (one.prompt, one.response, drawn, "first", one.response)
                pairs.append(KnownPair(identity, code, *made, one.task, one.answer, source))
    if not pairs:
        raise UserError(
            "--pairs=corpus: no held-out example has a reference; give --pairs=FILE of pairs that "
            "people have compared"
        )
    return pairs


def _is_wrong(one: Example, text: str, source: str) -> bool:
    """Returns whether a text is worse than the reference of an example for sure."""
    if not text or alike(one.response, text):
        return False
    said, right = normalise(text), normalise(one.answer)
    return source != WRONG_ANSWER or not (right and contains_words(said, right))


def oasst_pairs(location: str, languages: Sequence[str]) -> list[KnownPair]:
    """Returns the reply that people ranked first beside the one they ranked last, per prompt.

    `location` is a path as readers of corpora take it; with "?depth=any" prompts are also the later
    ones of a conversation, with all that was said before. Files have a `text` and its `lang`, or a
    `text_CODE` a language.

    Raises:
        UserError: there is no such file, or no prompt in these languages has two ranked replies.
    """
    path = location.removesuffix(ANY_DEPTH)
    messages = {
        row.text("message_id"): (row, parent) for row, parent in oasst_messages(read_rows(path))
    }
    ranked: dict[str, list[tuple[int, Row]]] = {}
    for row, parent in messages.values():
        rank = row.fields.get("rank")
        if parent in messages and row.text("role") == "assistant" and isinstance(rank, int):
            ranked.setdefault(parent, []).append((rank, row))
    pairs = []
    for code, (asked, replies) in itertools.product(languages, ranked.items()):
        thread = [asked]
        while (above := messages[thread[0]][1]) in messages and above not in thread:
            thread.insert(0, above)
        if len(thread) > 1 and path == location:
            continue
        turns = [_text(messages[turn][0], code) for turn in thread]
        held = sorted((rank, text) for rank, row in replies if (text := _text(row, code)))
        if all(turns) and len(held) > 1 and held[0][0] == 0 < held[-1][0]:
            best, worst = held[0][1], held[-1][1]
            if not alike(best, worst):
                prompt = "\n\n".join(turns)
                pairs.append(
                    KnownPair(f"oasst-{asked}", code, prompt, best, worst, "first", source="oasst")
                )
    if not pairs:
        raise UserError(
            f"--pairs={OASST}{location}: no prompt in {', '.join(languages)} has two ranked "
            "replies; correct the path, or config.languages"
        )
    return pairs


def _text(message: Row, code: str) -> str:
    """Returns what a message says in a language; "" where it does not."""
    fields = message.fields
    said = fields.get(f"text_{code}")
    if said is None and str(fields.get("lang", "")).partition("-")[0] == code:
        said = fields.get("text")
    return said if isinstance(said, str) else ""


def alike(first: str, second: str) -> bool:
    """Returns whether two texts say the same words."""
    return normalise(first) == normalise(second)
