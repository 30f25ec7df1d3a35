"""Fertility against counting by hand, and the report of a corpus against what is tuned on."""

import dataclasses
import json
import random

import numpy as np
import pytest
from own_corpus import prompt, whole_config, write, write_sources
from small import GEMMA_LIKE
from small_tokenizers import BUNDLED

from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.corpus.fertility import Fertility, fertility, words
from pinch_jax.corpus.manifest import read_manifest
from pinch_jax.corpus.sources import Corpus
from pinch_jax.corpus.translation.translate import Estimate
from pinch_jax.data.tokenized import tokenize_corpus
from pinch_jax.errors import UserError
from pinch_jax.model.source import open_model
from pinch_jax.report.corpus_report import (
    build_corpus,
    corpus_tables,
    costs_table,
    report_corpus,
    say_costs,
    say_report,
    token_shares,
)
from pinch_jax.report.fertility_table import fertility_tables, read_texts
from pinch_jax.text.template import Renderer, Template
from pinch_jax.text.tokenizer import load_tokenizer

TOKENIZER = BUNDLED / "tokenizer.model"


class Cut:
    """A tokenizer that cuts where it is told."""

    def __init__(self, *spans):
        self._spans = list(spans)

    def spans(self, text):
        return self._spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Can't stop, 3.14 l'uomo!", ["Can't", "stop", "3.14", "l'uomo"]),
        ("你好。ABC", ["你好", "ABC"]),
        ("東京の図書館です", ["東京", "の", "図書館", "です"]),
        ("ภาษาไทยสวย 👩‍👧", ["ภาษา", "ไทย", "สวย"]),
        ("हिन्दी में, नमस्ते।", ["हिन्दी", "में", "नमस्ते"]),
        ('צה"ל e\u0301te\u0301 السَّلامُ', ['צה"ל', "e\u0301te\u0301", "السَّلامُ"]),
        ("👩‍👧 – …", []),
        ("", []),
    ],
)
def test_words_are_those_of_unicode(text, expected):
    assert [text[begin:end] for begin, end in words(text)] == expected


def test_fertility_of_a_sentence_counted_by_hand():
    #      an added blank, "Un", "stop", "pable", ",", " you", " and I", " ", "!"
    spans = [(0, 0), (0, 2), (2, 6), (6, 11), (11, 12), (12, 16), (16, 22), (22, 23), (23, 24)]
    found = fertility(["Unstoppable, you and I !"], Cut(*spans))
    assert found == Fertility(
        texts=1, characters=24, tokens=9, words=4, word_tokens=5, continued_words=1
    )
    assert (found.tokens_per_word, found.continued_fraction) == (5 / 4, 1 / 4)
    assert found.tokens_per_character == 9 / 24
    assert np.isnan(fertility(["!"], Cut((0, 1))).tokens_per_word)
    assert np.isnan(fertility([], Cut()).tokens_per_character)


def test_counts_are_those_of_looking_at_every_pair():
    draw = random.Random(0)
    for _ in range(200):
        text = "".join(draw.choice("ab ,。好é\u0301🦩") for _ in range(draw.randrange(1, 30)))
        places = [draw.randrange(len(text) + 1) for _ in range(2 * draw.randrange(1, 12))]
        begins, ends = sorted(places[::2]), sorted(places[1::2])
        spans = [(begin, max(begin, end)) for begin, end in zip(begins, ends, strict=True)]
        found = fertility([text], Cut(*spans))
        pairs = [
            (token, word)
            for token, (a, b) in enumerate(spans)
            for word, (c, d) in enumerate(words(text))
            if set(range(a, b)) & set(range(c, d))
        ]
        assert found.word_tokens == len({token for token, _ in pairs})
        several = [w for w in range(found.words) if sum(word == w for _, word in pairs) > 1]
        assert found.continued_words == len(several)


@pytest.fixture(scope="module")
def corpora():
    def corpus(train, heldout):
        return Corpus(
            {c: train(c)[:40] for c in ("en", "he", "zh")},
            {c: heldout(c)[:5] for c in ("en", "he", "zh")},
            {},
        )

    return {
        "cldr_instructions": corpus(cldr.train_examples, cldr.heldout_examples),
        "cldr_statements": corpus(cldr.train_statements, cldr.heldout_statements),
    }


@pytest.mark.parametrize("name", ["cldr_instructions", "cldr_statements"])
def test_the_report_counts_the_tokens_that_are_tuned_on(name, corpora):
    renderer = open_model("tiny").renderer
    report = report_corpus(name, corpora[name], renderer, "en", None)
    tokenized = tokenize_corpus(corpora[name].train, renderer.tokenizer.pad_id, renderer.example)
    for code, own in tokenized.languages.items():
        counted = report["languages"][code]
        assert counted["tokens"] == own.lengths.sum()
        assert counted["supervised_tokens"] == own.supervised_lengths.sum()
        # 10 of 40 examples in this language, the rest in English, told from the same means.
        own_tokens, english = own.lengths.sum(), tokenized.languages["en"].lengths.sum()
        share = 100 * own_tokens * 10 / (own_tokens * 10 + english * 30)
        assert token_shares(report["languages"], "en", 25, [code])["tokens"] == pytest.approx(share)
    assert report["languages"]["en"]["percent_of_tokens_at_10_percent"]["tokens"] == 10
    together = {entry["percent_of_examples"]: entry for entry in report["others_together"]}
    he, zh, en = (report["languages"][c]["supervised_tokens"] for c in ("he", "zh", "en"))
    expected = 100 * 50 * (he + zh) / 2 / (50 * (he + zh) / 2 + 50 * en)
    assert together[50]["supervised_tokens"] == pytest.approx(expected)
    assert "he  Hebrew" in corpus_tables(report)


