"""The vocabularies inside GGUF files make the ids of the tokenizers that they came from."""

import itertools
import unicodedata

import pytest
import regex
import sentencepiece
import tokenizers
from gguf_vocabularies import of_sentencepiece, of_tokenizer_json, write_vocabulary
from hard_texts import HARD_TEXTS
from small_tokenizers import LLAMA3, MARKUP, QWEN, train_merges, write_llama3, write_qwen

from pinch_jax.text.tokenizer import load_tokenizer


def merged_by_hand(told, pattern, text):
    """Returns the ids of a text: each word's bytes, the best two neighbours merged, again."""
    shown = dict(zip(range(256), bytes_shown(), strict=True))
    ids = {token: id for id, token in enumerate(told["tokens"])}
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(told["merges"])}
    found = []
    for word in regex.findall(pattern, text):
        tokens = [shown[byte] for byte in word.encode()]
        if pattern == LLAMA3 and "".join(tokens) in ids:
            tokens = ["".join(tokens)]
        while pairs := [p for p in itertools.pairwise(tokens) if p in ranks]:
            best = min(pairs, key=ranks.__getitem__)
            at = next(i for i in range(len(tokens)) if tuple(tokens[i : i + 2]) == best)
            tokens[at : at + 2] = ["".join(best)]
        found += [ids[token] for token in tokens]
    return found


