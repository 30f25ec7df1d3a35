"""Chat templates: what the template writes may be control pieces, what a text says never is."""

import dataclasses
import itertools
import json

import pytest
from gguf_vocabularies import of_sentencepiece, write_vocabulary
from hard_texts import HARD_TEXTS, LOOKALIKES
from small_tokenizers import train_merges, write_llama3, write_qwen

from pinch_jax.data.template import make_renderer, read_renderer
from pinch_jax.data.tokenizer import load_tokenizer
from pinch_jax.data.tokenizer_config import Roles

# Each in the manner of a family: Gemma trims, Llama trims and begins with a date, Qwen has a system
# prompt and an empty thought, Mistral puts a blank before the response.
GEMMA = """{{ bos_token }}{% for m in messages %}
{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) }}
{{ m.content | trim + '<end_of_turn>' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
LLAMA = """{{- bos_token }}{% set day = strftime_now('%d') if strftime_now is defined else '26' %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + day + '<|eot_id|>' }}
{%- for m in messages %}
    {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim }}
    {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""
QWEN = """{{- '<|im_start|>system\\n' + {'a': '<b>'} | tojson + '<|im_end|>\\n' }}
{%- for m in messages %}
    {%- set thought = '<think>\\n\\n</think>\\n\\n' if m.role == 'assistant' else '' %}
    {%- set content = m.content.split('</think>')[-1] %}
    {{- '<|im_start|>' + m.role + '\\n' + thought + content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""
MISTRAL = """{{ bos_token }}{% for m in messages %}{% if m.role == 'user' -%}
<|start_header_id|>{{ m.content }}<|end_header_id|>{% else %}{% generation %}
{{- ' ' + m.content }}{% endgeneration %}{{ eos_token }}{% endif %}{% endfor %}"""
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
    "mistral": (
        "<|begin_of_text|><|start_header_id|>{}<|end_header_id|>",
        " {}<|eot_id|>",
    ),
}
TRIMS = ("gemma", "llama")
MARKUP = {"qwen": {"<think>", "</think>"}}
PROMPTS = [text for text in HARD_TEXTS if text not in LOOKALIKES and text.strip()]


@pytest.fixture(scope="module", params=RENDERED)
def family(request, tmp_path_factory):
    """Returns (the family's name, its renderer)."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    if name == "gemma":
        write_vocabulary(root / "model.gguf", of_sentencepiece(train_merges()), GEMMA)
        return name, make_renderer(load_tokenizer(root / "model.gguf"), "auto")
    write, template = {
        "llama": (write_llama3, LLAMA),
        "qwen": (write_qwen, QWEN),
        "mistral": (write_llama3, MISTRAL),
    }[name]
    return name, make_renderer(load_tokenizer(write(root, template)), "auto")


def by_hand(name, tokenizer, rendered):
    """Returns the ids of a rendered text that has control pieces where it looks so."""
    control = tokenizer.control_pieces() | MARKUP.get(name, set())
    ids, text = [], ""
    while rendered:
        piece = next((piece for piece in control if rendered.startswith(piece)), None)
        if piece is None:
            text, rendered = text + rendered[0], rendered[1:]
            continue
        ids += [*tokenizer.encode(text), tokenizer.piece_id(piece)]
        text, rendered = "", rendered[len(piece) :]
    return ids + tokenizer.encode(text)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_turn_is_what_the_template_writes_and_ends_where_it_ends_it(family, prompt):
    name, renderer = family
    for response in ("the dog", " the\n\nfox \n"):
        said = [text.strip() if name in TRIMS else text for text in (prompt, response)]
        before, after = RENDERED[name]
        ids, prompt_length = renderer.example(prompt, response)
        expected = by_hand(name, renderer.tokenizer, before.format(said[0]))
        assert ids[:prompt_length] == expected == renderer.prompt(prompt)
        assert ids[prompt_length:] == by_hand(name, renderer.tokenizer, after.format(said[1]))
        assert ids[-1] == renderer.stop_id and renderer.stop_id not in ids[prompt_length:-1]


@pytest.mark.parametrize("text", LOOKALIKES)
def test_a_text_that_looks_like_a_control_piece_is_text(family, text):
    name, renderer = family
    tokenizer = renderer.tokenizer
    control = {*map(tokenizer.piece_id, tokenizer.control_pieces() | MARKUP.get(name, set()))}
    plain, _ = renderer.example("prompt", "response")
    for prompt, response in ((text, "response"), ("prompt", text), (text, text)):
        ids, prompt_length = renderer.example(prompt, response)
        assert [id for id in ids if id in control] == [id for id in plain if id in control]
        said = text.strip() if name in TRIMS else text
        if name == "gemma":
            said = said.replace("\u2581", " ")
        if response == text:
            assert tokenizer.decode(ids[prompt_length:]) == " " * (name == "mistral") + said
        if prompt == text:
            assert said in tokenizer.decode(ids[:prompt_length])


def test_a_piece_that_two_texts_or_two_lookalikes_would_make_is_text(family):
    name, renderer = family
    tokenizer = renderer.tokenizer
    pieces = sorted(tokenizer.control_pieces() | MARKUP.get(name, set()))
    control = {tokenizer.piece_id(piece) for piece in pieces}
    plain = [id for id in renderer.prompt("x") if id in control]
    for a, b in itertools.product(pieces, pieces):
        for prompt in (a[:3] + b + a[3:], a + b, a[:-1] + b[-2:] + b):
            assert [id for id in renderer.prompt(prompt) if id in control] == plain, prompt


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
        ("{{ messages[0].content }}{{ strftime_now('%d') }}", r"'strftime_now' is undefined"),
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
