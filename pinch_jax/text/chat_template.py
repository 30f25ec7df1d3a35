"""A tuned model's own chat template: what was said so far, and the model's answer to it."""

import dataclasses
import datetime
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from pinch_jax.corpus.example import Prompt, Turn, written
from pinch_jax.errors import UserError
from pinch_jax.text.added_tokens import unused_mark
from pinch_jax.text.base import Tokenizer
from pinch_jax.text.token_template import Renderer, Template

# The day on which all templates are rendered, so that no run depends on the day it is run on: the
# one that Llama's write where they cannot know it.
DAY = datetime.datetime(2024, 7, 26)
# A turn by which a template shows what it writes around one.
SAMPLE = "\ufdd0"


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """A template in jinja and what it knows of its tokenizer.

    Attributes:
        jinja: the template, as transformers renders it.
        plain: what stands around a text without a prompt, which is no turn.
        bos_token, eos_token, pad_token: tokens that it may write, if any.
        other_tokens: more of them, by the names that it has for them.
    """

    jinja: str
    plain: Template
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    other_tokens: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ChatRenderer(Renderer):
    """A chat template bound to a tokenizer.

    What the template writes may be special tokens, what a text says never is. A text between two
    special tokens is encoded together with the template's own words around it; but no token
    reaches from a prompt into its response: where one would, the response is encoded by itself.
    The response ends with the first special token that the template writes behind it. Templates
    are rendered as on 26 July 2024, without tools, documents and thinking.

    Raises:
        UserError: the template cannot be rendered, or writes a prompt otherwise once it is
            answered.
    """

    template: ChatTemplate
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        self._check(_user(SAMPLE), "it does not write a prompt that is plain text")

    @functools.cached_property
    def _turns(self) -> jinja2.Template:
        try:
            return _environment().from_string(self.template.jinja)
        except jinja2.TemplateError as error:
            raise self._error(str(error)) from None

    def _error(self, reason: str, turns: Sequence[Turn] = ()) -> UserError:
        roles = f" for turns of {[role for role, _ in turns]}" if turns[1:] else ""
        return UserError(
            f"the chat template of {self.tokenizer.path} cannot be used{roles}: {reason}; use the "
            f"template 'base'{', or leave such turns out' if roles else ''}"
        )

    def _otherwise(self, before: str, answered: str) -> UserError:
        return self._error(f"it writes {before!r} otherwise once it is answered: {answered!r}")

    def _check(self, turns: Sequence[Turn], otherwise: str = "it leaves out turns") -> None:
        """Checks that the template writes each turn, and not otherwise once it is answered."""
        # Some leave out a role without a word.
        samples = [(role, SAMPLE) for role, _ in turns]
        before, answered = self._render(samples), self._render(samples, SAMPLE)
        if before.count(SAMPLE) < len(turns):
            raise self._error(otherwise, samples)
        if not answered.startswith(before):
            raise self._otherwise(before, answered)

    def _render(self, turns: Sequence[Turn], response: str | None = None) -> str:
        messages = [{"role": role, "content": text} for role, text in turns]
        if response is not None:
            messages.append({"role": "assistant", "content": response})
        roles = ("bos_token", "eos_token", "pad_token")
        own = {role: getattr(self.template, role) for role in roles}
        tokens = {**own, **self.template.other_tokens}
        try:
            return self._turns.render(
                messages=messages,
                tools=None,
                documents=None,
                add_generation_prompt=response is None,
                enable_thinking=False,
                **{name: token for name, token in tokens.items() if token is not None},
            )
        except jinja2.TemplateError as error:
            raise self._error(str(error), turns) from None

    def _whole(self, turns: Sequence[Turn], response: str | None = None) -> str:
        """Returns the same, of texts that are written as they are but for blanks around them."""
        rendered = self._render(turns, response)
        # Some cut a text at what is no token of this tokenizer, such as </think>.
        for text in (*(text for _, text in turns), response or ""):
            if text.strip() not in rendered:
                raise self._error(f"it does not write all of {text[:60]!r}", turns)
        return rendered

    @functools.cached_property
    def _markup(self) -> set[str]:
        """The template's tokens, such as <think>, that the tokenizer would find in any text."""
        words = filter(str.strip, self.tokenizer.whole_tokens())
        return {token for token in words if len(token) > 1 and token in self.template.jinja}

    @functools.cached_property
    def _special_token(self) -> re.Pattern[str]:
        """What only the template may write."""
        tokens = filter(None, self.tokenizer.special_tokens() | self._markup)
        longest_first = sorted(tokens, key=lambda token: (-len(token), token))
        # A single character of a text has a mark behind it.
        found = (re.escape(p) + "(?![\ufdd0-\ufdef])" * (len(p) == 1) for p in longest_first)
        return re.compile("(" + ("|".join(found) or "(?!)") + ")")

    @functools.cached_property
    def _texts(self) -> Tokenizer:
        """What encodes a text."""
        markup = self._markup
        return self.tokenizer.with_special_tokens(markup) if markup else self.tokenizer

    @functools.cached_property
    def _closing(self) -> tuple[str, str]:
        """What the template writes behind a response: all of it, and up to a special token."""
        closing = self._render(_user(SAMPLE), SAMPLE).rpartition(SAMPLE)[2]
        end = self._special_token.search(closing)
        if end is None:
            return closing, self.tokenizer.token(self.tokenizer.eos_id)
        return closing, closing[: end.end()]

    @property
    def stop_id(self) -> int:
        """The token at which decoding stops."""
        return self._ids(self._closing[1])[-1]

    def prompt(self, prompt: Prompt) -> list[int]:
        """Returns the ids that a model continues with its response."""
        turns, mark = self._turns_of(prompt, "")
        return self._ids(self._whole(turns), mark)

    def _turns_of(self, prompt: Prompt, response: str) -> tuple[list[Turn], str]:
        """Returns turns in which no text is a special token, and the mark that sees to it."""
        turns = _user(prompt) if isinstance(prompt, str) else prompt
        if len(turns) > 1:
            self._check(turns)
        mark = unused_mark(written(turns) + response)
        return [(role, self._marked(text, mark)) for role, text in turns], mark

    def example(self, prompt: Prompt, response: str) -> tuple[list[int], int]:
        """Returns (ids, length of the prompt in them), as `Renderer.example` does."""
        if not prompt:
            return Renderer(self.template.plain, self.tokenizer).example(prompt, response)
        turns, mark = self._turns_of(prompt, response)
        response = self._marked(response, mark)
        before, answered = self._whole(turns), self._whole(turns, response)
        closing, end = self._closing
        if not (answered.startswith(before) and answered.endswith(closing)):
            raise self._otherwise(before, answered)
        answer = answered[len(before) : len(answered) - len(closing)] + end
        ids, whole = self._ids(before, mark), self._ids(before + answer, mark)
        if whole[: len(ids)] != ids:
            whole = [*ids, *self._ids_on(answer, mark)]
        return whole, len(ids)

    def _marked(self, text: str, mark: str) -> str:
        # A mark within one lookalike may leave another that shared a part with it.
        while found := self._special_token.search(text):
            inside = found.start() + 1
            text = text[:inside] + mark + text[inside:]
        return text

    def _parts(self, rendered: str, mark: str) -> Sequence[str]:
        """Returns a rendered text without its marks, every second part being a special token."""
        return [part.replace(mark, "") for part in self._special_token.split(rendered)]

    def _ids(self, rendered: str, mark: str = SAMPLE) -> list[int]:
        """Returns the ids of a rendered text."""
        return self._texts.encode_parts(self._parts(rendered, mark))

    def _ids_on(self, rendered: str, mark: str) -> list[int]:
        """Returns the ids of a rendered text that goes on another one."""
        text, *behind = self._parts(rendered, mark)
        return self._texts.encode_on(text) + self._texts.encode_parts(["", *behind])


def _user(text: str) -> list[Turn]:
    return [("user", text)]


def _environment() -> jinja2.Environment:
    """Returns what transformers renders templates in, on `DAY`."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = DAY.strftime
    return environment


class _Generation(jinja2.ext.Extension):
    """The tag by which some templates mark what a model writes, which has a scope of its own."""

    tags = frozenset({"generation"})

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        """Returns what writes that which stands within the tag."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        block = jinja2.nodes.CallBlock(self.call_method("_written"), [], [], body)
        return block.set_lineno(line)

    def _written(self, caller: Callable[[], str]) -> str:
        return caller()


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own escapes what is markup in HTML.
    options = {"indent": indent, "separators": separators, "sort_keys": sort_keys}
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
