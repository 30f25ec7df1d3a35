"""Conversations of several turns, in the forms that they are published in, cut into examples.

What other columns say beside a prompt is read as part of it, or refused.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pinch_jax.corpus.example import Turn, turn_fields, written
from pinch_jax.corpus.reading.rows import Row, check_text
from pinch_jax.errors import UserError

# The field with the turns, and in a turn those of the role and of the text.
FORMS = {
    "messages": ("role", "content"),
    "conversation": ("role", "content"),
    "conversations": ("from", "value"),  # ShareGPT
}
# The fields of a system's turn, and what may say more of a prompt than its own field does.
SYSTEM = ("system", "system_prompt")
BESIDE = (*SYSTEM, "instruction", "input", "context", "history", *FORMS)
ROLES = {"human": "user", "gpt": "assistant"} | {r: r for r in ("system", "user", "assistant")}
WHICH = ("all", "first", "last")


def turns_of(row: Row, field: str) -> list[Turn]:
    """Returns the turns of a record: the system's, if any, then a user's and a reply in turn.

    A text in the field `system` is the system's turn where the conversation has none.

    Raises:
      UserError: a role is unknown or out of turn, or a turn has no text.
    """
    role_of, text_of = FORMS[field]
    told = [turn if isinstance(turn, Mapping) else {} for turn in row.value(field, list)]
    roles = [ROLES.get(turn.get(role_of), turn.get(role_of)) for turn in told]
    spoken = roles[roles[:1] == ["system"] :]
    if not spoken or spoken != [("user", "assistant")[n % 2] for n in range(len(spoken))]:
        raise UserError(
            f"{row.place}: {field} of {roles}; turns have to be of 'user' and 'assistant' in turn, "
            "from a user's on, with at most one of 'system' before; repair or delete the record"
        )
    texts = [
        check_text(row.place, f"{field}[{number}].{text_of}", turn.get(text_of))
        for number, turn in enumerate(told)
    ]
    turns = list(zip(roles, texts, strict=True))
    return turns if len(spoken) < len(roles) else [*system_turn(row), *turns]


def system_turn(row: Row) -> list[Turn]:
    """Returns the turn that a record has in a field of its own, if there is something in it."""
    held = [name for name in SYSTEM if row.fields.get(name)]
    said = row.text(held[0], empty=True) if held else ""
    return [("system", said)] if said else []


def check_beside(row: Row, form: str, turns: Sequence[Turn] = ()) -> None:
    """Checks that no column beside what is read, the turns of `form` or these, says more of it.

    Raises:
      UserError: one does.
    """
    beside = [name for name in BESIDE if name != form and row.fields.get(name)]
    if not beside:
        return
    said = written(turns_of(row, form) if form else turns)
    for name in beside:
        told = row.fields[name]
        if name in FORMS and not isinstance(told, list):
            continue  # the name of a conversation
        texts = [text for _, text in turns_of(row, name)] if name in FORMS else [told]
        if not all(isinstance(text, str) and text.strip() in said for text in texts):
            raise UserError(
                f"{row.place}: {name}={str(told)[:40]!r} says more than the prompt that is read, "
                f"{said[:40]!r}; write all of it there, or as `messages`, or take the field out"
            )


def conversation(row: Row, field: str, which: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the chosen turns of a record; a reply with the `weight` 0 is none to learn."""
    turns, told = turns_of(row, field), row.value(field, list)
    first = len(turns) - len(told)
    passed = {first + number for number, turn in enumerate(told) if turn.get("weight", 1) == 0}
    return chosen(turns, which, passed)


def chosen(
    turns: Sequence[Turn], which: str, passed: Collection[int] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what goes on an id, and prompt, response and turns, for each user's turn chosen.

    One of "all" is an example with all that was said before it, and is known by its number; what
    no reply follows has the response "". The turns that are `passed` over are no responses.
    """
    asked = [place for place, (role, _) in enumerate(turns) if role == "user"]
    numbered = list(enumerate(asked, start=1))
    for number, place in {"all": numbered, "first": numbered[:1], "last": numbered[-1:]}[which]:
        if place + 1 not in passed:
            yield f"#{number}" if which == "all" else "", turn_fields(turns[: place + 2])
