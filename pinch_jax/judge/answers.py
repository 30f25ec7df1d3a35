"""What a service is asked for, and what its answer says: a label, and how probable it is.

Only a label by itself is a verdict. Whatever else comes back is none, and nobody guesses what it
may have meant.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pinch_jax.judge.prompt import LABELS
from pinch_jax.judge.protocol import Judgement, by_odds
from pinch_jax.service.chat import Reply
from pinch_jax.service.faults import first_line

# More than a label needs, so that prose that begins with "A" is seen to be prose.
ANSWER_TOKENS = 16
# Blanks, as tokenizers write them too, and quotes.
_QUOTES = "\"'`“”‘’«»"
_AROUND = f" \t\r\n▁ĠĊ{_QUOTES}"
# At or below it stands what a service writes for tokens that it says nothing of: -100, -9999 or
# the least number of its type.
_LEAST_LOGPROB = -100.0
# Log-probabilities are at most 0, and those of a token are alike, but for rounding.
_ROUNDING = 1e-3
# Those of both labels may add up to so much more than 1, written with one digit behind the point.
_SUM_ROUNDING = 0.05
# The response_format that allows one of two labels and nothing else.
_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": list(LABELS[0])}},
    "required": ["answer"],
    "additionalProperties": False,
}
_TOLD = {"name": "verdict", "strict": True, "schema": _SCHEMA}
_ANSWER_FORMAT = {"type": "json_schema", "json_schema": _TOLD}


@dataclasses.dataclass(frozen=True)
class Way:
    """How a service is asked; it refuses what it does not know, one after another.

    Attributes:
        top: so many tokens are asked for with their log-probabilities; 0 is none.
        schema: where there are none: an enumeration, or else text.
        limit: what it calls the greatest number of tokens of an answer.
        temperature: whether it can be told to choose the most probable token.
    """

    top: int = 20
    schema: bool = True
    limit: str = "max_tokens"
    temperature: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """What a request has beside the messages."""
        options: dict[str, Any] = {self.limit: ANSWER_TOKENS}
        if self.temperature:
            options["temperature"] = 0
        if self.top:
            return options | {"logprobs": True, "top_logprobs": self.top}
        return options | ({"response_format": _ANSWER_FORMAT} if self.schema else {})

    def without(self, complaint: str) -> "Way | None":
        """Returns how to ask who complains so; None if it is not about what was asked for."""
        said = complaint.lower()
        if self.limit == "max_tokens" and ("max_tokens" in said or "max_completion" in said):
            return dataclasses.replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in said:
            return dataclasses.replace(self, temperature=False)
        if self.top and "logprob" in said:
            # Some give five and no more.
            return dataclasses.replace(self, top=5 if self.top > 5 else 0)
        about_schema = any(word in said for word in ("response_format", "schema", "structured"))
        if not self.top and self.schema and about_schema:
            return dataclasses.replace(self, schema=False)
        return None


def read_reply(reply: Reply, labels: tuple[str, str]) -> Judgement:
    """Returns what a reply says: with log-odds where it has them, no verdict where it is no label.

    The log-probabilities decide where they are there. One label alone among them is a bound, and
    no value: then the text decides, and there are no log-odds.
    """
    if trouble := find_trouble(reply):
        return Judgement(None, trouble=trouble)
    label, cut = read_label(reply.text, labels), reply.finish_reason == "length"
    # "A" may be all that a service's own limit leaves of "A better answer would be …".
    if label is None or (cut and reply.text.rstrip(_QUOTES).endswith(label)):
        told = repr(first_line(reply.text.strip())[:80])
        return Judgement(None, trouble=f"{'cut off' if cut else 'no label'}: {told}")
    try:
        odds = read_odds(reply.logprobs, labels, label)
    except ValueError as error:
        return Judgement(None, trouble=str(error))
    return Judgement("first" if label == labels[0] else "second") if odds is None else by_odds(odds)


def find_trouble(reply: Reply) -> str:
    """Returns why there is nothing to read, or ""."""
    if reply.refusal:
        return f"the model refuses: {reply.refusal}"
    if reply.finish_reason in ("content_filter", "no choice", "error"):
        return reply.finish_reason.replace("_", " ")
    if not reply.text.strip():
        thinks = " (thoughts before the answer?)" if reply.finish_reason == "length" else ""
        return f"no text: finish_reason={reply.finish_reason!r}{thinks}"
    return ""


def read_label(text: str, labels: tuple[str, str]) -> str | None:
    """Returns the label that a text is, by itself or as JSON has it; None if it is none."""
    if (name := text.strip(_AROUND)) in labels:
        return name
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    # A name that comes twice has two values.
    return next((label for label in labels if found == [("answer", label)]), None)


def has_logprobs(reply: Reply) -> bool:
    """Returns whether a reply has log-probabilities in the form of the chat protocol."""
    return bool(_tokens(reply.logprobs))


def read_odds(logprobs: Any, labels: tuple[str, str], answered: str) -> float | None:
    """Returns log P(first label) - log P(second), at the token that is the label `answered`.

    A label is any token that is one between blanks and quotes. None where one of them is not among
    the most probable tokens, or the tokens are not those of the answer but of thoughts before it.

    Raises:
        ValueError: a label's log-probability is none, or both are more than certain.
    """
    named = [(name, token) for token in _tokens(logprobs) if (name := _name(token))]
    # Behind the label stands the end, if anything: thoughts may begin with "A" too.
    if len(named) not in (1, 2) or named[0][0] != answered:
        return None
    return _odds(named[0][1], labels)


def _odds(token: Mapping[str, Any], labels: tuple[str, str]) -> float | None:
    top = token.get("top_logprobs")
    listed = [t for t in top if isinstance(t, Mapping)] if isinstance(top, Sequence) else []
    held: dict[str, list[tuple[str, float]]] = {label: [] for label in labels}
    # The token that was chosen may be listed or not, and is certain by some, as it was chosen.
    alone = [] if any(t.get("token") == token["token"] for t in listed) else [token]
    for one in (*alone, *listed):
        if (name := _name(one)) not in held:
            continue
        text, value = one["token"], one.get("logprob")
        if type(value) not in (int, float) or math.isnan(value) or value > _ROUNDING:
            raise ValueError(f"the log-probability of {name} is {value!r}")
        # Some list a token twice. Several may be written alike, as those with and without a blank
        # are by some.
        known = any(t == text and abs(v - value) < _ROUNDING for t, v in held[name])
        if value > _LEAST_LOGPROB and not known:
            held[name].append((text, value))
    if not all(held.values()):
        return None
    first, second = (np.logaddexp.reduce([v for _, v in held[label]]) for label in labels)
    if (both := np.logaddexp(first, second)) > _SUM_ROUNDING:
        raise ValueError(f"the labels have a probability of {np.exp(both):.2f} together")
    return float(first - second)


def _tokens(logprobs: Any) -> list[Mapping[str, Any]]:
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return [t for t in content if isinstance(t, Mapping)] if isinstance(content, list) else []


def _name(token: Mapping[str, Any]) -> str:
    text = token.get("token")
    return text.strip(_AROUND) if isinstance(text, str) else ""
