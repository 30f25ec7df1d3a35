"""OpenAssistant, 1 and 2: root prompts with the replies that people ranked first.

As published by the project: ready trees, one a line, or a flat list of their messages. Source:
Köpf et al. 2023, OpenAssistant Conversations, arXiv 2304.07327.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.reading.conversations import chosen
from pinch_jax.corpus.reading.rows import Row
from pinch_jax.languages import spellings

BEST_RANK = 0
READY = "ready_for_export"


def oasst_examples(rows: Iterable[Row], language: str, which: str) -> Iterator[Example]:
    """Yields the root prompts in a language whose best-ranked reply is in it too, in file order.

    A reply that was never ranked is not taken for the best one, nor is the best of what moderation
    left over. Unless `which` is "first", a conversation goes on with the best-ranked prompt below
    that reply, or the first of those without a rank, as long as it has such a reply.

    Raises:
      UserError: a record is not a tree or a message.
    """
    roots: list[Row] = []
    below: dict[str, list[Row]] = {}
    ready = (row for row in rows if row.fields.get("tree_state", READY) == READY)
    for row, parent in oasst_messages(ready):
        if parent is None:
            roots.append(row)
        elif row.text("role") == "prompter" or _is_best(row):
            below.setdefault(parent, []).append(row)
    for root in roots:
        path = _best_path(root, below, language)[: 2 if which == "first" else None]
        turns = list(zip(itertools.cycle(("user", "assistant")), path, strict=False))
        fact = f"oasst-{root.text('message_id')}"
        for behind, fields in chosen(turns, which) if turns else ():
            yield Example(fact + behind, fact, "oasst", language, **fields)


def oasst_messages(
    rows: Iterable[Row], parent: str | None = None
) -> Iterator[tuple[Row, str | None]]:
    """Yields (message, id of its parent) of trees or of a flat list; without what was deleted.

    A reply of a flat list may stand before its root.
    """
    for row in rows:
        if isinstance(row.fields.get("prompt"), Mapping):  # a tree
            row = Row(f"{row.place}, prompt", row.index, row.fields["prompt"])
        if row.fields.get("deleted") or row.fields.get("review_result") is False:
            continue
        # Nulls are left out of some exports, so that a message may lack the field.
        yield row, parent or row.fields.get("parent_id")
        replies = row.fields.get("replies") or ()
        own = (Row(f"{row.place}, reply {n}", row.index, reply) for n, reply in enumerate(replies))
        yield from oasst_messages(own, row.text("message_id"))


def _best_path(root: Row, below: Mapping[str, list[Row]], language: str) -> list[str]:
    """Returns what prompts and best-ranked replies in turn say, from a root to the last reply."""
    path: list[str] = []
    asked: Row | None = root
    while asked is not None:
        best = next(filter(_is_best, below.get(asked.text("message_id"), ())), None)
        if best is None or not (_is_in(asked, language) and _is_in(best, language)):
            break
        path += [asked.text("text"), best.text("text")]
        further = (m for m in below.get(best.text("message_id"), ()) if not _is_best(m))
        asked = min((m for m in further if _is_in(m, language)), key=_rank, default=None)
    return path


def _rank(message: Row) -> float:
    rank = message.fields.get("rank")
    return math.inf if rank is None else rank


def _is_best(message: Row) -> bool:
    """Returns whether people ranked it first; a message without siblings has no rank."""
    return message.text("role") == "assistant" and message.fields.get("rank") == BEST_RANK


def _is_in(message: Row, language: str) -> bool:
    # "pt-BR" is Portuguese.
    return message.text("lang").partition("-")[0] in (language, *spellings(language))
