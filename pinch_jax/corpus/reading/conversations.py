"""Conversations of several turns, in the forms that they are published in, cut into examples."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinch_jax.corpus.example import Turn, turn_fields
from pinch_jax.corpus.reading.rows import Row, check_text
from pinch_jax.errors import UserError

# The field with the turns, and in a turn those of the role and of the text.
FORMS = {
    "messages": ("role", "content"),
    "conversation": ("role", "content"),
    "conversations": ("from", "value"),  # ShareGPT
}
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
    if row.fields.get("system") and len(spoken) == len(roles):
        turns.insert(0, ("system", row.text("system")))
    return turns


def chosen(turns: Sequence[Turn], which: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what goes on an id, and prompt, response and turns, for each user's turn chosen.

    One of "all" is an example with all that was said before it, and is known by its number; what
    no reply follows has the response "".
    """
    asked = [place for place, (role, _) in enumerate(turns) if role == "user"]
    if which == "all":
        for number, place in enumerate(asked, start=1):
            yield f"#{number}", turn_fields(turns[: place + 2])
    else:
        yield "", turn_fields(turns[: asked[0 if which == "first" else -1] + 2])
