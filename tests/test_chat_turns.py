"""Several turns by chat templates: one reply is supervised, and nothing of what was said before."""

import dataclasses

import jinja2
import pytest
from chat_templates import AYA, GEMMA, LLAMA, MISTRAL, OLMO, QWEN
from small_tokenizers import write_qwen
from test_chat import by_hand, family  # noqa: F401

from pinch_jax.corpus.example import Example, turn_fields
from pinch_jax.data.tokenized import tokenize_corpus
from pinch_jax.text.template import make_renderer
from pinch_jax.text.tokenizer import load_tokenizer

TALK = [
    ("user", "the fox?"),
    ("assistant", "dog \n"),
    ("user", " <eos> 狐 <|im_end|>"),
    ("assistant", "é"),
]
TALK += [("user", "and?"), ("assistant", "the\n\nlazy dog")]
JINJA = {"gemma": GEMMA, "llama2": GEMMA, "llama": LLAMA, "qwen": QWEN, "mistral": MISTRAL}
JINJA["mistral2"] = MISTRAL.replace("<|start_header_id|>", "<start_of_turn>").replace(
    "<|end_header_id|>", "<end_of_turn>"
)
# In the manner of Qwen 3: only the last reply has a thought, earlier ones lose theirs.
THINKS = """{% for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' and loop.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{{- m.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' }}{% endif %}"""


def rendered(jinja, tokenizer, turns, asks):
    """Returns what jinja itself makes of turns, without anything of ours."""
    jinja = jinja.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: '{"a": "<b>"}'
    return environment.from_string(jinja).render(
        messages=[{"role": role, "content": text} for role, text in turns],
        add_generation_prompt=asks,
        enable_thinking=False,
        bos_token=tokenizer.roles.bos,
        eos_token=tokenizer.roles.eos,
    )


def test_each_reply_is_supervised_once_behind_what_the_template_writes_before_it(family):  # noqa: F811
    name, renderer = family
    tokenizer, jinja = renderer.tokenizer, JINJA[family[0]]
    # A text is never a special token, however it looks: by hand it is put in afterwards.
    plain = [(role, text.replace("<eos>", "E").replace("<|im_end|>", "I")) for role, text in TALK]
    for end in (1, 3, 5):
        before = rendered(jinja, tokenizer, plain[:end], asks=True)
        ids, start = renderer.example(tuple(plain[:end]), plain[end][1])
        assert (
            ids[:start] == by_hand(name, tokenizer, before) == renderer.prompt(tuple(plain[:end]))
        )
        whole = rendered(jinja, tokenizer, plain[: end + 1], asks=False)
        assert whole.startswith(before)
        reply = whole[len(before) :].rstrip("\n")
        assert ids[start:] == by_hand(name, tokenizer, reply, before.endswith("\n"))
        assert ids[-1] == renderer.stop_id and renderer.stop_id not in ids[start:-1]
        control = {*map(tokenizer.token_id, tokenizer.special_tokens())}
        marked, _ = renderer.example(tuple(TALK[:end]), TALK[end][1])
        assert [i for i in marked if i in control] == [i for i in ids if i in control]


def with_template(directory, jinja):
    tokenizer = load_tokenizer(write_qwen(directory))
    tokenizer.roles = dataclasses.replace(tokenizer.roles, chat_template=jinja)
    return make_renderer(tokenizer, "chat")


def test_a_reply_is_learnt_as_it_is_answered_though_it_is_shown_otherwise_later(tmp_path):
    renderer = with_template(tmp_path, THINKS)
    tokenizer = renderer.tokenizer
    turns = (("system", "Be kind."), TALK[0], ("assistant", "dog"), TALK[4], TALK[5])
    examples = [Example(f"c#{n}", "c", "t", "en", **turn_fields(turns[: n + 1])) for n in (2, 4)]
    made = tokenize_corpus({"en": examples}, 0, renderer.example).languages["en"]
    opened = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    asked = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nthe fox?<|im_end|>\n"
    shown = f"{asked}<|im_start|>assistant\ndog<|im_end|>\n<|im_start|>user\nand?<|im_end|>\n"
    for row, before in enumerate((asked, shown)):
        ids, start = made.example(row)
        assert ids[:start].tolist() == by_hand("qwen", tokenizer, before + opened)
        assert tokenizer.token(int(ids[-1])) == "<|im_end|>"
    ids, start = made.example(1)
    assert ids[start:].tolist() == by_hand("qwen", tokenizer, f"{TALK[5][1]}<|im_end|>", True)


REFUSING = "{% for m in messages %}{{ raise_exception('no system role') if m.role == 'system' }}"
REFUSING += "<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
LATEST = "{% set m = messages if add_generation_prompt else messages[:-1] %}{{ m[-1].content }}"
LATEST += "<|im_start|>{{ messages[-1].content if not add_generation_prompt }}"
SYSTEM = [("system", "s"), TALK[0]]


@pytest.mark.parametrize(
    ("jinja", "turns", "told"),
    [
        (REFUSING, SYSTEM, r"for turns of \['system', 'user'\]: no system role; use"),
        (OLMO, SYSTEM, r"turns of \['system', 'user'\]: it leaves out turns"),
        (LATEST, TALK[:3], r"turns of \['user', 'assistant', 'user'\]: it leaves out turns"),
        (AYA, [*TALK[:1], *TALK[:1]], r"turns of \['user', 'user'\]: Roles must alternate"),
    ],
)
def test_a_template_that_cannot_write_such_turns_says_so(jinja, turns, told, tmp_path):
    renderer = with_template(tmp_path, jinja)
    assert renderer.example("fox", "dog")[0]
    for ask in (renderer.prompt, lambda turns: renderer.example(turns, "dog")):
        with pytest.raises(ValueError, match=told):
            ask(tuple(turns))


def test_a_text_that_a_template_cuts_is_refused_and_not_learnt_in_part(tmp_path):
    cutting = "{% for m in messages %}<|im_start|>{{ m.role + ':' + m.content.split('###')[-1] }}"
    cutting += (
        "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant:{% endif %}"
    )
    renderer = with_template(tmp_path, cutting)
    assert renderer.example(" fox ", "dog\n")[0]
    for ask in (
        lambda: renderer.example("fox", "first ### dog"),
        lambda: renderer.example("first ### fox", "dog"),
        lambda: renderer.prompt("first ### fox"),
    ):
        with pytest.raises(ValueError, match="it does not write all of 'first ### "):
            ask()


def test_without_a_chat_template_each_prompt_and_reply_stands_as_if_alone(tmp_path):
    renderer = make_renderer(load_tokenizer(write_qwen(tmp_path)), "base")
    ids, start = renderer.example(tuple(TALK[:5]), TALK[5][1])
    pairs = [(TALK[n][1], TALK[n + 1][1]) for n in (0, 2, 4)]
    alone = [renderer.example(*pair) for pair in pairs]
    assert ids == [id for own, _ in alone for id in own]
    assert start == sum(len(own) for own, _ in alone[:2]) + alone[2][1]
    with pytest.raises(ValueError, match=r"the template 'base' of .* has no place for a system"):
        renderer.prompt(tuple(SYSTEM))
