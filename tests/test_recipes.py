"""Recipes: both languages are really there, and what is not theirs to change stays as it was."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest
from bundled import LANGUAGES

from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.corpus.cldr.locale_names import names
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.recipes import (
    PHRASES,
    RECIPES,
    Recipe,
    heldout_by_recipe,
    parse_recipe,
    recipe_examples,
)
from pinch_jax.errors import UserError
from pinch_jax.languages import language

PARALLEL = {code: cldr.train_examples(code)[::29] for code in ("en", "fi", "he", "ru", "zh")}
PAIRS = [("en", "fi"), ("fi", "zh"), ("zh", "he"), ("ru", "en")]


def made(kind, source, target, parallel=PARALLEL):
    return recipe_examples(parse_recipe(f"{kind}-{source}-{target}", LANGUAGES), parallel)


def prompts(source, target):
    """A parallel corpus of two given prompts, under eight ids."""

    def examples(code, prompt):
        example = Example("", "", "", code, prompt, "response", "", False)
        return [dataclasses.replace(example, id=f"x{i}") for i in range(8)]

    return {"en": examples("en", source), "fi": examples("fi", target)}


def switched(source, target):
    """The two ways in which two prompts are code-switched."""
    found = made("code_switched", "en", "fi", prompts(source, target))
    return {example.prompt for example in found}


def letters_of(text, script):
    script = {"Simplified Chinese": "CJK"}.get(script, script.upper())
    return [c for c in text if c.isalpha() and unicodedata.name(c).startswith(script)]


@pytest.mark.parametrize("kind", RECIPES)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_ids_order_and_responses_are_those_of_the_corpus(kind, source, target):
    examples = made(kind, source, target)
    assert len(examples) == len(PARALLEL["en"]) > 50
    for example, original in zip(examples, PARALLEL[target], strict=True):
        assert (example.id, example.fact) == (original.id, original.fact)
        assert example.language == target
        if kind == "question_translation":
            assert (example.response, example.answer) == (original.prompt, "")
        else:
            assert example.response == original.response
            assert example.answer == original.answer
    assert len({example.prompt for example in examples}) > 0.8 * len(examples)


def test_question_translation_uses_no_answer_of_either_language():
    blank = {
        code: [dataclasses.replace(e, response="?", answer="?") for e in examples]
        for code, examples in PARALLEL.items()
    }
    assert made("question_translation", "en", "fi", blank) == made(
        "question_translation", "en", "fi"
    )


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_translated_or_asked_stands_unchanged_beside_the_instruction(source, target):
    for original, translation, question, asked in zip(
        PARALLEL[source],
        *(made(k, source, target) for k in ("translation", "question_translation")),
        made("cross_lingual", source, target),
        strict=True,
    ):
        assert translation.prompt.endswith(f"\n\n{original.response}")
        assert question.prompt.endswith(f"\n\n{original.prompt}")
        assert asked.prompt.startswith(f"{original.prompt}\n\n")


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_can_name_every_other_in_all_phrases(code):
    phrases = json.loads(PHRASES.read_text(encoding="utf-8"))
    assert {kind: len(texts) for kind, texts in phrases[code].items()} == {
        kind: len(texts) for kind, texts in phrases["en"].items()
    }
    for texts in phrases[code].values():
        assert len(set(texts)) == len(texts)
        for text in texts:
            assert re.findall(r"\{.*?\}", text) == ["{language}"]
            letters = [c for c in text.replace("{language}", "") if c.isalpha()]
            assert letters == letters_of("".join(letters), language(code).script)
    ends = {"zh": "。？", "hi": "।?", "ar": ".؟"}.get(code, ".?")
    for target in LANGUAGES.keys() - {code}:
        name = names(code)["language"][target]
        examples = {x: cldr.train_examples(x)[:12] for x in (code, target)}
        instructions = [
            *(e.prompt.partition("\n\n")[0] for e in made("translation", code, target, examples)),
            *(e.prompt.partition("\n\n")[2] for e in made("cross_lingual", code, target, examples)),
        ]
        for instruction in instructions:
            assert name in instruction and instruction[-1] in ends
        assert len(set(instructions)) == 6  # every phrase of both kinds


def test_phrases_of_a_language_are_those_of_no_other():
    phrases = json.loads(PHRASES.read_text(encoding="utf-8"))
    assert set(phrases) == set(LANGUAGES)
    every = [text for kinds in phrases.values() for texts in kinds.values() for text in texts]
    assert len(set(every)) == len(every)


def test_sentences_alternate_where_both_languages_have_as_many():
    assert switched("One. Two? Three!", "Yksi. Kaksi? Kolme!") == {
        "One. Kaksi? Three!",
        "Yksi. Two? Kolme!",
    }
    # A line is a sentence; the space of the text is kept; a number or a quotation cuts nothing.
    assert switched('Say "No!" Pi is 3.14.\n\nRun', "Sano ”Ei!” Pii on 3.14.\n\nAja") == {
        'Say "No!" Pii on 3.14.\n\nRun',
        "Sano ”Ei!” Pi is 3.14.\n\nAja",
    }
    assert switched("red\n- blue\nend", "puna\n- sini\nloppu") == {
        "red\n- sini\nend",
        "puna\n- blue\nloppu",
    }
    assert switched("你好。再见！", "Hei. Näkemiin!") == {"你好。 Näkemiin!", "Hei. 再见！"}
    assert switched("नमस्ते। फिर मिलेंगे।", "Hei. Näkemiin!") == {
        "नमस्ते। Näkemiin!",
        "Hei. फिर मिलेंगे।",
    }


def test_otherwise_the_language_changes_once_nearest_the_middle():
    assert switched("What is it called there?", "Mikä sen nimi on?") == {
        "What is it nimi on?",
        "Mikä sen called there?",
    }
    # As many sentences only in one language; paragraphs are not lost at the cut.
    assert switched("Run it.\n\nNow, please.", "Aja se nyt kiitos.") == {
        "Run it.\n\nnyt kiitos.",
        "Aja se Now, please.",
    }
    assert switched("他们说什么语言？", "Mitä kieltä he puhuvat?") == {
        "他们说 he puhuvat?",
        "Mitä kieltä 什么语言？",
    }
    assert switched("我喜欢Python编程。", "Pidän Pythonista.") == {
        "我喜欢 Pythonista.",
        "Pidän Python编程。",
    }
    assert switched("Why?", "Miksi?") == {"Why? Miksi?", "Miksi? Why?"}


@pytest.mark.parametrize(("source", "target"), [("en", "zh"), ("ru", "he"), ("zh", "ru")])
def test_both_languages_are_really_in_a_code_switched_prompt(source, target):
    scripts = [language(code).script for code in (source, target)]
    firsts = []
    for example in made("code_switched", source, target):
        letters = [c for c in example.prompt if c.isalpha()]
        first, last = (
            next(script for script in scripts if letters_of(end, script))
            for end in (letters[0], letters[-1])
        )
        assert first != last
        firsts.append(first)
    assert 0.3 < firsts.count(scripts[0]) / len(firsts) < 0.7


def test_an_example_is_the_same_in_any_part_of_the_corpus():
    part = {code: examples[::-3] for code, examples in PARALLEL.items()}
    for kind in RECIPES:
        assert made(kind, "en", "fi", part) == made(kind, "en", "fi")[::-3]


def test_an_example_is_the_same_in_every_process():
    code = """
