"""Templates of models of others: tokens of their own around a prompt and its response."""

import json

import pytest
from gguf_vocabularies import of_sentencepiece, write_vocabulary
from small_tokenizers import train_merges, write_llama3, write_qwen

from pinch_jax.text.template import make_renderer, read_renderer
from pinch_jax.text.tokenizer import load_tokenizer

NEWLINES = {"gemma": ["\n"], "llama2": ["\n"], "llama3": ["\u010a"], "qwen": ["\u010a"]}


@pytest.fixture(scope="module", params=NEWLINES)
def family(request, tmp_path_factory):
    """Returns (the family's name, its tokenizer)."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    if name in ("llama3", "qwen"):
        return name, load_tokenizer({"llama3": write_llama3, "qwen": write_qwen}[name](root))
    model = train_merges(dummy_prefix=name == "llama2")
    write_vocabulary(root / "model.gguf", of_sentencepiece(model))
    return name, load_tokenizer(root / "model.gguf")


def test_the_base_template_is_one_newline_between_tokens_of_the_tokenizer(family):
    name, tokenizer = family
    renderer = make_renderer(tokenizer, "auto")
    begin = [] if name == "qwen" else [tokenizer.bos_id]
    newline = [tokenizer.token_id(token) for token in NEWLINES[name]]
    prompt, response = tokenizer.encode("the fox?"), tokenizer.encode("dog ")
    ids, prompt_length = renderer.example("the fox?", "dog ")
    assert ids == [*begin, *prompt, *newline, *response, tokenizer.eos_id]
    assert ids[:prompt_length] == renderer.prompt("the fox?") == [*begin, *prompt, *newline]
    assert renderer.stop_id == tokenizer.eos_id
    assert tokenizer.decode(ids[prompt_length:]) == "dog "


def test_a_text_without_a_prompt_is_predicted_from_its_first_token_on(family):
    name, tokenizer = family
    ids, prompt_length = make_renderer(tokenizer, "base").example("", "dog")
    assert prompt_length == 1
    assert ids[name != "qwen" :] == [*tokenizer.encode("dog"), tokenizer.eos_id]


def test_a_template_is_read_from_its_own_description(family):
    renderer = make_renderer(family[1], "base")
    described = json.loads(json.dumps(renderer.described))
    assert read_renderer(described, family[1]) == renderer
    assert described["after"] == NEWLINES[family[0]]


def test_a_template_that_is_not_there_is_an_error(family):
    _, tokenizer = family
    with pytest.raises(ValueError, match=r"has no chat template; use the template 'base'"):
        make_renderer(tokenizer, "chat")
    with pytest.raises(ValueError, match=r"template='alpaca' is not known; write 'auto', 'base'"):
        make_renderer(tokenizer, "alpaca")
