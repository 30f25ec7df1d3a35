"""Pairs with a known better response: really better, never equal, the same for a seed."""

import json

import pytest

from pinch_jax.corpus.example import Example
from pinch_jax.errors import UserError
from pinch_jax.evaluate.outcome import classify
from pinch_jax.judge.certify import sampled
from pinch_jax.judge.pairs import corpus_pairs, oasst_pairs, read_pairs


def question(code, id, prompt, response, answer):
    return Example(id, id, "place", code, prompt, response, answer)


HELDOUT = {
    "en": [
        question("en", "1", "Where is Mali?", "It is in Western Africa.", "Western Africa"),
        question("en", "2", "Where is Chad?", "It is in Africa.", "Africa"),
        question("en", "3", "Where is Peru?", "It is in America.", "America"),
        question("en", "4", "Where is Cuba?", "It is in America.", "America"),
    ],
    "fi": [
        question("fi", "1", "Missä on Mali?", "Se on Länsi-Afrikassa.", "Länsi-Afrikassa"),
        question("fi", "2", "Missä on Tšad?", "it is in africa", "africa"),
        question("fi", "3", "Missä on Peru?", "Se on Amerikassa.", "Amerikassa"),
        question("fi", "4", "Missä on Kuuba?", "Se on Amerikassa.", "Amerikassa"),
    ],
    "it": [question("it", "1", "Dov'è il Mali?", "È in Africa occidentale.", "Africa occidentale")],
}


def test_pairs_of_a_corpus_have_a_second_response_that_is_wrong():
    pairs = corpus_pairs(HELDOUT, seed=0)
    held = {(pair.language, pair.id, pair.source): pair for pair in pairs}
    assert len(held) == len(pairs)
    for pair in pairs:
        told = classify(pair.prompt, pair.second, pair.language, pair.reference, pair.answer)
        assert pair.first == pair.reference and pair.better == "first"
        if pair.source == "wrong answer":
            assert not told.right
            assert pair.second in [one.response for one in HELDOUT[pair.language]]
        if pair.source == "echo":
            assert told.echo
    # Another example with the right answer, and one whose answer is a part of it, are not wrong.
    for seed in range(20):
        wrong = {
            pair.id: pair.second
            for pair in corpus_pairs(HELDOUT, seed)
            if (pair.language, pair.source) == ("en", "wrong answer")
        }
        assert wrong["1"] == wrong["2"] == "It is in America." != wrong["3"]
    # What is the same in both languages but for form is not in a wrong one.
    assert ("en", "2", "wrong language") not in held
    assert held["fi", "3", "wrong language"].second == "It is in America."


def test_pairs_are_the_same_for_a_seed_whatever_the_order_of_the_languages():
    turned = dict(reversed(HELDOUT.items()))
    assert set(corpus_pairs(HELDOUT, 3)) == set(corpus_pairs(turned, 3))
    assert len({tuple(corpus_pairs(HELDOUT, seed)) for seed in range(9)}) > 1
    some = sampled(corpus_pairs(HELDOUT, 3), 2, 0)
    assert {p.id for p in some if p.language == "en"} == {p.id for p in some if p.language == "fi"}
    assert len({p.id for p in some}) == 2


def message(id, parent, role, text, **more):
    return {"message_id": id, "parent_id": parent, "role": role, "lang": "en", "text": text} | more


MESSAGES = [
    message("a1", "a", "assistant", "Good.", rank=0),
    message("a", None, "prompter", "Why?"),
    message("a2", "a", "assistant", "Bad.", rank=2),
    message("a3", "a", "assistant", "So so.", rank=1),
    message("a4", "a", "assistant", "Worst, and taken back.", rank=3, deleted=True),
    message("b", "a1", "prompter", "And how?"),
    message("b1", "b", "assistant", "So.", rank=0),
    message("b2", "b", "assistant", "Not so.", rank=1),
    message("c", None, "prompter", "Same?"),
    message("c1", "c", "assistant", "Yes.", rank=0),
    message("c2", "c", "assistant", " yes", rank=1),
    message("d", None, "prompter", "Unranked?"),
    message("d1", "d", "assistant", "One.", rank=None),
    message("d2", "d", "assistant", "Two.", rank=None),
]


def tree_of(id):
    one = next(message for message in MESSAGES if message["message_id"] == id)
    below = [other["message_id"] for other in MESSAGES if other["parent_id"] == id]
    return one | {"replies": [tree_of(other) for other in below]}


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def test_ranks_of_openassistant_say_which_reply_is_better(tmp_path):
    flat = write(tmp_path / "flat.jsonl", MESSAGES)
    trees = write(tmp_path / "trees.jsonl", [{"prompt": tree_of(id)} for id in "acd"])
    for path in (flat, trees):
        (pair,) = oasst_pairs(path, ["en", "fi"])
        assert (pair.id, pair.prompt, pair.first, pair.second) == (
            "oasst-a",
            "Why?",
            "Good.",
            "Bad.",
        )
        root, later = oasst_pairs(f"{path}?depth=any", ["en"])
        assert root == pair and later.prompt == "Why?\n\nGood.\n\nAnd how?"
    with pytest.raises(UserError, match="no prompt in fi"):
        oasst_pairs(flat, ["fi"])


def test_a_text_in_several_languages_is_a_pair_in_each(tmp_path):
    both = [{**held, "text_en": held["text"], "text_fi": held["text"]} for held in MESSAGES]
    for held in both:
        del held["text"], held["lang"]
    pairs = oasst_pairs(write(tmp_path / "both.jsonl", both), ["en", "fi"])
    assert [(pair.language, pair.id) for pair in pairs] == [("en", "oasst-a"), ("fi", "oasst-a")]


def test_a_file_of_pairs_is_checked_line_by_line(tmp_path):
    good = {"id": "1", "language": "no", "prompt": "?", "first": "a", "second": "", "better": "tie"}
    path = tmp_path / "pairs.jsonl"
    write(path, [good, good | {"second": "A."}])
    (pair,) = read_pairs(path)
    assert pair.language == "nb" and pair.reference == "", "and equal texts are left out"
    for wrong, told in (
        ({"better": "1"}, "pairs.jsonl:1: better='1' is none of"),
        ({"language": "xx-yy-zz"}, "language"),
        ({"prompt": " "}, "prompt"),
        ({"first": 3}, "first"),
    ):
        write(path, [good | wrong])
        with pytest.raises(UserError, match=told):
            read_pairs(path)
    # A judge is asked about a prompt by its id: two of one id would be asked as one of them.
    for other in ({"prompt": "Why?"}, {"reference": "a"}):
        write(path, [good, good | other])
        with pytest.raises(UserError, match=r"pairs\.jsonl:2: nb '1' has another prompt"):
            read_pairs(path)
    write(path, [good | {"second": "A."}])
    with pytest.raises(UserError, match="no pairs"):
        read_pairs(path)
