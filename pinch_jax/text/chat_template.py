"""A tuned model's own chat template: one turn of a user, and the model's answer to it."""

import dataclasses
import functools
import json
import re
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from pinch_jax.text.base import Tokenizer
from pinch_jax.text.piece_template import Renderer, Template

# Characters that no text has: one of them stands where a text would look like a control piece.
MARKS = range(0xFDD0, 0x110000)
# A turn by which a template shows what it writes around one.
SAMPLE = "\ufdd0"


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """A template in jinja and what it knows of its tokenizer.

    Attributes:
        jinja: the template, as transformers renders it.
        plain: what stands around a text without a prompt, which is no turn.
        bos_token, eos_token, pad_token: pieces that it may write, if any.
    """

    jinja: str
    plain: Template
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None


@dataclasses.dataclass(frozen=True)
class ChatRenderer(Renderer):
    """A chat template bound to a tokenizer.

    What the template writes may be control pieces, what a text says never is. A text between two
    control pieces is encoded together with the template's own words around it; but no token
    reaches from a prompt into its response, which is encoded by itself, as it is when a model
    writes it. The response ends with the first control piece that the template writes behind it.

    Raises:
        ValueError: the template cannot be rendered, or writes a prompt otherwise once it is
            answered.
    """

    template: ChatTemplate
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        before, answered = self._render(SAMPLE), self._render(SAMPLE, SAMPLE)
        if SAMPLE not in before:
            raise self._error("it does not write a prompt that is plain text")
        if not answered.startswith(before):
            raise self._error(f"it writes {before!r} otherwise once it is answered: {answered!r}")

    @functools.cached_property
    def _turns(self) -> jinja2.Template:
        try:
            return _environment().from_string(self.template.jinja)
        except jinja2.TemplateError as error:
            raise self._error(str(error)) from None

    def _error(self, reason: str) -> ValueError:
        return ValueError(
            f"the chat template of {self.tokenizer.path} cannot be used: {reason}; use the "
            "template 'base'"
        )

    def _render(self, prompt: str, response: str | None = None) -> str:
        messages = [{"role": "user", "content": prompt}]
        if response is not None:
            messages.append({"role": "assistant", "content": response})
        template = self.template
        pieces = {
            "bos_token": template.bos_token,
            "eos_token": template.eos_token,
            "pad_token": template.pad_token,
        }
        try:
            return self._turns.render(
                messages=messages,
                add_generation_prompt=response is None,
                enable_thinking=False,
                **{name: piece for name, piece in pieces.items() if piece is not None},
            )
        except jinja2.TemplateError as error:
            raise self._error(str(error)) from None

    @functools.cached_property
    def _markup(self) -> set[str]:
        """The template's pieces, such as <think>, that the tokenizer would find in any text."""
        words = filter(str.strip, self.tokenizer.whole_pieces())
        return {piece for piece in words if len(piece) > 1 and piece in self.template.jinja}

    @functools.cached_property
    def _control_piece(self) -> re.Pattern[str]:
        """What only the template may write."""
        # A single character could not be told from the same one in a text.
        pieces = {p for p in self.tokenizer.control_pieces() | self._markup if len(p) > 1}
        longest_first = sorted(pieces, key=lambda piece: (-len(piece), piece))
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @functools.cached_property
    def _texts(self) -> Tokenizer:
        """What encodes a text."""
        markup = self._markup
        return self.tokenizer.with_control_pieces(markup) if markup else self.tokenizer

    @functools.cached_property
    def _closing(self) -> tuple[str, str]:
        """What the template writes behind a response: all of it, and up to a control piece."""
        closing = self._render(SAMPLE, SAMPLE).rpartition(SAMPLE)[2]
        end = self._control_piece.search(closing)
        return closing, closing[: end.end()] if end else self.tokenizer.roles.eos

    @property
    def stop_id(self) -> int:
        """The piece at which decoding stops."""
        return self._ids(self._closing[1])[-1]

    def prompt(self, prompt: str) -> list[int]:
        """Returns the ids that a model continues with its response."""
        mark = _unused(prompt)
        return self._ids(self._render(self._marked(prompt, mark)), mark)

    def example(self, prompt: str, response: str) -> tuple[list[int], int]:
        """Returns (ids, length of the prompt in them); the ids behind it are supervised.

        Without a prompt, a response is plain text for pretraining: all behind BOS is supervised.
        """
        if not prompt:
            return Renderer(self.template.plain, self.tokenizer).example(prompt, response)
        mark = _unused(prompt + response)
        prompt, response = self._marked(prompt, mark), self._marked(response, mark)
        before, answered = self._render(prompt), self._render(prompt, response)
        closing, end = self._closing
        answer = answered.removeprefix(before).removesuffix(closing) + end
        ids = self._ids(before, mark)
        goes_on = self._control_piece.split(before)[-1] != ""
        return [*ids, *self._ids(answer, mark, goes_on)], len(ids)

    def _marked(self, text: str, mark: str) -> str:
        # A mark within one lookalike may leave another that shared a part with it.
        while found := self._control_piece.search(text):
            inside = found.start() + 1
            text = text[:inside] + mark + text[inside:]
        return text

    def _ids(self, rendered: str, mark: str = "", goes_on: bool = False) -> list[int]:
        """Returns the ids of a rendered text; `goes_on`: behind a text, not a control piece."""
        ids, start = [], 0
        for found in [*self._control_piece.finditer(rendered), None]:
            text = rendered[start : found.start() if found else None].replace(mark, "")
            ids += self._texts.encode_on(text) if goes_on and not ids else self._texts.encode(text)
            if found:
                ids.append(self.tokenizer.piece_id(found[0]))
                start = found.end()
        return ids


def _unused(text: str) -> str:
    return next(char for char in map(chr, MARKS) if char not in text)


def _environment() -> jinja2.Environment:
    """Returns what transformers renders templates in, but for the day: no run depends on that."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    return environment


class _Generation(jinja2.ext.Extension):
    """The tag by which some templates mark what a model writes; here it changes nothing."""

    tags = frozenset({"generation"})

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """Returns what stands within the tag."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    # Jinja's own escapes what is markup in HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