def bytes_shown():
    """Returns the character that stands for each byte in the tokens of byte-level tokenizers."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


@pytest.fixture(scope="module", params=[False, True], ids=["gemma", "llama2"])
def merges(request, tmp_path_factory):
    """Returns (the library's tokenizer, ours of the GGUF file, the tokens that are markup)."""
    model = train_merges(dummy_prefix=request.param)
    path = tmp_path_factory.mktemp("merges") / "model.gguf"
    write_vocabulary(path, of_sentencepiece(model), template="{{ bos_token }}")
    library = sentencepiece.SentencePieceProcessor(model_proto=model)
    return library, load_tokenizer(path), set() if request.param else set(MARKUP)


@pytest.mark.parametrize("text", HARD_TEXTS, ids=itertools.count())
def test_a_vocabulary_of_sentencepiece_makes_its_ids(merges, text):
    library, ours, _ = merges
    ids = ours.encode(text)
    assert ids == library.encode(text)
    assert ours.decode(ids) == library.decode(ids)
    assert len(ours.spans(text)) == len(ids)


def test_what_its_tokens_are_for_is_in_the_file(merges):
    library, ours, markup = merges
    assert (ours.bos_id, ours.eos_id, ours.pad_id, ours.adds_bos) == (2, 1, 0, True)
    assert ours.chat_template == "{{ bos_token }}"
    assert ours.vocab_size == library.vocab_size()
    assert ours.special_tokens() == {"<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>"}
    assert ours.whole_tokens() == markup
    kept = {ours.token(id) for id in ours.reserved_ids}
    assert kept == ours.special_tokens() | {f"<0x{b:02X}>" for b in range(256)} | {"<unk>"}


@pytest.fixture(scope="module", params=["llama-bpe", "qwen2"])
def byte_level(request, tmp_path_factory):
    """Returns (what the GGUF file says, the tokenizer.json's directory, ours of the file)."""
    root = tmp_path_factory.mktemp(request.param)
    write = {"llama-bpe": write_llama3, "qwen2": write_qwen}[request.param]
    # Qwen's decoders have more rows than its tokenizer has tokens.
    told = of_tokenizer_json(write(root / "json"), request.param, size=640)
    write_vocabulary(root / "model.gguf", told)
    return told, root / "json", load_tokenizer(root / "model.gguf")


@pytest.mark.parametrize("text", HARD_TEXTS, ids=itertools.count())
def test_a_vocabulary_of_bytes_makes_the_ids_of_its_tokenizer_json(byte_level, text):
    told, directory, ours = byte_level
    ids = ours.encode(text)
    assert ids == load_tokenizer(directory).encode(text)
    if not any(token in text for token in ours.whole_tokens()):
        pattern = {"llama-bpe": LLAMA3, "qwen2": QWEN}[told["pre"]]
        composed = unicodedata.normalize("NFC", text) if told["pre"] == "qwen2" else text
        assert ids == merged_by_hand(told, pattern, composed)
        assert ours.decode(ids) == composed


def test_special_tokens_are_not_found_in_a_text_and_markup_is(byte_level):
    told, _, ours = byte_level
    text = "".join(ours.special_tokens())
    assert not {*ours.encode(text)} & {ours.token_id(token) for token in ours.special_tokens()}
    for token in ours.whole_tokens():
        assert ours.encode(f"a{token}b")[1:-1] == [ours.token_id(token)]
    assert ours.adds_bos == (told["pre"] == "llama-bpe")
    assert len(ours.reserved_ids) == 256 + len(ours.special_tokens())
    assert ours.vocab_size == 640


@pytest.mark.parametrize(
    ("pre", "words"),
    [
        ("llama-bpe", "We|'LL| pay| |123|45| €\n\n| | camelCase| c|//\n|/x|\n| \t| y"),
        ("qwen2", "We|'LL| pay| |1|2|3|4|5| €\n\n| | camelCase| c|//\n|/x|\n| \t| y"),
        ("tekken", "We|'LL| pay| |1|2|3|4|5| €\n\n| | camel|Case| c|//\n/|x|\n| \t| y"),
    ],
)
def test_each_family_cuts_a_text_in_its_own_way(pre, words, tmp_path):
    told = of_tokenizer_json(write_llama3(tmp_path / "json"), pre)
    write_vocabulary(tmp_path / "model.gguf", told)
    load_tokenizer(tmp_path / "model.gguf").save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    cut = library.pre_tokenizer.pre_tokenize_str(words.replace("|", ""))
    text = words.replace("|", "")
    assert [text[begin:end] for _, (begin, end) in cut] == words.split("|")


def test_a_saved_tokenizer_is_the_same_in_all_its_files(merges, byte_level, tmp_path):
    for number, ours in enumerate((merges[1], byte_level[2])):
        directory = tmp_path / str(number)
        directory.mkdir()
        ours.save(directory)
        again = load_tokenizer(directory)
        assert type(again) is type(ours) and again.checksum == ours.checksum
        assert again.roles == ours.roles
        library = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        assert library.encode("").ids == ([ours.bos_id] if ours.adds_bos else [])
        for file in directory.glob("tokenizer.[jm]*"):
            loaded = load_tokenizer(file)
            assert loaded.roles == ours.roles
            assert loaded.reserved_ids == ours.reserved_ids
            for text in HARD_TEXTS:
                assert loaded.encode(text) == ours.encode(text), (file.name, text)


def test_a_vocabulary_that_is_not_supported_says_why(tmp_path):
    whole = of_sentencepiece(train_merges())
    of_bytes = of_tokenizer_json(write_llama3(tmp_path / "json"), "gpt-4o")
    less = {name: value for name, value in whole.items() if name != "scores"}
    headless = {name: value for name, value in whole.items() if name != "unknown_token_id"}
    for told, message in (
        (whole | {"model": "bert"}, r"ggml\.model='bert' is not supported: only 'llama', 'gpt2'"),
        (of_bytes, r"ggml\.pre='gpt-4o' is not supported: only llama-bpe, qwen2, tekken; put the"),
        (less, r"has no tokenizer\.ggml\.scores"),
        (headless, r"has no tokenizer\.ggml\.unknown_token_id, and no unknown token"),
    ):
        write_vocabulary(tmp_path / "model.gguf", told)
        with pytest.raises(ValueError, match=message):
            load_tokenizer(tmp_path / "model.gguf")


def test_where_a_file_is_silent_texts_begin_as_in_llama_cpp(tmp_path):
    told = of_tokenizer_json(write_llama3(tmp_path / "json"), "llama-bpe")
    assert "add_bos_token" not in told
    for change, adds_bos in (
        ({}, True),
        ({"add_bos_token": False}, False),
        ({"pre": "qwen2"}, False),
    ):
        write_vocabulary(tmp_path / "model.gguf", told | change)
        assert load_tokenizer(tmp_path / "model.gguf").adds_bos == adds_bos


def test_a_text_goes_on_another_without_a_blank(merges, byte_level):
    for ours in (merges[1], byte_level[2]):
        line = "the fox\n"
        for text in ("dog", " dog", "fox\n", "好"):
            assert ours.encode(line + text) == ours.encode(line) + ours.encode_on(text)