def test_texts_alone_have_neither_template_nor_supervision_of_it(corpora):
    alone = Renderer(Template((), (), ()), load_tokenizer(TOKENIZER))
    report = report_corpus("x", corpora["cldr_instructions"], alone, "en", None)
    for code, own in report["languages"].items():
        texts = [
            text
            for example in corpora["cldr_instructions"].train[code]
            for text in (example.prompt, example.response)
        ]
        assert own["tokens"] == sum(len(alone.tokenizer.encode(text)) for text in texts)
        assert own["characters"] == sum(map(len, texts))


def test_files_of_ones_own_are_compared_language_by_language(tmp_path):
    for code, text in {"fi": "Yksi kaksi.\n\n", "en": "One two.\n", "nn": "Ein to."}.items():
        (tmp_path / f"udhr_{code}.txt").write_text(text, encoding="utf-8")
    pattern = f"{tmp_path}/udhr_{{language}}.txt"
    assert read_texts(pattern) == {"en": ["One two."], "fi": ["Yksi kaksi."], "nn": ["Ein to."]}
    table = fertility_tables(pattern, [str(TOKENIZER), str(BUNDLED)])
    assert table.count("tokens / en") == 2 and "nn" in table
    row = next(line for line in table.splitlines() if line.startswith("Finnish")).split()
    tokenizer = load_tokenizer(TOKENIZER)
    ours, theirs = (len(tokenizer.encode(text)) for text in ("Yksi kaksi.", "One two."))
    assert row[1:4] == ["11", "2", str(ours)] and row[-1] == f"{ours / theirs:.2f}"


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        ("a.txt", ValueError, r"--texts=.*a\.txt: write \{language\} once"),
        ("{language}/a.txt", ValueError, "once, in the name of the file"),
        ("b_{language}.txt", UserError, r"--texts=.*b_\{language\}\.txt: no such file"),
        ("latin_{language}.txt", ValueError, r"latin_en\.txt: not UTF-8"),
        ("empty_{language}.txt", ValueError, r"empty_en\.txt: no text in it"),
    ],
)
def test_what_is_wrong_with_texts_is_named(tmp_path, pattern, error, message):
    (tmp_path / "latin_en.txt").write_bytes(b"\xe4")
    (tmp_path / "empty_en.txt").write_text(" \n")
    with pytest.raises(error, match=message):
        read_texts(f"{tmp_path}/{pattern}")


def test_the_command_says_what_became_of_the_sources_and_writes_it_down(tmp_path, capsys):
    write_sources(tmp_path)
    write(
        tmp_path / "train" / "sw.jsonl",
        [{"id": f"train-{n}", "prompt": prompt("sw", n), "response": "x"} for n in range(4)],
    )
    config, said = whole_config(tmp_path), []
    # As configs of published sizes are without weights.
    nothing = {"source": "", "tokenizer": "tiny", "decoder": GEMMA_LIKE}
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **nothing))
    say_costs(config, said.append)
    say_report(config, *build_corpus(config, False, said.append), (), said.append)
    told = "\n".join(said)
    assert "nothing is to be paid for" in said[0]
    assert "mine: 4 examples to tune on and 3 held out, in each of 3 languages: en, fi, sw" in told
    assert "dropped in every language: 2 examples\n  not in the source: sw 2" in told
    written = json.loads((config.corpus.directory / "report.json").read_text(encoding="utf-8"))
    manifest = read_manifest(config.corpus.directory)
    assert written["version"] == manifest.version and written["base"] == "en"
    assert written["languages"]["sw"]["dropped"] == {"not in the source": 2}
    assert written["languages"]["fi"]["examples"] == 4
    assert capsys.readouterr().out == ""


def test_duplicates_are_of_a_language_and_an_example_goes_from_all_at_once(tmp_path):
    write_sources(tmp_path)
    for code, number in (("en", 8), ("sw", 9)):
        rows = [{"id": f"train-{n}", "prompt": prompt(code, n), "response": "x"} for n in range(6)]
        rows[2]["prompt"] = prompt(code, number)
        write(tmp_path / "train" / f"{code}.jsonl", rows)
    said = []
    build_corpus(whole_config(tmp_path), False, said.append)
    told = "held-out prompts: 2 exact, 0 near; examples left out of training in every language: 1"
    assert told in "\n".join(said) and "mine: 5 examples to tune on" in said[0]


def test_the_cost_is_told_before_it_is_paid():
    costs = [Estimate(code, 10, 2_000_000, 30, 40.0, 90.0) for code in ("fi", "sw")]
    lines = [line.split() for line in costs_table(costs).splitlines()]
    assert lines[2] == ["Finnish", "10", "30", "2,000,000", "40.00", "1.5"]
    assert lines[-1] == ["all", "20", "60", "4,000,000", "80.00", "3.0"]
