"""The template of a base model: tokens before a prompt, between it and its response, behind."""

import dataclasses
import functools
import itertools
from typing import Any

from pinch_jax.corpus.example import Prompt
from pinch_jax.errors import UserError
from pinch_jax.text.base import Tokenizer


@dataclasses.dataclass(frozen=True)
class Template:
    """What stands around a prompt, in the tokenizer's own tokens.

    The default is that of a base model: a dash that its text knows from "subject – statement".

    Attributes:
        before: tokens before the prompt, such as ("<s>",).
        after: tokens between the prompt and the response, such as ("▁", "–").
        end: tokens after the response, supervised; decoding stops at the last of them.
    """

    before: tuple[str, ...] = ("<s>",)
    after: tuple[str, ...] = ("▁", "–")
    end: tuple[str, ...] = ("</s>",)


@dataclasses.dataclass(frozen=True)
class Renderer:
    """A template bound to a tokenizer."""

    template: Template
    tokenizer: Tokenizer

    @functools.cached_property
    def _around(self) -> tuple[list[int], list[int], list[int]]:
        t = self.template
        sides = (t.before, t.after, t.end)
        return tuple([self.tokenizer.token_id(token) for token in side] for side in sides)

    @property
    def described(self) -> dict[str, Any]:
        """What a fingerprint knows the template by."""
        return dataclasses.asdict(self.template)

    @property
    def stop_id(self) -> int:
        """The token at which decoding stops."""
        return self._around[2][-1]

    def prompt(self, prompt: Prompt) -> list[int]:
        """Returns the ids that a model continues with its response.

        Of several turns, each prompt with its reply is written as if it were alone.

        Raises:
            UserError: a turn is of the system, for which there is no place.
        """
        if not isinstance(prompt, str):
            if prompt[0][0] == "system":
                raise UserError(
                    f"the template 'base' of {self.tokenizer.path} has no place for a system turn; "
                    "take it out of the records, or use a model with a chat template"
                )
            *earlier, (_, last) = prompt
            replied = zip(earlier[::2], earlier[1::2], strict=True)
            pairs = [self.example(asked, reply)[0] for (_, asked), (_, reply) in replied]
            return [*itertools.chain(*pairs), *self.prompt(last)]
        before, after, _ = self._around
        return [*before, *self.tokenizer.encode(prompt), *after]

    def example(self, prompt: Prompt, response: str) -> tuple[list[int], int]:
        """Returns (ids, length of the prompt in them); the ids behind it are supervised.

        Without a prompt, a response is plain text for pretraining: all behind BOS is supervised.
        """
        before, _, end = self._around
        ids = self.prompt(prompt) if prompt else list(before)
        # What nothing stands before cannot be predicted: such a text's first token is its prompt.
        return [*ids, *self.tokenizer.encode(response), *end], len(ids) or 1
