"""Tokenizers of both kinds: the same interface, and spans that say where each token is from."""

import itertools
import json

import pytest
from small_tokenizers import BUNDLED
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from pinch_jax.errors import UserError
from pinch_jax.text.roles import Roles
from pinch_jax.text.sentencepiece_model import SentencePieceTokenizer
from pinch_jax.text.tokenizer import load_tokenizer
from pinch_jax.text.tokenizer_json import JsonTokenizer

TOKENIZER = BUNDLED / "tokenizer.model"
# Hindi with vowel signs, Chinese, joined emoji, a ligature, a decomposed letter, blanks.
TEXTS = (
    "हिन्दी में नमस्ते",
    "你好吗。 龘",
    "a👩‍👧b 🦩c",
    "ﬁne Ⅷ e\u0301te\u0301",
    " two  blanks\n\tx ",
    "",
    "</s> <s>",
)


def byte_level(path, special, begin=None):
    """A tokenizer.json as of GPT-2, Llama 3 and Qwen: tokens of bytes."""
    library = Library(models.BPE())
    library.normalizer = normalizers.NFKC()
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(["hello there, 你好你好 हिन्दी"], trainer)
    library.enable_truncation(3)
    if begin:
        library.post_processor = processors.TemplateProcessing(
            f"{begin} $A", special_tokens=[(begin, library.token_to_id(begin))]
        )
    library.save(str(path))


def blank_before(path, special):
    """A tokenizer.json as of Llama 2: a blank before each text, bytes for what is not known."""
    tokens = [*special, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abcxyz好", "▁b"]
    vocab = {token: id for id, token in enumerate(tokens)}
    library = Library(models.BPE(vocab, [("▁", "b")], unk_token="<unk>", byte_fallback=True))
    library.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    library.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    library.add_special_tokens(special)
    library.save(str(path))


@pytest.fixture(scope="module", params=["sentencepiece", "byte_level", "blank_before"])
def tokenizer(request, tmp_path_factory):
    if request.param == "sentencepiece":
        return load_tokenizer(TOKENIZER)
    path = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
    {"byte_level": byte_level, "blank_before": blank_before}[request.param](path, ["<s>", "</s>"])
    return load_tokenizer(path)


@pytest.mark.parametrize("text", TEXTS)
def test_every_token_has_a_span_and_every_character_a_token(tokenizer, text):
    ids, spans = tokenizer.encode(text), tokenizer.spans(text)
    assert len(ids) == len(spans)
    for before, after in itertools.pairwise(spans):
        assert before[0] <= after[0] and before[1] <= after[1]
    covered = {place for begin, end in spans for place in range(begin, end)}
    # NFKC takes a letter and its accent together; the letter stands for both.
    seen = [place for place, char in enumerate(text) if not char.isspace() and char != "\u0301"]
    assert covered >= set(seen) and all(end <= len(text) for _, end in spans)


def test_a_span_is_the_text_of_its_token(tokenizer):
    for text in ("हिन्दी में", "b 好 b", "x\u200dy 🦩"):
        for id, (begin, end) in zip(tokenizer.encode(text), tokenizer.spans(text), strict=True):
            told = tokenizer.decode([id]).strip()
            if "\N{REPLACEMENT CHARACTER}" in told:  # one byte of a character
                assert len(text[begin:end].strip()) == 1
            else:
                assert told == text[begin:end].strip()


def test_the_bytes_of_a_character_have_all_of_it_and_an_added_blank_nothing(tokenizer):
    spans = tokenizer.spans("好🦩")
    of_emoji = [span for span in spans if span[1] == 2]
    assert len(of_emoji) > 1 and set(of_emoji) == {(1, 2)}
    assert set(spans) <= {(0, 0), (0, 1), (1, 2)} and spans.count((0, 0)) <= 1
    adds_blank = not tokenizer.decode(tokenizer.encode("好🦩")[:1]).strip()
    assert (spans[0] == (0, 0)) == adds_blank


def test_text_is_given_back_and_is_never_a_special_token(tokenizer):
    for text in ("a b", "x好 </s> <s>", "🦩"):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert not {tokenizer.bos_id, tokenizer.eos_id} & set(ids)
    assert tokenizer.decode([tokenizer.bos_id, *tokenizer.encode("a b"), tokenizer.eos_id]) == "a b"
    assert max(tokenizer.encode("".join(TEXTS))) < tokenizer.vocab_size
    assert tokenizer.token_id("</s>") == tokenizer.eos_id
    with pytest.raises(ValueError, match=r"tokenizer.* has no token '<answers>'"):
        tokenizer.token_id("<answers>")


def test_what_a_file_is_decides_how_it_is_read(tmp_path):
    byte_level(tmp_path / "odd.model", ["<|begin_of_text|>", "<|end_of_text|>"])
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "tokenizer.model").write_bytes(TOKENIZER.read_bytes())
    assert type(load_tokenizer(tmp_path / "both")) is SentencePieceTokenizer
    tokenizer = load_tokenizer(tmp_path / "odd.model")
    assert type(tokenizer) is JsonTokenizer
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (0, 1, 1)


