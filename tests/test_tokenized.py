"""Each language as flat arrays of ids, read back as it was rendered."""

import numpy as np
import pytest

from pinch_jax.corpus.example import Example
from pinch_jax.data.tokenized import ARRAYS, Cache, tokenize_corpus


def render(prompt, response):
    return [1, *prompt.encode(), *response.encode(), 2], 1 + len(prompt.encode())


def example(id, prompt, response):
    return Example(id, id, "made", "fi", prompt, response)


EXAMPLES = {
    "fi": [example("x", "a", "é"), example("y", "ab", "cde")],
    "sw": [example("x", "b", "uu"), example("y", "", "e")],
}


def test_every_example_is_read_back_as_it_was_rendered():
    corpus = tokenize_corpus(EXAMPLES, 0, render)
    assert corpus.pad_id == 0 and corpus.ids == ("x", "y")
    for language, examples in EXAMPLES.items():
        for row, one in enumerate(examples):
            tokenized = corpus.languages[language]
            ids, prompt_length = tokenized.example(row)
            assert (ids.tolist(), prompt_length) == render(one.prompt, one.response)
            assert tokenized.lengths[row] == len(ids)
            assert tokenized.supervised_lengths[row] == len(ids) - prompt_length


def test_the_second_time_ids_come_from_disk_unless_text_or_rendering_changed(tmp_path):
    made = []

    def counting(prompt, response):
        made.append(prompt)
        return render(prompt, response)

    def tokenized(examples=EXAMPLES, rendering="a"):
        made.clear()
        return tokenize_corpus(examples, 0, counting, Cache(tmp_path / "ids", rendering))

    first = tokenized()
    assert len(made) == 4
    again = tokenized()
    assert not made
    for language, plain in tokenize_corpus(EXAMPLES, 0, render).languages.items():
        for corpus in (first, again):
            for name in ARRAYS:
                kept = getattr(corpus.languages[language], name)
                assert isinstance(kept, np.memmap)
                assert np.array_equal(kept, getattr(plain, name))
    tokenized(rendering="b")
    assert len(made) == 4
    tokenized(EXAMPLES | {"fi": [example("x", "aé", ""), EXAMPLES["fi"][1]]})
    assert made == ["aé", "ab"]  # what moves from response to prompt is another text
    tokenized(EXAMPLES | {"fi": [example("x", "a", "éab"), example("y", "", "cde")]})
    assert made == ["a", ""]
    assert not list((tmp_path / "ids").glob(".unfinished*"))


def test_what_cannot_be_trained_on_says_which_example_and_why():
    twice = {"fi": [example("x", "a", "b"), example("x", "c", "d")]}
    with pytest.raises(ValueError, match="fi: the id 'x' stands twice"):
        tokenize_corpus(twice, 0, render)
    with pytest.raises(ValueError, match="sw and fi are not parallel"):
        tokenize_corpus(EXAMPLES | {"sw": EXAMPLES["sw"][:1]}, 0, render)
    for prompt_length in (0, 3):
        with pytest.raises(ValueError, match=f"fi, 'x': 3 tokens with a prompt of {prompt_length}"):
            tokenize_corpus(
                {"fi": twice["fi"][:1]}, 0, lambda p, r, n=prompt_length: ([1, 5, 2], n)
            )