from pinch_jax.corpus.cldr.examples import train_examples
from pinch_jax.corpus.recipes import RECIPES, Recipe, recipe_examples
parallel = {code: train_examples(code)[::99] for code in ("en", "sw")}
print([recipe_examples(Recipe(kind, "en", "sw"), parallel) for kind in RECIPES])
"""
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    ]
    assert told[0] == told[1] and len(told[0]) > 10_000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("translate-en-fi", ["'translate-en-fi' is not RECIPE-LANGUAGE-", "'translation'"]),
        ("code_switched-en", ["is not RECIPE-LANGUAGE-LANGUAGE", "code_switched-en-fi"]),
        ("translation-en-fi-sw", ["is not RECIPE-LANGUAGE-LANGUAGE"]),
        ("fi", ["is not RECIPE-LANGUAGE-LANGUAGE"]),
        ("translation-en-pl", ["'pl', which is not in config.languages=['en', 'fi']", "add it"]),
        ("translation-fi-fi", ["names 'fi' twice"]),
    ],
)
def test_a_name_that_is_no_recipe_says_what_to_write(name, words):
    with pytest.raises(ValueError) as error:
        parse_recipe(name, ("en", "fi"))
    for word in ["config.mixture.recipes: ", *words]:
        assert word in str(error.value)
    assert parse_recipe("cross_lingual-fi-en", ("en", "fi")).name == "cross_lingual-fi-en"


@pytest.mark.parametrize(
    ("code", "told"),
    [("zh-Hant", "繁体中文"), ("sr-Latn", "塞尔维亚语 (拉丁文)"), ("yo", "约鲁巴语")],
)
def test_a_language_of_any_script_is_named_in_the_language_of_the_instruction(code, told):
    texts = {one: (Example("a", "f", "t", one, f"{one}?", f"{one}."),) for one in ("zh", code)}
    (made,) = recipe_examples(Recipe("translation", "zh", code), texts)
    assert told in made.prompt and made.response == f"{code}."


def test_a_language_that_cldr_does_not_name_in_the_other_is_an_error():
    texts = {one: (Example("a", "f", "t", one, f"{one}?", f"{one}."),) for one in ("ar", "aeb")}
    with pytest.raises(UserError, match="CLDR has no name for 'aeb' of 'aeb' in 'ar'; take"):
        recipe_examples(Recipe("translation", "ar", "aeb"), texts)


def test_what_cannot_be_made_names_the_recipe_and_the_example():
    recipe = Recipe("translation", "en", "fi")
    shuffled = PARALLEL | {"fi": PARALLEL["fi"][::-1]}
    with pytest.raises(ValueError, match=r"'translation-en-fi' needs parallel .* in their ids"):
        recipe_examples(recipe, shuffled)
    silent = prompts("Why?", " ")
    with pytest.raises(ValueError, match=r"needs a prompt .*'x0' has none in 'fi'"):
        recipe_examples(Recipe("code_switched", "en", "fi"), silent)
    assert len(recipe_examples(recipe, silent)) == 8  # only responses are translated


def test_responses_that_are_all_in_training_leave_no_translation_to_ask_for():
    train = {code: PARALLEL[code][:40] for code in ("en", "fi")}
    heldout = {code: PARALLEL[code][:9] for code in ("en", "fi")}
    with pytest.raises(UserError, match=r"recipe='translation-en': no held-out prompt is left"):
        heldout_by_recipe("translation-en", ("en", "fi"), train, heldout)
    asked = heldout_by_recipe("cross_lingual-en", ("en", "fi"), train, heldout)
    assert [len(own) for own in asked.values()] == [9, 9] and asked["en"] == heldout["en"]


def test_prompts_that_lose_what_tells_them_apart_are_held_out_in_no_language():
    whole = {code: cldr.heldout_examples(code) for code in ("en", "hi", "it")}
    asked = heldout_by_recipe("code_switched-en", tuple(whole), whole, whole)
    # Hindi puts the country first, where English has it last: both halves may be without it.
    assert not any(e.prompt == "Name the currency of the मुद्रा का नाम बताइए।" for e in asked["hi"])
    for own in asked.values():
        assert [e.id for e in own] == [e.id for e in asked["en"]]
        assert len({e.prompt for e in own}) == len(own) > 500
