"""How an instruction becomes ids: one template for training and for decoding."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from pinch_jax.corpus.example import Prompt
from pinch_jax.errors import UserError
from pinch_jax.text.base import Tokenizer
from pinch_jax.text.chat_template import ChatRenderer, ChatTemplate
from pinch_jax.text.token_template import Renderer, Template

__all__ = ["ChatRenderer", "Renderer", "Template", "make_renderer", "read_renderer"]

# Counts up when the same tokenizer and template make other ids of the same text.
ENCODING_VERSION = 3


class NoTemplate(Renderer):
    """What a model has that no template fits: no prompt can be written for it."""

    def prompt(self, prompt: Prompt) -> list[int]:
        """Raises UserError."""
        _newline(self.tokenizer)
        raise AssertionError(f"{self.tokenizer.path} has a token for a line's end after all")


def make_renderer(tokenizer: Tokenizer, template: Literal["auto", "base", "chat"]) -> Renderer:
    """Returns how instructions are written for a model that came without a template of ours.

    "base" puts one newline between prompt and response, BOS before where the model's texts begin
    with it, and EOS behind; "chat" is the model's own template; "auto" is that where it has one.

    Raises:
        UserError: there is no such template, or it cannot be used.
    """
    roles = tokenizer.roles
    if template not in ("auto", "base", "chat"):
        raise UserError(f"template={template!r} is not known; write 'auto', 'base' or 'chat'")
    if template == "chat" and roles.chat_template is None:
        raise UserError(f"{tokenizer.path} has no chat template; use the template 'base'")
    # Of texts without a prompt, a chat template says nothing.
    plain = Template(
        before=(tokenizer.token(tokenizer.bos_id),) if tokenizer.adds_bos else (),
        after=(),
        end=(tokenizer.token(tokenizer.eos_id),),
    )
    if template == "base" or roles.chat_template is None:
        try:
            return Renderer(dataclasses.replace(plain, after=_newline(tokenizer)), tokenizer)
        except UserError:
            if template == "base":
                raise
            # It can be scored and converted all the same.
            return NoTemplate(plain, tokenizer)
    tokens = roles.bos, roles.eos, roles.pad, roles.others
    chat = ChatTemplate(roles.chat_template, plain, *tokens)
    return ChatRenderer(chat, tokenizer)


def read_renderer(described: Mapping[str, Any], tokenizer: Tokenizer) -> Renderer:
    """Returns the renderer that describes itself so: `Renderer.described`, also as JSON."""
    if "jinja" not in described:
        return Renderer(_token_template(described), tokenizer)
    plain = _token_template(described["plain"])
    return ChatRenderer(ChatTemplate(**{**described, "plain": plain}), tokenizer)


def _token_template(described: Mapping[str, Any]) -> Template:
    return Template(**{side: tuple(tokens) for side, tokens in described.items()})


def _newline(tokenizer: Tokenizer) -> tuple[str, ...]:
    # Behind a letter: before a text, some tokenizers put a blank.
    letter, line = tokenizer.encode("a"), tokenizer.encode("a\n")
    if line[: len(letter)] != letter or len(line) == len(letter):
        raise UserError(
            f"{tokenizer.path} has no token for a line's end, which stands between prompt and "
            "response in the template 'base'; use the template 'chat', or another tokenizer"
        )
    return tuple(map(tokenizer.token, line[len(letter) :]))
