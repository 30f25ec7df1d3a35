"""Each language's examples as ids, tokenized once; every mixture is only an index into them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np


class Example(Protocol):
    """The part of a corpus's example that is rendered."""

    id: str
    prompt: str
    response: str


class Tokenizer(Protocol):
    """The part of a tokenizer that is needed beside the rendering."""

    pad_id: int


@dataclasses.dataclass(frozen=True)
class TokenizedLanguage:
    """The examples of one language.

    Attributes:
      ids: the id of each example.
      tokens: int32 [all tokens], the examples end to end.
      offsets: int64 [examples + 1]; example i is tokens[offsets[i]:offsets[i + 1]].
      prompt_lengths: int32 [examples]; tokens before the first supervised one.
    """

    ids: tuple[str, ...]
    tokens: np.ndarray
    offsets: np.ndarray
    prompt_lengths: np.ndarray

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, int64 [examples]."""
        return np.diff(self.offsets)

    @functools.cached_property
    def supervised_lengths(self) -> np.ndarray:
        """Supervised tokens of each example, int64 [examples]."""
        return self.lengths - self.prompt_lengths

    def example(self, row: int) -> tuple[np.ndarray, int]:
        """The ids of one example and the length of the prompt in them."""
        ids = self.tokens[self.offsets[row] : self.offsets[row + 1]]
        return ids, int(self.prompt_lengths[row])


@dataclasses.dataclass(frozen=True)
class TokenizedCorpus:
    """All languages of a corpus, and the id that fills what is left of a row."""

    languages: dict[str, TokenizedLanguage]
    pad_id: int


def tokenize_corpus(
    examples: Mapping[str, Sequence[Example]],
    tokenizer: Tokenizer,
    render: Callable[[str, str], tuple[list[int], int]],
) -> TokenizedCorpus:
    """The examples of each language as ids.

    `render(prompt, response)` returns the ids of an example and the length of the prompt in them:
    `Renderer.example` of `pinch_jax.data.template`.

    Raises:
      ValueError: an id stands twice in a language, or an example has no token before the first
        supervised one, or no supervised one.
    """
    languages = {code: _tokenize(code, some, render) for code, some in examples.items()}
    return TokenizedCorpus(languages, tokenizer.pad_id)


def _tokenize(
    language: str,
    examples: Sequence[Example],
    render: Callable[[str, str], tuple[list[int], int]],
) -> TokenizedLanguage:
    flat: list[int] = []
    offsets, prompt_lengths, seen = [0], [], set()
    for example in examples:
        if example.id in seen:
            raise ValueError(f"{language}: the id {example.id!r} stands twice; ids must be unique")
        seen.add(example.id)
        ids, prompt_length = render(example.prompt, example.response)
        if not 0 < prompt_length < len(ids):
            raise ValueError(
                f"{language}, {example.id!r}: {len(ids)} tokens with a prompt of {prompt_length};"
                " an example needs a token before the first supervised one, and a supervised one"
            )
        flat.extend(ids)
        offsets.append(len(flat))
        prompt_lengths.append(prompt_length)
    return TokenizedLanguage(
        tuple(example.id for example in examples),
        np.array(flat, np.int32),
        np.array(offsets, np.int64),
        np.array(prompt_lengths, np.int32),
    )
