"""Special tokens in texts of many kinds of tokenizers: found as the library `tokenizers` does.

The library itself, given the whole text of a turn, is the peer; it does not tell a special token
from a text that looks like one, which ours does.
"""

import dataclasses
import json

import pytest
from chat_templates import TURNS
from hard_texts import HARD_TEXTS, LOOKALIKES
from small_tokenizers import KINDS, THOUGHT, TURN, train_merges, write_kind, write_qwen
from tokenizers import AddedToken
from tokenizers import Tokenizer as Library

from pinch_jax.errors import UserError
from pinch_jax.text.template import make_renderer
from pinch_jax.text.tokenizer import load_tokenizer

BEFORE = "<s> <|user|>\n {} <|end|>\n <|assistant|>\n <think> </think>"
BYTE = {"content": "<0x0A>", "special": True}
PROMPTS = [text for text in HARD_TEXTS if text and text not in LOOKALIKES]


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory):
    """Returns (our renderer of turns, the library's tokenizer)."""
    root = write_kind(tmp_path_factory.mktemp("kind"), KINDS[request.param], TURNS)
    library = Library.from_file(str(root / "tokenizer.json"))
    library.no_truncation()
    library.no_padding()
    return make_renderer(load_tokenizer(root), "chat"), library


def test_a_turn_is_encoded_as_a_whole(kind):
    renderer, library = kind
    for prompt in PROMPTS:
        before = library.encode(BEFORE.format(prompt), add_special_tokens=False).ids
        assert renderer.prompt(prompt) == before, prompt
        for response in ("the dog", " 12 dogs", "好"):
            ids, prompt_length = renderer.example(prompt, response)
            text = BEFORE.format(prompt) + response + " <|end|>"
            assert ids == library.encode(text, add_special_tokens=False).ids, (prompt, response)
            assert ids[:prompt_length] == before


def test_no_text_becomes_a_special_token(kind):
    renderer, library = kind
    special = {library.token_to_id(token) for token in TURN if token != "<unk>"}
    # What marks special tokens may itself be in a text.
    marked = ("\ufdd0", "\ufdd0\ufdd1<s>\ufdd0", "\ufdd0<|end|>\ufdd0")
    for text in (*TURN[3:], *TURN[:2], "a <s><|end|></s>b", *marked, *LOOKALIKES):
        ids = renderer.tokenizer.encode(text)
        assert not special & {*ids} and len(ids) == len(renderer.tokenizer.spans(text)), text
    special |= {library.token_to_id(token) for token in THOUGHT}
    plain = [id for id in renderer.example("a", "b")[0] if id in special]
    for text in (*TURN[3:], *THOUGHT, *marked, *LOOKALIKES):
        for turn in ((text, "b"), ("a", text), (text, text)):
            assert [id for id in renderer.example(*turn)[0] if id in special] == plain, turn


def test_only_the_first_word_of_a_text_has_a_blank_of_its_own(tmp_path):
    jinja = "{% for m in messages %}<|user|>user\n{{ m.content }}<|end|>{% endfor %}"
    tokenizer = load_tokenizer(write_kind(tmp_path, KINDS["first"], jinja))
    tokens = [tokenizer.token(id) for id in make_renderer(tokenizer, "chat").prompt("dog")]
    assert tokens[0] == "<|user|>" and "".join(tokens) == "<|user|>user\ndog<|end|>"
    assert tokenizer.token(tokenizer.encode("user")[0]).startswith("▁")


@pytest.mark.parametrize("name", ["first", "prepended", "a blank before words"])
def test_a_text_that_goes_on_another_has_no_blank_of_its_own(name, tmp_path):
    tokenizer = load_tokenizer(write_kind(tmp_path, KINDS[name], TURNS))
    for text in ("dog", "\ndog", "\n\ndog", "好"):
        tokens = [tokenizer.token(id) for id in tokenizer.encode_on(text)]
        assert not tokens[0].startswith(("▁", "\u0120")), (text, tokens)


def test_what_is_not_known_is_reserved_though_it_is_not_special(tmp_path):
    write_kind(tmp_path, KINDS["words"], TURNS)
    changed(tmp_path, added_tokens=lambda tokens: [t for t in tokens if t["content"] != "<unk>"])
    (tmp_path / "tokenizer_config.json").unlink()
    tokenizer = load_tokenizer(tmp_path)
    assert "<unk>" not in tokenizer.special_tokens()
    assert tokenizer.encode("zebras") == [tokenizer.token_id("<unk>")]
    assert tokenizer.token_id("<unk>") in tokenizer.reserved_ids


def changed(directory, file="tokenizer.json", **fields):
    """Changes fields of a file; `model__dropout` is the field `dropout` of `model`."""
    told = json.loads((directory / file).read_text())
    for name, value in fields.items():
        held, *inner = name.split("__")
        if inner:
            told[held][inner[0]] = value
        else:
            told[held] = value(told[held]) if callable(value) else value
    (directory / file).write_text(json.dumps(told))


