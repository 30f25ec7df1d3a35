"""Each language as flat arrays of ids, read back as it was rendered."""

from types import SimpleNamespace

import pytest

from pinch_jax.data.tokenized import tokenize_corpus

BYTES = SimpleNamespace(pad_id=0)


def render(prompt, response):
    return [1, *prompt.encode(), *response.encode(), 2], 1 + len(prompt.encode())


def example(id, prompt, response):
    return SimpleNamespace(id=id, prompt=prompt, response=response)


def test_every_example_is_read_back_as_it_was_rendered():
    examples = {"fi": [example("x", "a", "é"), example("y", "ab", "cde")], "sw": []}
    corpus = tokenize_corpus(examples, BYTES, render)
    assert corpus.pad_id == 0 and corpus.languages["sw"].ids == ()
    for row, one in enumerate(examples["fi"]):
        ids, prompt_length = corpus.languages["fi"].example(row)
        assert (ids.tolist(), prompt_length) == render(one.prompt, one.response)
        assert corpus.languages["fi"].ids[row] == one.id
        assert corpus.languages["fi"].lengths[row] == len(ids)
        assert corpus.languages["fi"].supervised_lengths[row] == len(ids) - prompt_length


def test_what_cannot_be_trained_on_says_which_example_and_why():
    twice = {"fi": [example("x", "a", "b"), example("x", "c", "d")]}
    with pytest.raises(ValueError, match="fi: the id 'x' stands twice"):
        tokenize_corpus(twice, BYTES, render)
    for prompt_length in (0, 3):
        with pytest.raises(ValueError, match=f"fi, 'x': 3 tokens with a prompt of {prompt_length}"):
            tokenize_corpus(
                {"fi": twice["fi"][:1]}, BYTES, lambda p, r, n=prompt_length: ([1, 5, 2], n)
            )
