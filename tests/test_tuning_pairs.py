"""Judge prompts out of a corpus with answers: who is right is known, and where it stands is not."""

import collections
import dataclasses

import own_corpus
import pytest

from ml_collections_configs import base
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.cldr.examples import fair_examples
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.sources import Corpus
from pinch_jax.errors import UserError
from pinch_jax.judge.model import find_labels
from pinch_jax.judge.prompt import read_wording
from pinch_jax.judge.protocol import Pair
from pinch_jax.judge.tuning_pairs import judge_corpus
from pinch_jax.model.source import open_model
from pinch_jax.study.inputs import Inputs

KINDS = ("answer", "answer", "language", "echo", "empty")
LANGUAGES = ("en", "it", "ar")
QUESTION = read_wording(), ("A", "B")


@pytest.fixture(scope="module")
def facts():
    """A corpus of 60 facts to tune on and 30 held out."""
    train = {code: fair_examples(code, heldout=False)[:60] for code in LANGUAGES}
    heldout = {code: fair_examples(code, heldout=True)[:30] for code in LANGUAGES}
    return Corpus(train, heldout, dict.fromkeys(LANGUAGES, ""))


def parts(prompt):
    """Returns the instruction and the two answers of a judge prompt."""
    mark = prompt.partition("the mark ")[2].partition(".")[0]
    told = prompt.split(f"{mark} ")
    return [part.partition("\n")[2].removesuffix("\n\n") for part in told[1:4]]


def test_the_label_is_where_the_reference_stands_and_beside_it_is_something_worse(facts):
    made = judge_corpus(facts, KINDS, *QUESTION)
    own = {(code, e.id): e for code in LANGUAGES for e in facts.train[code]}
    # Of a few examples there is one other answer, or none, among the sixty.
    kinds = collections.Counter(e.task for e in made.train["it"])
    assert {kinds[f"judge/{kind}"] for kind in KINDS[2:]} == {60} and kinds["judge/answer"] > 110
    for code in LANGUAGES:
        for example in made.train[code]:
            identity, _, suffix = example.id.rpartition(".")
            source = own[code, identity]
            instruction, *answers = parts(example.prompt)
            right = answers.pop("AB".index(example.response))
            (worse,) = answers
            assert (instruction, right) == (source.prompt, source.response)
            if suffix in ("answer", "answer1"):
                (same,) = {e.task for e in facts.train[code] if e.response == worse}
                assert same == source.task and source.answer not in worse
            elif suffix == "language":
                assert worse in {own[c, identity].response for c in LANGUAGES if c != code}
            else:
                assert worse == {"echo": source.prompt, "empty": ""}[suffix]


def test_a_place_says_nothing_and_an_example_is_the_same_in_every_language(facts):
    made = judge_corpus(facts, KINDS, *QUESTION)
    for split in (made.train, made.heldout):
        ids = {code: [(e.id, e.response) for e in split[code]] for code in LANGUAGES}
        assert ids["en"] == ids["it"] == ids["ar"] and len({*ids["en"]}) == len(ids["en"])
        for code in LANGUAGES:
            # Of a prefix too; the two of a kind are counted apart.
            for examples in (split[code], split[code][: 20 * len(KINDS)]):
                counts = collections.Counter((e.id.split(".")[-1], e.response) for e in examples)
                assert len(counts) == 2 * len(KINDS)
                assert all(counts[kind, "A"] == counts[kind, "B"] for kind, _ in counts)
    # Nor does the kind beside it, nor whether the place before was the first.
    order = "".join(e.response for e in made.train["en"] if e.id.endswith("echo"))
    assert {order[i : i + 2] for i in range(0, 60, 2)} == {"AB", "BA"}
    assert made.checksums != facts.checksums


def test_two_wrong_answers_are_not_the_same_one(facts):
    made = judge_corpus(facts, KINDS, *QUESTION)
    texts = collections.defaultdict(set)
    for example in made.train["en"]:
        if example.task == "judge/answer":
            texts[example.id.removesuffix("1")].add(frozenset(parts(example.prompt)[1:]))
    assert {len(pairs) for pairs in texts.values()} == {2}


def test_what_cannot_be_a_pair_in_one_language_is_none_in_any(facts):
    first, *others = facts.train["ar"]
    silent = {"ar": (dataclasses.replace(first, response=" "), *others)}
    corpus = dataclasses.replace(facts, train={**facts.train, **silent})
    made = judge_corpus(corpus, ("echo",), *QUESTION)
    assert [len(made.train[code]) for code in LANGUAGES] == [59, 59, 59]
    alone = dataclasses.replace(
        facts, train={"en": facts.train["en"]}, heldout={"en": facts.heldout["en"]}
    )
    with pytest.raises(UserError, match="no train example gives a pair of the kind 'language'"):
        judge_corpus(alone, ("echo", "language"), *QUESTION)


def test_a_run_is_tuned_on_the_prompts_and_labels_of_the_model_judge(tmp_path):
    own_corpus.write_sources(tmp_path)
    c = own_corpus.whole_config(tmp_path, judge_pairs=("answer", "language"))
    inputs, model = Inputs(c, progress=False), open_model("tiny")
    labels = find_labels(model.renderer)
    assert labels.names == ("1", "2")  # of A the bundled tokenizer makes one token, of B two
    assert len(inputs.corpus.train["fi"]) == 12 and len(inputs.corpus.heldout["fi"]) == 6
    for example in inputs.corpus.train["fi"]:
        instruction, *answers = parts(example.prompt)
        record = {"id": "1", "language": "fi", "prompt": instruction}
        asked = read_wording().ask(Pair(record, *answers), labels.names)
        ids, start = model.renderer.example(example.prompt, example.response)
        assert ids[: start + len(labels.beginning)] == (
            model.renderer.prompt(asked) + labels.beginning
        )
        assert ids[start + len(labels.beginning)] == labels.ids["12".index(example.response)]
    assert min(inputs.tokenized.languages["fi"].supervised_lengths) >= 2


def test_pairs_of_the_bundled_corpus_need_all_languages_and_no_recipe():
    values = base.get_config()
    values.corpus.judge_pairs = ("language",)
    assert from_config_dict(values).mixture_languages == values.languages
    values.mixture.recipes = ("translation-en-fi",)
    with pytest.raises(UserError, match=r"config.mixture.recipes=.*set one of them to \(\)"):
        from_config_dict(values)
    values.mixture.recipes, values.corpus.name = (), "cldr_statements"
    with pytest.raises(UserError, match="'cldr_statements' has no instructions"):
        from_config_dict(values)


def test_another_sentence_with_the_same_answer_is_not_wrong():
    told = [("Paris", f"It is Paris, {number}.") for number in range(6)] + [("Rome", "Rome.")]
    examples = tuple(
        Example(f"{i}", f"{i}", "capital", "en", f"Question {i}?", response, answer)
        for i, (answer, response) in enumerate(told)
    )
    made = judge_corpus(
        Corpus({"en": examples}, {"en": examples}, {"en": ""}), ("answer",), *QUESTION
    )
    for example, own in zip(made.train["en"], examples, strict=True):
        (worse,) = {*parts(example.prompt)[1:]} - {own.response}
        assert (worse == "Rome.") == (own.answer == "Paris")