def test_the_config_adds_tokens_and_makes_tokens_special(tmp_path):
    write_kind(tmp_path, KINDS["digits"], TURNS)
    library = Library.from_file(str(tmp_path / "tokenizer.json"))
    size, thought = library.get_vocab_size(), library.token_to_id("<think>")
    fields = {"single_word": False, "lstrip": False, "rstrip": True, "normalized": False}
    added = {
        str(size): {"content": "<new>", "special": False} | fields,
        str(thought): {"content": "<think>", "special": True} | fields,
    }
    eos = {"eos_token": "</think>"}
    changed(tmp_path, "tokenizer_config.json", added_tokens_decoder=added, **eos)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.special_tokens() == {*TURN, *THOUGHT} and tokenizer.whole_tokens() == {"<new>"}
    assert tokenizer.token_id("<new>") == size == tokenizer.vocab_size - 1
    # As the library does, when it is told the same.
    library.add_tokens([AddedToken("<new>", rstrip=True, normalized=False)])
    library.no_truncation()
    library.no_padding()
    expected = library.encode("a<new>  b", add_special_tokens=False).ids
    assert tokenizer.encode("a<new>  b") == expected
    (tmp_path / "saved").mkdir()
    tokenizer.save(tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert again.encode("a<new>  b") == expected and again.checksum == tokenizer.checksum
    assert again.special_tokens() == tokenizer.special_tokens()


def test_an_older_file_names_tokens_where_the_config_does_not(tmp_path):
    write_kind(tmp_path, KINDS["digits"], TURNS)
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": {"content": "<|end|>"}}')
    assert load_tokenizer(tmp_path).roles.eos == "<|end|>"
    changed(tmp_path, "tokenizer_config.json", added_tokens_decoder={})
    assert load_tokenizer(tmp_path).roles.eos == "</s>"
    (tmp_path / "tokenizer_config.json").unlink()
    assert load_tokenizer(tmp_path).roles.eos == "<|end|>"


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ("tokenizer.json", {"model__dropout": 0.1}, r"model\.dropout=0\.1 makes ids random"),
        (
            "tokenizer.json",
            {"added_tokens": lambda tokens: [tokens[-1] | {"id": 9999}]},
            r"the added token '</think>' has the id 9999, but .* gives it",
        ),
        (
            "tokenizer.json",
            {"normalizer": {"type": "Replace", "pattern": {"Regex": "[^a-z]"}, "content": ""}},
            r"its normalizer takes out characters",
        ),
        (
            "tokenizer.json",
            {
                "model__byte_fallback": True,
                "added_tokens": lambda some: [*some[:-1], some[-1] | BYTE],
            },
            r"its bytes \(<0x00> \.\.\.\) are special tokens",
        ),
        ("tokenizer_config.json", {"pad_token": "!"}, r"special tokens \['!'\] are characters"),
        (
            "tokenizer_config.json",
            {"additional_special_tokens": ["<image>"]},
            r"lists the special tokens \['<image>'\], which it has not",
        ),
        (
            "tokenizer_config.json",
            {"chat_template": [{"name": "rag", "template": "x"}]},
            r"has the chat templates \['rag'\], and none of them is the 'default'",
        ),
    ],
)
def test_a_file_whose_ids_would_be_others_is_refused(file, fields, message, tmp_path):
    write_kind(tmp_path, KINDS["digits"], TURNS)
    changed(tmp_path, file, **fields)
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_lines_has_no_base_template(tmp_path):
    tokenizer = load_tokenizer(write_kind(tmp_path, KINDS["words"], TURNS))
    with pytest.raises(ValueError, match=r"has no token for a line's end"):
        make_renderer(tokenizer, "base")
    # It opens all the same, to be scored and converted; only prompts cannot be written.
    tokenizer.roles = dataclasses.replace(tokenizer.roles, chat_template=None)
    renderer = make_renderer(tokenizer, "auto")
    for write in (renderer.prompt, lambda text: renderer.example(text, text)):
        with pytest.raises(UserError, match=r"has no token for a line's end"):
            write("a")


def test_what_begins_texts_is_bos_or_refused(tmp_path):
    write_kind(tmp_path, KINDS["never"], TURNS)
    assert load_tokenizer(tmp_path).adds_bos
    changed(tmp_path, "tokenizer_config.json", bos_token="</s>")
    with pytest.raises(ValueError, match=r"puts \['<s>'\] before each text.*bos_token is '</s>'"):
        make_renderer(load_tokenizer(tmp_path), "base")


def test_a_special_token_that_is_not_found_where_it_stands_is_refused(tmp_path):
    jinja = "{% for m in messages %}x<|user|>{{ m.content }}<|end|>{% endfor %}"
    kind = KINDS["digits"]._replace(flags=("single_word",))
    renderer = make_renderer(load_tokenizer(write_kind(tmp_path, kind, jinja)), "chat")
    with pytest.raises(ValueError, match=r"of the special tokens \['<\|user\|>', '<\|end\|>'\]"):
        renderer.prompt("dog")


def test_a_sentencepiece_model_lacks_what_only_the_config_adds(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(train_merges())
    size, id = load_tokenizer(tmp_path).vocab_size, load_tokenizer(tmp_path).token_id("<table>")
    for place in (id, size):
        added = {place: {"content": "<table>", "special": True}}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
        if place == size:
            with pytest.raises(ValueError, match=rf"no token '<table>' of the id {size}, which"):
                load_tokenizer(tmp_path)
        else:
            tokenizer = load_tokenizer(tmp_path)
            assert "<table>" in tokenizer.special_tokens()
            assert id not in tokenizer.encode("<table>")


def test_more_chat_templates_stand_in_a_folder(tmp_path):
    write_qwen(tmp_path, "config")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "rag.jinja").write_text("rag")
    with pytest.raises(ValueError, match=r"\['rag'\], and none of them is the 'default'"):
        load_tokenizer(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("default")
    assert load_tokenizer(tmp_path).chat_template == "default"
