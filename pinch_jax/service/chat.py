"""The one client of what speaks OpenAI's protocol: a request is made once, and raises or returns.

The library comes with the extra `services`, and the key from the environment, never from a config.
What a service sends is read as JSON of any shape, since many say that they speak the protocol.
"""

import dataclasses
import json
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from pinch_jax.errors import UserError, is_transient
from pinch_jax.service.faults import (
    Busy,
    Refused,
    ServiceError,
    first_line,
    permanent,
    retry_after_seconds,
)

_FILTERED = {"content_filter", "content_policy_violation"}
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
# What others call the same ends: Mistral, and services that pass on Anthropic's and Gemini's.
_SAME_END = {"model_length": "length", "max_tokens": "length"}
_SAME_END |= dict.fromkeys(("safety", "recitation"), "content_filter")
_TOO_LONG = re.compile(r"context[ _](length|size|window)|prompt is too long", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back: of the first choice, and what it cost.

    `text` is "" where there is none, or something else in its place; `finish_reason` is "no choice"
    without one; `logprobs` is what stands there, of whatever type; tokens are None if untold.
    """

    text: str
    finish_reason: str
    refusal: str
    logprobs: Any
    prompt_tokens: int | None
    tokens: int | None
    model: str


class ChatClient:
    """A chat model behind an OpenAI-compatible endpoint, with the key of OPENAI_API_KEY.

    A server of one's own (`base_url`) may do without a key. `name` is who is asked, and `fields`
    those of the config that say so, for messages.
    """

    def __init__(
        self, name: str, fields: str, model: str, base_url: str, timeout_seconds: float
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise UserError(f"openai: {error}; pip install 'pinch_jax[services]'") from error
        key = os.environ.get("OPENAI_API_KEY") or ("no key" if base_url else None)
        if key is None:
            raise ServiceError(f"{name}: set OPENAI_API_KEY in the environment")
        self._name, self._fields, self._model = name, fields, model
        self._client = openai.OpenAI(
            api_key=key, base_url=base_url or None, timeout=timeout_seconds, max_retries=0
        )
        # The environment may name one too.
        self.base_url = str(self._client.base_url)
        # Closes the connections to the service; a judge is let go without a word.
        self.close = weakref.finalize(self, self._client.close)

    def ask(self, messages: Sequence[Mapping[str, str]], **options: Any) -> Reply:
        """Returns the reply to messages.

        Raises:
          Busy, Refused, ServiceError: there is none.
        """
        import openai

        try:
            answer = self._client.chat.completions.with_raw_response.create(
                model=self._model, messages=messages, **options
            )
            text = answer.http_response.text
        except openai.APIStatusError as error:
            wait = retry_after_seconds(error.response.headers)
            raise self._fault(error.status_code, error.body or error.message, wait) from error
        except (openai.APIConnectionError, ValueError) as error:
            raise Busy(f"{type(error).__name__}: {first_line(error)}") from error
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, Mapping):
            # Some answer 200 whatever happens.
            if error := body.get("error"):
                code = str(error.get("code")) if isinstance(error, Mapping) else ""
                raise self._fault(int(code) if re.fullmatch("[45][0-9]{2}", code) else 502, error)
            if isinstance(body.get("choices"), list):
                return _reply(body)
        raise Busy(f"not a chat completion: {first_line(text)}; check base_url")

    def _fault(self, status: int, error: object, retry_after: float = 0.0) -> Exception:
        """Returns what to raise for an answer that is an error."""
        told = error if isinstance(error, Mapping) else {}
        while isinstance(told.get("error"), Mapping):  # a service in front of another one
            told = told["error"]
        message = str(told.get("message") or error)
        kinds = {str(told.get(field)) for field in ("code", "type")}
        flagged = status == 403 and "flagged" in message
        if kinds & _FILTERED or status == 413 or _TOO_LONG.search(message) or flagged:
            return Refused("; ".join([*(kinds & _FILTERED), first_line(message)]))
        if is_transient(status) and not kinds & _NO_CREDIT:
            return Busy(f"HTTP {status}: {first_line(message)}", retry_after)
        return permanent(self._name, self._fields, status, message, str(told.get("param") or ""))


def _reply(body: Mapping[str, Any]) -> Reply:
    """Returns what a completion says."""

    def table(value: object) -> Mapping[str, Any]:
        return value if isinstance(value, Mapping) else {}

    choice = table(next(iter(body["choices"]), None))
    message, usage = table(choice.get("message")), table(body.get("usage"))
    text, counts = message.get("content"), (usage.get("prompt_tokens"), usage.get("total_tokens"))
    reason = str(choice.get("finish_reason")) if choice else "no choice"
    return Reply(
        text if isinstance(text, str) else "",
        _SAME_END.get(reason.lower(), reason),
        first_line(message.get("refusal") or ""),
        choice.get("logprobs"),
        *(count if type(count) is int and count > 0 else None for count in counts),
        model=str(body.get("model") or "a model without a name"),
    )
