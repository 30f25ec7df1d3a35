"""A trimmed vocabulary: the same text, fewer ids, and nothing that a corpus needs is missing."""

import numpy as np
import pytest
from small_tokenizers import BUNDLED

from pinch_jax.text.template import Renderer, Template
from pinch_jax.text.tokenizer import load_tokenizer
from pinch_jax.text.vocabulary import MULTIPLE, TrimmedTokenizer, needed_tokens

WHOLE = load_tokenizer(BUNDLED / "tokenizer.model")
TEXTS = ("What do people pay with in Kenya?", "Millä Keniassa maksetaan?", "肯尼亚使用哪种货币？")
SIZE = WHOLE.vocab_size + 100  # as of a table with rows that no token has


def trimmed(texts):
    vocabulary = needed_tokens((np.array(WHOLE.encode(text)) for text in texts), WHOLE, SIZE)
    return TrimmedTokenizer(WHOLE, vocabulary), vocabulary


def test_texts_of_the_corpus_have_the_same_tokens():
    tokenizer, vocabulary = trimmed(TEXTS)
    assert len(vocabulary.kept) % MULTIPLE == 0 and len(vocabulary.kept) < SIZE / 2
    assert np.all(np.diff(vocabulary.kept) > 0)
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert max(ids) < tokenizer.vocab_size == len(vocabulary.kept)
        assert [tokenizer.token(i) for i in ids] == [WHOLE.token(i) for i in WHOLE.encode(text)]
        assert tokenizer.decode(ids) == WHOLE.decode(WHOLE.encode(text))
        assert tokenizer.spans(text) == WHOLE.spans(text)


def test_what_no_text_shows_to_be_needed_is_kept():
    tokenizer, _ = trimmed([])
    # An example of a script that no text has: spelled in bytes.
    ids, _ = Renderer(Template(), tokenizer).example("ꙮ", "𐎀")
    assert tokenizer.decode(ids) == "ꙮ – 𐎀"
    for name in ("bos_id", "eos_id", "pad_id"):
        assert tokenizer.token(getattr(tokenizer, name)) == WHOLE.token(getattr(WHOLE, name))


def test_a_token_that_is_not_kept_is_an_error_and_no_other_text():
    tokenizer, vocabulary = trimmed(TEXTS)
    unknown = next(
        word for word in ("Zimbabwe", "Uruguay", "Namibia", "Ecuador")
        if not all(map(vocabulary.has, WHOLE.encode(word)))
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"trim_vocabulary=True: token \d+ .* not among those"):
        tokenizer.encode(unknown)
    with pytest.raises(ValueError, match="not among those"):
        vocabulary.trim([SIZE - 1])


def test_a_trimmed_tokenizer_is_known_by_what_it_kept():
    checksums = {trimmed(texts)[0].checksum for texts in (TEXTS, TEXTS[::-1], TEXTS[:1])}
    assert len(checksums | {WHOLE.checksum}) == 3
