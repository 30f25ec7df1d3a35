"""Chat templates: what the template writes may be special tokens, what a text says never is."""

import dataclasses
import itertools
import json

import pytest
from chat_templates import GEMMA, LLAMA, MISTRAL, QWEN
from gguf_vocabularies import of_sentencepiece, write_vocabulary
from hard_texts import HARD_TEXTS, LOOKALIKES
from small_tokenizers import LLAMA3, train_merges, write_byte_level, write_llama3, write_qwen

from pinch_jax.text.roles import Roles
from pinch_jax.text.template import make_renderer, read_renderer
from pinch_jax.text.tokenizer import load_tokenizer

# What they make of a prompt and of its response, up to the end of the turn.
RENDERED = {
    "gemma": (
        "<bos><start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
        "{}<end_of_turn>",
    ),
    "llama": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday: 26<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "{}<|eot_id|>",
    ),
    "qwen": (
        '<|im_start|>system\n{{"a": "<b>"}}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n'
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "{}<|im_end|>",
    ),
    "llama2": (
        "<bos><start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
        "{}<end_of_turn>",
    ),
    "mistral2": ("<bos><start_of_turn>{}<end_of_turn>", " {}<eos>"),
    "mistral": (
        "<|begin_of_text|><|start_header_id|>{}<|end_header_id|>",
        " {}<|eot_id|>",
    ),
}
TRIMS = ("gemma", "llama", "llama2")
MARKUP = {"qwen": {"<think>", "</think>"}}
PROMPTS = [text for text in HARD_TEXTS if text not in LOOKALIKES and text.strip()]