@pytest.mark.parametrize(
    ("config", "roles"),
    [
        ({}, (None, None, None, False)),
        ({"bos_token": "<s>", "eos_token": "</s>"}, ("<s>", "</s>", None, True)),
        (
            # Transformers asks the tokenizer.json alone.
            {"bos_token": "<s>", "add_bos_token": False, "pad_token": "</s>"},
            ("<s>", None, "</s>", True),
        ),
        ({"bos_token": {"content": "</s>"}, "eos_token": "<s>"}, ("</s>", "<s>", None, False)),
        ({"bos_token": None, "add_bos_token": True}, (None, None, None, False)),
    ],
)
def test_the_file_beside_it_says_what_the_tokens_are_for(config, roles, tmp_path):
    byte_level(tmp_path / "tokenizer.json", ["<s>", "</s>"], begin="<s>")
    assert load_tokenizer(tmp_path).roles == Roles("<s>", "</s>", None, True)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        assert load_tokenizer(path).roles == Roles(*roles)
    # A file of another name is not what the config is about.
    (tmp_path / "tokenizer.json").rename(tmp_path / "other.json")
    assert load_tokenizer(tmp_path / "other.json").roles == Roles("<s>", "</s>", None, True)


def test_a_chat_template_is_a_file_or_a_field(tmp_path):
    byte_level(tmp_path / "tokenizer.json", ["<s>"])
    several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    for field, template in (("f", "f"), (several, "d"), (None, None)):
        config = {"chat_template": field} if field else {}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        assert load_tokenizer(tmp_path).chat_template == template
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "f"}))
    (tmp_path / "chat_template.jinja").write_text("ж\n")
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.chat_template == "ж\n"
    (tmp_path / "saved").mkdir()
    tokenizer.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").roles == tokenizer.roles


def test_what_a_text_cannot_show_to_be_needed_is_reserved(tokenizer):
    reserved = {tokenizer.token(id) for id in tokenizer.reserved_ids}
    assert reserved >= tokenizer.special_tokens() >= {"<s>", "</s>"}
    assert len(reserved - tokenizer.special_tokens() - {"<unk>"}) == 256
    # What no token stands for is written in them alone, and a blank.
    tokens = {tokenizer.token(id) for id in tokenizer.encode("\u0b95\U00012000\x01")}
    assert tokens - reserved <= {"\u2581"}


def test_a_saved_tokenizer_is_the_same_and_keeps_its_checksum(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert type(again) is type(tokenizer)
    assert (again.checksum, again.roles) == (tokenizer.checksum, tokenizer.roles)
    other = load_tokenizer(tmp_path / "tokenizer.json")
    for text in TEXTS:
        assert again.encode(text) == tokenizer.encode(text)
        # In a tokenizer.json of unigrams, all tokens are words of the text.
        if tokenizer.FILE == "tokenizer.json" or text != "</s> <s>":
            assert other.encode(text) == tokenizer.encode(text)


def test_more_tokens_can_be_special_tokens(tmp_path):
    byte_level(tmp_path / "tokenizer.json", ["<s>"])
    library = Library.from_file(str(tmp_path / "tokenizer.json"))
    library.add_tokens(["<think>", "</think>"])
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.whole_tokens() == {"<think>", "</think>"}
    changed = tokenizer.with_special_tokens({"<think>"})
    assert changed.special_tokens() == {"<s>", "<think>"}
    id = tokenizer.token_id("<think>")
    assert id in tokenizer.encode("a<think>b") and id not in changed.encode("a<think>b")
    assert changed.token_id("<think>") == id and changed.vocab_size == tokenizer.vocab_size
    assert tokenizer.whole_tokens() == {"<think>", "</think>"}  # as it was


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no tokenizer at .*absent; give a SentencePiece"):
        load_tokenizer(tmp_path / "absent")
    with pytest.raises(UserError, match=r"no tokenizer at .*tokenizer\.json"):
        load_tokenizer(tmp_path)
    for name, content, message in (
        ("a.model", b"xyz", "a.model is not a SentencePiece model"),
        ("a.json", b'{"x": 1}', "a.json is not a tokenizer.json"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load_tokenizer(tmp_path / name)
    byte_level(tmp_path / "bare.json", ["<other>"])
    bare = load_tokenizer(tmp_path / "bare.json")
    assert len(bare.encode("hello there, you")) > 3  # not cut, whatever the file says
    with pytest.raises(ValueError, match=r"bare\.json has no token that begins a text .*<bos>"):
        _ = bare.bos_id
    for role in ("eos_id", "pad_id"):
        with pytest.raises(ValueError, match=r"bare\.json has no token that ends a response"):
            getattr(bare, role)
