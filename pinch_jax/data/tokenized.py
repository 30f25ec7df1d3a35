"""Each member's examples as ids, tokenized once; every mixture is only an index into them."""

import array
import collections
import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pinch_jax.corpus.example import Example, Prompt
from pinch_jax.errors import UserError
from pinch_jax.hosts.locks import lock_of, only_writer
from pinch_jax.storage.files import read_array, write_array
from pinch_jax.storage.folders import check_sealed, is_there, seal, whole_folder

Render = Callable[[Prompt, str], tuple[list[int], int]]
# Part of what ids are kept by: raised when the same tokenizer and template give others.
ENCODING_VERSION = 2


@dataclasses.dataclass(frozen=True)
class TokenizedLanguage:
    """The examples of one language, or of one recipe.

    Attributes:
      tokens: int32 [all tokens], the examples end to end.
      offsets: int64 [examples + 1]; example i is tokens[offsets[i]:offsets[i + 1]].
      prompt_lengths: int32 [examples]; tokens before the first supervised one.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    prompt_lengths: np.ndarray

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, int32 [examples]."""
        return np.diff(self.offsets).astype(np.int32)

    @functools.cached_property
    def supervised_lengths(self) -> np.ndarray:
        """Supervised tokens of each example, int32 [examples]."""
        return self.lengths - self.prompt_lengths

    @functools.cached_property
    def checksum(self) -> str:
        """The sha256 of all of it."""
        digest = hashlib.sha256()
        for name in ARRAYS:
            digest.update(np.ascontiguousarray(getattr(self, name)))
        return digest.hexdigest()

    def example(self, row: int) -> tuple[np.ndarray, int]:
        """Returns the ids of one example and the length of the prompt in them."""
        ids = self.tokens[self.offsets[row] : self.offsets[row + 1]]
        return ids, int(self.prompt_lengths[row])


ARRAYS = tuple(field.name for field in dataclasses.fields(TokenizedLanguage))


@dataclasses.dataclass(frozen=True)
class TokenizedCorpus:
    """All members of a corpus; example i of each has the id ids[i].

    `pad_id` fills what is left of a row.
    """

    ids: tuple[str, ...]
    languages: dict[str, TokenizedLanguage]
    pad_id: int

    def lengths(
        self, members: Sequence[str], member: np.ndarray, example: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns tokens and supervised tokens of some examples: int32 [examples] each.

        `member` [examples] are indices into `members`, `example` rows of theirs.
        """
        tokens, supervised = np.empty((2, len(member)), np.int32)
        for index in np.flatnonzero(np.bincount(member)):
            mine = np.flatnonzero(member == index)
            tokenized = self.languages[members[index]]
            tokens[mine] = tokenized.lengths[example[mine]]
            supervised[mine] = tokenized.supervised_lengths[example[mine]]
        return tokens, supervised

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "TokenizedCorpus":
        """Returns the corpus with other ids of the same tokens: `change` of int32 [tokens]."""
        languages = {
            name: dataclasses.replace(language, tokens=change(language.tokens))
            for name, language in self.languages.items()
        }
        pad_id = int(change(np.array([self.pad_id]))[0])
        return TokenizedCorpus(self.ids, languages, pad_id)

    @functools.cached_property
    def ids_checksum(self) -> str:
        """The sha256 of the ids, in order."""
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Cache:
    """Where ids are kept between runs, and what they depend on beside the text.

    `rendering` names tokenizer and template: another one is another folder.
    """

    directory: Path
    rendering: str

    def load(
        self, name: str, examples: Sequence[Example], make: Callable[[], TokenizedLanguage]
    ) -> TokenizedLanguage:
        """Returns the ids of these examples, mapped from a disk; made and written first if need be.

        Raises:
          UserError: what is on disk is damaged.
        """
        digest = hashlib.sha256(f"{ENCODING_VERSION} {self.rendering}".encode())
        for example in examples:
            digest.update(json.dumps([example.asked, example.response]).encode())
        folder = self.directory / f"{name}-{digest.hexdigest()[:32]}"
        if not is_there(folder):
            # Another study may be at the same corpus.
            with only_writer(lock_of(folder)):
                if not is_there(folder):
                    _write(make(), folder)
        check_sealed(folder, f"delete {folder}, and it is made anew")
        return TokenizedLanguage(*(read_array(folder / f"{array}.npy") for array in ARRAYS))


def _write(tokenized: TokenizedLanguage, folder: Path) -> None:
    with whole_folder(folder) as part:
        for name in ARRAYS:
            write_array(part / f"{name}.npy", getattr(tokenized, name))
        seal(part)


def tokenize_corpus(
    examples: Mapping[str, Sequence[Example]],
    pad_id: int,
    render: Render,
    cache: Cache | None = None,
    progress: bool = False,
) -> TokenizedCorpus:
    """Returns the examples of each member as ids.

    `render(prompt, response)` returns ids and the length of the prompt in them.

    Raises:
      UserError: the members do not have the same ids in the same order, an id stands twice, or an
        example has no token before the first supervised one, or no supervised one.
    """
    ids_of = {name: tuple(example.id for example in own) for name, own in examples.items()}
    first, ids = next(iter(ids_of.items()))
    for other, own in ids_of.items():
        if own != ids:
            raise UserError(f"{other} and {first} are not parallel: their ids differ")
    if len(set(ids)) < len(ids):
        twice = collections.Counter(ids).most_common(1)[0][0]
        raise UserError(f"{first}: the id {twice!r} stands twice; ids must be unique")
    languages = {}
    for name, own in tqdm(examples.items(), "tokenize", unit="language", disable=not progress):
        make = functools.partial(_tokenize, name, own, render)
        languages[name] = cache.load(name, own, make) if cache else make()
    return TokenizedCorpus(ids, languages, pad_id)


def _tokenize(name: str, examples: Sequence[Example], render: Render) -> TokenizedLanguage:
    flat = array.array("i")
    offsets, prompt_lengths = [0], []
    for example in examples:
        ids, prompt_length = render(example.asked, example.response)
        if not 0 < prompt_length < len(ids):
            raise UserError(
                f"{name}, {example.id!r}: {len(ids)} tokens with a prompt of {prompt_length};"
                " an example needs a token before the first supervised one, and a supervised one"
            )
        flat.extend(ids)
        offsets.append(len(flat))
        prompt_lengths.append(prompt_length)
    return TokenizedLanguage(
        np.array(flat, np.int32), np.array(offsets, np.int64), np.array(prompt_lengths, np.int32)
    )