@pytest.fixture(scope="module", params=RENDERED)
def family(request, tmp_path_factory):
    """Returns (the family's name, its renderer)."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    if name in ("gemma", "llama2", "mistral2"):
        template = GEMMA
        if name == "mistral2":
            template = MISTRAL.replace("<|start_header_id|>", "<start_of_turn>")
            template = template.replace("<|end_header_id|>", "<end_of_turn>")
        model = train_merges(dummy_prefix=name != "gemma")
        write_vocabulary(root / "model.gguf", of_sentencepiece(model), template)
        return name, make_renderer(load_tokenizer(root / "model.gguf"), "auto")
    write, template = {
        "llama": (write_llama3, LLAMA),
        "qwen": (write_qwen, QWEN),
        "mistral": (write_llama3, MISTRAL),
    }[name]
    return name, make_renderer(load_tokenizer(write(root, template)), "auto")


def by_hand(name, tokenizer, rendered, goes_on=False):
    """Returns the ids of a rendered text that has special tokens where it looks so.

    `goes_on`: behind a line's end.
    """
    if goes_on:
        line = tokenizer.encode("x\n")
        ids = by_hand(name, tokenizer, "x\n" + rendered)
        if ids[: len(line)] == line:
            return ids[len(line) :]
    control = tokenizer.special_tokens() | MARKUP.get(name, set())
    ids, text = [], ""
    while rendered:
        token = next((token for token in control if rendered.startswith(token)), None)
        if token is None:
            text, rendered = text + rendered[0], rendered[1:]
            continue
        ids += [*tokenizer.encode(text), tokenizer.token_id(token)]
        text, rendered = "", rendered[len(token) :]
    return ids + tokenizer.encode(text)


@pytest.mark.parametrize("prompt", PROMPTS, ids=itertools.count())
def test_a_turn_is_what_the_template_writes_and_ends_where_it_ends_it(family, prompt):
    name, renderer = family
    for response in ("the dog", " the\n\nfox \n"):
        said = [text.strip() if name in TRIMS else text for text in (prompt, response)]
        before, after = RENDERED[name]
        ids, prompt_length = renderer.example(prompt, response)
        expected = by_hand(name, renderer.tokenizer, before.format(said[0]))
        assert ids[:prompt_length] == expected == renderer.prompt(prompt)
        said_after, goes_on = after.format(said[1]), before.endswith("\n")
        assert ids[prompt_length:] == by_hand(name, renderer.tokenizer, said_after, goes_on)
        assert ids[-1] == renderer.stop_id and renderer.stop_id not in ids[prompt_length:-1]


@pytest.mark.parametrize("text", LOOKALIKES, ids=itertools.count())
def test_a_text_that_looks_like_a_special_token_is_text(family, text):
    name, renderer = family
    tokenizer = renderer.tokenizer
    control = {*map(tokenizer.token_id, tokenizer.special_tokens() | MARKUP.get(name, set()))}
    plain, _ = renderer.example("prompt", "response")
    for prompt, response in ((text, "response"), ("prompt", text), (text, text)):
        ids, prompt_length = renderer.example(prompt, response)
        assert [id for id in ids if id in control] == [id for id in plain if id in control]
        said = text.strip() if name in TRIMS else text
        if name in ("gemma", "llama2", "mistral2"):
            said = said.replace("\u2581", " ")
        if response == text:
            assert tokenizer.decode(ids[prompt_length:]).lstrip() == said.lstrip()
        if prompt == text:
            assert said in tokenizer.decode(ids[:prompt_length])


def test_a_token_that_two_texts_or_two_lookalikes_would_make_is_text(family):
    name, renderer = family
    tokenizer = renderer.tokenizer
    tokens = sorted(tokenizer.special_tokens() | MARKUP.get(name, set()))
    control = {tokenizer.token_id(token) for token in tokens}
    plain = [id for id in renderer.prompt("x") if id in control]
    for a, b in itertools.product(tokens, tokens):
        for prompt in (a[:3] + b + a[3:], a + b, a[:-1] + b[-2:] + b):
            assert [id for id in renderer.prompt(prompt) if id in control] == plain, prompt


def test_tokens_that_overlap_are_text_and_the_longest_is_the_template_s(tmp_path):
    control = ["[a]", "[a][b]", "b][c]", "好", "<eos>"]
    config = {"eos_token": "<eos>", "bos_token": None}
    config["chat_template"] = "[a][b]好{% for m in messages %}{{ m.content }}[a]{% endfor %}"
    tokenizer = load_tokenizer(write_byte_level(tmp_path, LLAMA3, control, [], config))
    renderer = make_renderer(tokenizer, "chat")
    ids = renderer.prompt("[a][b][c] [[a]] [a][a][b] 好")
    tokens = [tokenizer.token(id) for id in ids]
    assert tokens[0] == "[a][b]" and tokens[-1] == "[a]"
    # The one of a single character is the template's where the template wrote it.
    assert tokens[1] == "好" and ids.count(tokenizer.token_id("好")) == 1
    assert not {*tokens[2:-1]} & {*control}
    assert tokenizer.decode(ids) == "[a][b][c] [[a]] [a][a][b] 好"


def test_a_text_without_a_prompt_is_no_turn(family):
    name, renderer = family
    tokenizer = renderer.tokenizer
    ids, prompt_length = renderer.example("", "the dog")
    begin = [] if name == "qwen" else [tokenizer.bos_id]
    assert ids == [*begin, *tokenizer.encode("the dog"), tokenizer.eos_id]
    assert prompt_length == 1


def test_a_renderer_is_read_from_its_own_description(family):
    _, renderer = family
    again = read_renderer(json.loads(json.dumps(renderer.described)), renderer.tokenizer)
    assert again == renderer
    assert again.example("a", "b") == renderer.example("a", "b")


@pytest.mark.parametrize(
    ("jinja", "message"),
    [
        ("{% for m in messages %}", r"cannot be used: .*endfor"),
        ("{{ raise_exception('no users') }}", r"cannot be used: no users; use the template 'base'"),
        ("{{ messages[0].content[0].text }}", r"does not write a prompt that is plain text"),
        (
            "{% for m in messages %}{{ m.content }}{{ loop.last }}{% endfor %}",
            r"otherwise once it is answered",
        ),
        ("{{ messages.append(1) }}", r"cannot be used: access to attribute 'append'"),
    ],
)
def test_a_template_that_cannot_be_used_says_why(jinja, message, tmp_path):
    tokenizer = load_tokenizer(write_qwen(tmp_path))
    tokenizer.roles = dataclasses.replace(tokenizer.roles, chat_template=jinja)
    with pytest.raises(ValueError, match=message):
        make_renderer(tokenizer, "auto")
    assert type(make_renderer(tokenizer, "base").template).__name__ == "Template"


@pytest.mark.parametrize(
    ("jinja", "written"),
    [
        ("{% if tools is not none %}tools{% endif %}{{ documents is none }}", "True"),
        ("{{ strftime_now('%d %b %Y') }}", "26 Jul 2024"),
        ("{{ unk_token ~ image_token ~ cls_token }}", "<unk><image>"),
        ("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "21"),
        ("{% for i in 'abc' %}{% if i == 'b' %}{% break %}{% endif %}{{ i }}{% endfor %}", "a"),
        ("{{ {'b': '<é>', 'a': 1} | tojson(sort_keys=true) }}", '{"a": 1, "b": "<é>"}'),
        ("{{ ['é'] | tojson(true, 1, (',', ':')) }}", '[\n "\\u00e9"\n]'),
    ],
)
def test_a_template_knows_what_transformers_tells_it(jinja, written, tmp_path):
    tokenizer = load_tokenizer(write_qwen(tmp_path))
    jinja += "{% for m in messages %}{{ m.content }}{% endfor %}"
    others = {"unk_token": "<unk>", "image_token": "<image>"}
    tokenizer.roles = dataclasses.replace(tokenizer.roles, chat_template=jinja, others=others)
    renderer = make_renderer(tokenizer, "chat")
    assert renderer.prompt("fox") == tokenizer.encode(written + "fox")
    assert read_renderer(json.loads(json.dumps(renderer.described)), tokenizer) == renderer


def test_a_template_that_ends_some_answers_otherwise_is_refused(tmp_path):
    tokenizer = load_tokenizer(write_qwen(tmp_path))
    jinja = "{% for m in messages %}{{ m.content }}{{ '!' if m.content != 'dog' }}{% endfor %}"
    tokenizer.roles = dataclasses.replace(tokenizer.roles, chat_template=jinja)
    renderer = make_renderer(tokenizer, "chat")
    assert renderer.example("fox", "cat")[0][-1] == tokenizer.eos_id
    with pytest.raises(ValueError, match="otherwise once it is answered"):
        renderer.example("fox", "dog")


def test_a_response_that_the_template_does_not_end_is_ended_by_eos(tmp_path):
    tokenizer = load_tokenizer(write_qwen(tmp_path))
    jinja = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ '\\n' }}{% endfor %}"
    jinja += "{{ 'assistant: ' if add_generation_prompt }}"
    tokenizer.roles = Roles(None, "<|im_end|>", None, False, jinja)
    renderer = make_renderer(tokenizer, "chat")
    ids, prompt_length = renderer.example("fox?", "dog")
    assert ids[:prompt_length] == tokenizer.encode("user: fox?\nassistant: ")
    assert ids[prompt_length:] == [*tokenizer.encode("dog"), tokenizer.eos_id]
    assert renderer.stop_id == tokenizer.eos_id
