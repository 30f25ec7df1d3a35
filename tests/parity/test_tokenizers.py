"""Ids, decoded texts and turns equal those of transformers, of small tokenizers of each kind."""

import itertools

import pytest
from chat_templates import GEMMA, LLAMA, QWEN, TURNS
from gguf_vocabularies import of_sentencepiece, write_vocabulary
from hard_texts import HARD_TEXTS, LOOKALIKES
from small_tokenizers import KINDS, train_merges, write_kind, write_llama3, write_newer, write_qwen
from transformers import AutoTokenizer

from pinch_jax.text.template import make_renderer
from pinch_jax.text.tokenizer import load_tokenizer

PROMPTS = [text for text in HARD_TEXTS if text and text not in LOOKALIKES]
FAMILIES = ("gemma", "llama2", "llama3", "qwen")


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, tmp_path_factory):
    """Returns (our tokenizer, a directory from which transformers loads the same)."""
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "llama3":
        directory = write_llama3(root, LLAMA)
        return load_tokenizer(directory), directory
    if request.param == "qwen":
        directory = write_qwen(root, QWEN)
        return load_tokenizer(directory), directory
    model = train_merges(dummy_prefix=request.param == "llama2")
    write_vocabulary(root / "model.gguf", of_sentencepiece(model), GEMMA)
    ours = load_tokenizer(root / "model.gguf")
    ours.save(root)
    return ours, root


@pytest.fixture(scope="module")
def theirs(pair):
    """Transformers' tokenizer, which takes what looks like a special token as text."""
    return AutoTokenizer.from_pretrained(pair[1], split_special_tokens=True)


@pytest.mark.parametrize("text", HARD_TEXTS, ids=itertools.count())
def test_ids_and_their_text_are_equal(pair, theirs, text):
    ours, _ = pair
    ids = ours.encode(text)
    assert ([ours.bos_id] if ours.adds_bos else []) + ids == theirs(text)["input_ids"]
    told = theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert ours.decode(ids) == told


def test_what_the_pieces_are_for_is_equal(pair, theirs):
    ours, _ = pair
    assert ours.eos_id == theirs.eos_token_id
    assert (ours.bos_id if ours.roles.bos else None) == theirs.bos_token_id
    if ours.roles.pad:
        assert ours.pad_id == theirs.pad_token_id
    assert ours.chat_template == theirs.chat_template
    assert ours.vocab_size == len(theirs)


def test_what_is_saved_is_loaded_with_the_same_ids(pair, theirs, tmp_path):
    ours, _ = pair
    ours.save(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, split_special_tokens=True)
    for text in HARD_TEXTS:
        assert loaded(text)["input_ids"] == theirs(text)["input_ids"]
    assert loaded.special_tokens_map == theirs.special_tokens_map
    assert loaded.chat_template == theirs.chat_template


@pytest.fixture(scope="module")
def chat(pair):
    """Returns (our renderer, transformers' ids of a conversation)."""
    ours, directory = pair
    theirs = AutoTokenizer.from_pretrained(directory)
    # Ours are not told the day.
    template = theirs.chat_template.replace("strftime_now is defined", "false")

    def ids(*texts, asked):
        roles = ("user", "assistant")
        messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]
        return theirs.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=asked, enable_thinking=False
        )["input_ids"]

    return make_renderer(ours, "chat"), ids


@pytest.mark.parametrize("prompt", PROMPTS, ids=itertools.count())
def test_turns_are_equal(chat, prompt):
    renderer, theirs = chat
    assert renderer.prompt(prompt) == theirs(prompt, asked=True)
    ids, prompt_length = renderer.example(prompt, "the dog")
    whole = theirs(prompt, "the dog", asked=False)
    assert ids == whole[: len(ids)] and ids[:prompt_length] == renderer.prompt(prompt)
    # What is left behind the end of a turn is at most a line end.
    assert renderer.tokenizer.decode(whole[len(ids) :]) in ("", "\n")


@pytest.mark.parametrize("name", ["AYA", "OLMO", "SMOLLM", "APERTUS", "GEMMA4"])
def test_ids_and_turns_of_newer_families_are_equal(name, tmp_path):
    directory = write_newer(tmp_path, name)
    as_text = AutoTokenizer.from_pretrained(directory, split_special_tokens=True)
    theirs, ours = AutoTokenizer.from_pretrained(directory), load_tokenizer(directory)
    renderer = make_renderer(ours, "chat")
    for prompt in PROMPTS:
        before = [ours.bos_id] if ours.adds_bos else []
        assert before + ours.encode(prompt) == as_text(prompt)["input_ids"]
        turn = [{"role": "user", "content": prompt}]
        told = {"enable_thinking": False, "tokenize": True}
        asked = theirs.apply_chat_template(turn, add_generation_prompt=True, **told)["input_ids"]
        assert renderer.prompt(prompt) == asked
        turn.append({"role": "assistant", "content": "the dog"})
        whole = theirs.apply_chat_template(turn, **told)["input_ids"]
        ids, prompt_length = renderer.example(prompt, "the dog")
        assert ids == whole[: len(ids)] and ids[:prompt_length] == asked
        assert ids[-1] == renderer.stop_id == ours.eos_id


@pytest.mark.parametrize("name", KINDS)
def test_many_kinds_of_tokenizers_are_equal(name, tmp_path):
    write_kind(tmp_path, KINDS[name], TURNS)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    as_text = AutoTokenizer.from_pretrained(tmp_path, split_special_tokens=True)
    ours = load_tokenizer(tmp_path)
    renderer = make_renderer(ours, "chat")
    before = [ours.bos_id] if ours.adds_bos else []
    (tmp_path / "saved").mkdir()
    ours.save(tmp_path / "saved")
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved", split_special_tokens=True)
    for prompt in PROMPTS:
        ids = ours.encode(prompt)
        assert before + ids == as_text(prompt)["input_ids"] == saved(prompt)["input_ids"]
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
        turn = [{"role": "user", "content": prompt}]
        asked = theirs.apply_chat_template(turn, add_generation_prompt=True)["input_ids"]
        assert renderer.prompt(prompt) == asked
        turn.append({"role": "assistant", "content": "the dog"})
        whole = theirs.apply_chat_template(turn)["input_ids"]
        ids, prompt_length = renderer.example(prompt, "the dog")
        assert ids == whole[: len(ids)] and ids[:prompt_length] == asked


def test_templates_are_rendered_with_what_transformers_tells_them(tmp_path):
    written = "{{ tools is none }}{{ documents is none }}{{ unk_token }}{{ messages[0] | tojson }}"
    written += "{% generation %}{% set x = 2 %}{% endgeneration %}{{ x }}"
    for m in ("{{ messages[0].content }}", "{% if tools is not none %}tools{% endif %}"):
        written += m
    write_kind(tmp_path, KINDS["digits"], written)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    renderer = make_renderer(load_tokenizer(tmp_path), "chat")
    turn = [{"role": "user", "content": "<b> é 'q'"}]
    asked = theirs.apply_chat_template(turn, add_generation_prompt=True)["input_ids"]
    assert renderer.prompt("<b> é 'q'") == asked
