"""OpenAssistant: each root prompt with the reply that people ranked first.

As published by the project: ready trees, one a line, or a flat list of their messages. Source:
Köpf et al. 2023, OpenAssistant Conversations, arXiv 2304.07327.
"""

import itertools
from collections.abc import Iterable, Iterator

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.reading.rows import Row
from pinch_jax.languages import spellings

BEST_RANK = 0
READY = "ready_for_export"


def oasst_examples(rows: Iterable[Row], language: str) -> Iterator[Example]:
    """Yields the root prompts in a language whose best-ranked reply is in it too, in file order.

    A reply that was never ranked is not taken for the best one, nor is the best of what moderation
    left over.

    Raises:
      UserError: a record is not a tree or a message.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    pairs_of = _flat_pairs if "message_id" in first.fields else _tree_pairs
    for prompt, reply in pairs_of(itertools.chain([first], rows)):
        if not all(_is_good(message, language) for message in (prompt, reply)):
            continue
        identity = f"oasst-{prompt.text('message_id')}"
        yield Example(
            identity, identity, "oasst", language, prompt.text("text"), reply.text("text")
        )


def _tree_pairs(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    for row in rows:
        prompt = Row(f"{row.place}, prompt", row.index, row.value("prompt", dict))
        if row.fields.get("tree_state", READY) != READY:
            continue
        for number, reply in enumerate(prompt.value("replies", list)):
            message = Row(f"{row.place}, reply {number}", row.index, reply)
            if _is_best(message):
                yield prompt, message
                break


def _flat_pairs(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """Yields pairs in the order of the roots; a reply may stand before its root."""
    roots: list[Row] = []
    best: dict[str, Row] = {}
    for row in rows:
        if row.fields.get("tree_state", READY) != READY:
            continue
        # Nulls are left out of some exports, so that a root may lack the field.
        parent = row.fields.get("parent_id")
        if parent is None:
            roots.append(row)
        elif _is_best(row):
            best.setdefault(parent, row)
    for root in roots:
        if (reply := best.get(root.text("message_id"))) is not None:
            yield root, reply


def _is_best(message: Row) -> bool:
    """Returns whether people ranked it first; a message without siblings has no rank."""
    return message.text("role") == "assistant" and message.fields.get("rank") == BEST_RANK


def _is_good(message: Row, language: str) -> bool:
    """Returns whether it passed moderation and is in the language."""
    if message.fields.get("deleted") or message.fields.get("review_result") is False:
        return False
    message.text("text")
    # "pt-BR" is Portuguese.
    return message.text("lang").partition("-")[0] in (language, *spellings(language))
