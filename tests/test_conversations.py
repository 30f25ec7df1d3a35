"""Conversations of several turns, from the files that they come in to what a model is asked."""

import json

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from test_readers import message, read, written

from pinch_jax.corpus.duplicates import find_duplicates
from pinch_jax.corpus.example import Example, checksum
from pinch_jax.corpus.manifest import read_split, write_split
from pinch_jax.corpus.reading.readers import read_parallel
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.corpus.recipes import parse_recipe, recipe_examples
from pinch_jax.corpus.translation.translate import translate_examples
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import asked, read_responses, response_record, words_of_records
from pinch_jax.evaluate.sampling import sampling_keys
from pinch_jax.judge.protocol import Pair
from pinch_jax.judge.records import seen_by_judge
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.storage.files import json_line

TALK = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]
TALK += [("assistant", "Because."), ("user", "So?"), ("assistant", "So.")]


def chat(turns, roles=("role", "content"), **names):
    return [dict(zip(roles, (names.get(role, role), text), strict=True)) for role, text in turns]


FORMS = {
    "messages": {"messages": chat(TALK)},
    "both": {"messages": chat(TALK), "prompt": "Hi"},  # as UltraChat has it
    "conversation": {"conversation": chat(TALK)},
    "sharegpt": {"conversations": chat(TALK, ("from", "value"), user="human", assistant="gpt")},
    "apart": {"messages": chat(TALK[1:]), "system": "Be kind."},
}


@pytest.mark.parametrize("form", FORMS)
def test_each_turn_of_the_assistant_is_an_example_with_all_that_was_said_before(tmp_path, form):
    path = written(tmp_path / "chat.jsonl", [{"id": "c"} | FORMS[form]])
    every = read(f"jsonl:{path}?turns=all")
    assert [(e.id, e.fact) for e in every] == [("c#1", "c"), ("c#2", "c"), ("c#3", "c")]
    assert [(e.asked, e.response) for e in every] == [
        (tuple(TALK[:end]), TALK[end][1]) for end in (2, 4, 6)
    ]
    assert every[1].prompt == "Be kind.\n\nHi\n\nHello\n\nWhy?"
    (last,), (first,) = read(f"jsonl:{path}"), read(f"jsonl:{path}?turns=first")
    assert (last.id, last.asked, last.response) == ("c", tuple(TALK[:6]), "So.")
    assert (first.id, first.asked, first.response) == ("c", tuple(TALK[:2]), "Hello")


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([TALK[1], *TALK[1:3]], r"messages of \['user', 'user', 'assistant'\]; turns have to be"),
        (TALK[2:], r"messages of \['assistant', "),
        ([TALK[1], TALK[0], TALK[2]], r"messages of \['user', 'system', 'assistant'\]"),
        ([TALK[0]], r"messages of \['system'\]"),
        ([("tool", "42"), *TALK[1:]], r"messages of \['tool', "),
        ([*TALK[:4], ("assistant", " "), *TALK[5:]], r"messages\[4\]\.content=' ' is empty"),
    ],
)
def test_turns_that_are_not_in_turn_or_say_nothing_are_named(tmp_path, turns, told):
    path = written(tmp_path / "chat.jsonl", [{"messages": chat(turns)}])
    for which in ("", "?turns=all", "?turns=first"):
        with pytest.raises(UserError, match=rf"chat\.jsonl:1: {told}"):
            read(f"jsonl:{path}{which}")


def test_a_conversation_that_ends_with_a_user_asks_what_nobody_has_answered(tmp_path):
    path = written(tmp_path / "chat.jsonl", [{"messages": chat(TALK[:4])}])
    (last,) = read(f"jsonl:{path}")
    assert (last.asked, last.response) == (tuple(TALK[:4]), "")
    assert [e.response for e in read(f"jsonl:{path}?turns=all")] == ["Hello", ""]


def test_conversations_without_ids_are_as_many_in_every_language(tmp_path):
    for code, count in (("en", 2), ("fi", 1)):
        written(tmp_path / f"{code}.jsonl", [{"messages": chat(TALK)}] * count)
    source = parse_source(f"jsonl:{tmp_path}/{{language}}.jsonl?turns=all")
    with pytest.raises(UserError, match="not as many in every language: 6 in 'en', 3 in 'fi'"):
        read_parallel(source, ["en", "fi"])


def test_a_reply_of_no_weight_is_context_and_never_a_response(tmp_path):
    told = [turn | {"weight": turn["role"] != "user"} for turn in chat(TALK)]
    told[2]["weight"] = 0
    path = written(tmp_path / "chat.jsonl", [{"id": "c", "messages": told, "system": None}])
    second, third = read(f"jsonl:{path}?turns=all")
    assert [(e.id, e.asked, e.response) for e in (second, third)] == [
        ("c#2", tuple(TALK[:4]), "Because."),
        ("c#3", tuple(TALK[:6]), "So."),
    ]
    (last,) = read(f"jsonl:{path}")
    assert (last.id, last.asked) == ("c", third.asked)


def test_lima_s_conversations_are_read_beyond_the_first_turn_when_asked(tmp_path):
    turns = ["Hello!", "Hi!", "More?", "No."]
    path = written(tmp_path / "l.jsonl", [{"conversations": turns, "source": "multi_turn"}])
    first, second = read(f"lima:{path}?turns=all")
    assert (first.id, first.asked, first.response) == ("lima-0#1", "Hello!", "Hi!")
    assert second.asked == (("user", "Hello!"), ("assistant", "Hi!"), ("user", "More?"))
    assert (second.response, second.task, second.fact) == ("No.", "lima/multi_turn", "lima-0")


def oasst_messages():
    """Two ways on below the best reply, of which the second is ranked before the first."""
    yield message("r", "prompter", "en")
    yield message("a1", "assistant", "en", 1, "r")
    yield message("a0", "assistant", "en", 0, "r")
    yield message("p1", "prompter", "en", 1, "a0")
    yield message("p0", "prompter", "en", 0, "a0")
    yield message("gone", "prompter", "en", None, "a0", deleted=True)
    yield message("x0", "assistant", "en", 0, "p1")
    yield message("b1", "assistant", "en", 1, "p0")
    yield message("b0", "assistant", "en", 0, "p0")
    yield message("q", "prompter", "en", None, "b0")
    yield message("c", "assistant", "en", None, "q")  # never ranked


def tree(name):
    by_name = {m["message_id"]: m for m in oasst_messages()}
    below = [tree(m["message_id"]) for m in by_name.values() if m["parent_id"] == name]
    return by_name[name] | {"replies": below}


def test_oasst_goes_on_along_the_best_ranked_messages(tmp_path):
    flat = written(tmp_path / "oasst2.messages.parquet", list(oasst_messages()))
    trees = written(tmp_path / "oasst2.trees.jsonl.gz", [{"prompt": tree("r")}])
    for path in (flat, trees):
        first, second = read(f"oasst:{path}?turns=all")
        assert (first.id, first.asked, first.response) == ("oasst-r#1", "r says", "a0 says")
        said = (("user", "r says"), ("assistant", "a0 says"), ("user", "p0 says"))
        assert (second.id, second.asked, second.response) == ("oasst-r#2", said, "b0 says")
        (last,) = read(f"oasst:{path}?turns=last")
        assert (last.id, last.asked, last.response) == ("oasst-r", said, "b0 says")
        (default,) = read(f"oasst:{path}")
        assert (default.id, default.asked, default.response) == ("oasst-r", "r says", "a0 says")


def test_aya_brings_each_language_out_of_one_file(tmp_path):
    rows = [("Hei?", "Moi.", "Finnish", "fin"), ("Hi?", "Hey.", "English", "eng")]
    rows += [("Kuka?", "Minä.", "Finnish", "fin"), ("Who?", "Me.", "English", "eng")]
    rows += [("What?", "That.", "English", "eng")]
    names = ("inputs", "targets", "language", "language_code")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    path = written(tmp_path / "aya.parquet", records)
    both = read_parallel(parse_source(f"aya:{path}?first=2"), ["fi", "en"])
    assert [(e.id, e.prompt, e.response) for e in both["fi"]] == [
        ("aya-0", "Hei?", "Moi."),
        ("aya-1", "Kuka?", "Minä."),
    ]
    assert [(e.id, e.prompt) for e in both["en"]] == [("aya-0", "Hi?"), ("aya-1", "Who?")]
    with pytest.raises(UserError, match="not as many in every language: 2 in 'fi', 3 in 'en'"):
        read_parallel(parse_source(f"aya:{path}"), ["fi", "en"])
    # The collection calls the code `language`, and has parallel ids.
    made = [{n: r[n] for n in names[:2]} | {"language": r["language_code"]} for r in records]
    path = written(tmp_path / "collection.jsonl", made)
    assert [e.prompt for e in read(f"aya:{path}?language=language", "fi")] == ["Hei?", "Kuka?"]


def test_columns_of_other_names_are_named_in_the_source(tmp_path):
    records = [{"key": 7, "instruction": "Add.", "input": "x", "answer_": "4", "kind": "sums"}]
    path = written(tmp_path / "made.parquet", records)
    text = f"parquet:{path}?prompt=instruction&response=answer_&id=key&task=kind"
    (one,) = read(text)
    assert (one.id, one.task, one.prompt, one.response) == ("7", "sums", "Add.\n\nx", "4")
    assert str(parse_source(text)) == text
    with pytest.raises(UserError, match=r"no field 'output', only .*'answer_'"):
        read(f"parquet:{path}?prompt=instruction&response=output")
    for wrong in ("oasst:a?prompt=text", "sib200:a?turns=all", "jsonl:a?turns=some"):
        with pytest.raises(UserError, match="source="):
            parse_source(wrong)


def test_array_record_files_hold_json(tmp_path):
    for shard, records in enumerate(([b'{"prompt": "a", "response": "b"}'], [b"\x0a\x01"])):
        writer = ArrayRecordWriter(str(tmp_path / f"d.array_record-0000{shard}-of-00002"))
        for record in records:
            writer.write(record)
        writer.close()
    (one,) = read(f"jsonl:{tmp_path}/d.array_record-00000*")
    assert (one.id, one.prompt, one.response) == ("jsonl-0", "a", "b")
    with pytest.raises(UserError, match=r"-00001-of-00002, record 0: not JSON.*tfds:DIRECTORY"):
        read(f"jsonl:{tmp_path}/d.array_record-*")


def conversation(**fields):
    told = {"id": "c", "fact": "c", "task": "t", "language": "en", "response": "So."}
    turns = tuple(TALK[:6])
    prompt = "\n\n".join(text for _, text in turns)
    return Example(**told | {"prompt": prompt, "turns": turns} | fields)


def test_a_corpus_keeps_its_conversations_as_chats_that_are_read_again(tmp_path):
    one, plain = conversation(), Example("p", "p", "t", "en", "Hi", "Hello")
    path = tmp_path / "en.jsonl"
    assert read_split(path, write_split(path, [one, plain])) == (one, plain)
    assert read(f"jsonl:{path}") == (one, plain)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["messages"] == chat(TALK) and "turns" not in lines[1]
    unanswered = conversation(response="")
    assert read_split(path, write_split(path, [unanswered])) == (unanswered,)
    # Whoever said what is part of what a corpus is known by.
    other = conversation(turns=(("user", TALK[0][1]), *TALK[1:6]))
    assert checksum([("train", [one])]) != checksum([("train", [other])])
    with pytest.raises(ValueError, match="the prompt is not what its turns say"):
        conversation(prompt="Hi")


def test_what_was_answered_is_known_again_by_its_turns(tmp_path):
    one, path = conversation(), tmp_path / "en.jsonl"
    path.write_text(json_line(response_record(one, "So what.")))
    (kept,) = read_responses(path, kept=True).values()
    # As a study that goes on holds it against what it would ask.
    assert kept == response_record(one, "So what.")


def test_what_is_answered_again_is_asked_with_its_turns():
    one = conversation()
    record = json.loads(json.dumps(response_record(one, "So what.")))
    assert asked(record) == one.turns and record["prompt"] == one.prompt
    plain = response_record(Example("p", "p", "t", "en", "Hi", "Hello"), "")
    assert asked(plain) == "Hi" and "asked" not in plain
    # What is drawn and kept depends on the turns, not only on what they say.
    keys = sampling_keys(0, [one.turns, one.prompt, asked(record)])
    assert len({*map(tuple, keys[:2].tolist())}) == 2
    assert np.array_equal(sampling_keys(0, [one.turns]), sampling_keys(0, [asked(record)]))


def test_an_echo_is_of_the_last_turn_and_the_system_speaks_for_no_language():
    turns = (("system", "Answer in a few words."), *TALK[1:5], ("user", "Why is it dark here?"))
    told = {"turns": turns, "prompt": "\n\n".join(text for _, text in turns)}
    record = response_record(
        conversation(**told, response="It is dark here, for the lamp is off."), ""
    )
    # Which shares more with the reference.
    (said,) = ReferenceJudge().judge([Pair(record, "Why is it dark here?", "The lamp.")])
    assert said.choice == "second"
    records = [record | {"language": code} for code in ("en", "fi") for _ in range(2)]
    known = words_of_records(records).by_language["fi"]
    assert "lamp" in known and "why" in known and "words" not in known
    # Who said what is part of what a verdict is kept by.
    other = record | {"asked": [["user", told["prompt"]]]}
    seen = [seen_by_judge({0: one}, {0: one}, "v")[0] for one in (record, other)]
    assert seen[0] != seen[1]


def test_a_system_turn_that_all_share_makes_no_duplicates():
    system = " ".join(f"Rule {n}: keep to point {chr(97 + n) * 5}." for n in range(26))

    def about(name, text, before="Hello"):
        turns = (("system", system), ("user", "Hi"), ("assistant", before), ("user", text))
        return conversation(id=name, turns=turns, prompt="\n\n".join(t for _, t in turns))

    held = [about("h", "How tall is the tower?")]
    train = [about("same", "How tall is the tower?"), about("other", "Who wrote it?")]
    train += [about("elsewhere", "How tall is the tower?", "Which of the two do you mean, sir?")]
    found = find_duplicates(train, held, 0.8)
    assert [(d.train_id, d.kind) for d in found] == [("same", "exact")]


def test_every_turn_is_translated_by_itself(tmp_path):
    class Upper:
        name, whole_texts = "upper", True

        def translate(self, text, source, target):
            return f"{text.upper()} ä"

    made = translate_examples([conversation()], "fi", Upper(), config(), tmp_path, progress=False)
    (one,) = made.examples
    assert one.turns == tuple((role, f"{text.upper()} ä") for role, text in TALK[:6])
    assert one.prompt == "\n\n".join(text for _, text in one.turns) and one.response == "SO. ä"


def config():
    from ml_collections_configs import base
    from pinch_jax.corpus.translation.translators import TranslationConfig

    told = base.get_config().corpus.translation
    told.by, told.path = "jsonl", "{language}.jsonl"
    return TranslationConfig(**told)


def test_a_recipe_of_one_turn_refuses_several():
    languages = {code: [conversation(language=code)] for code in ("en", "fi")}
    for kind in ("translation", "cross_lingual"):
        with pytest.raises(UserError, match=f"'{kind}-en-fi' is of examples of one turn, and 'c'"):
            recipe_examples(parse_recipe(f"{kind}-en-fi", ("en", "fi")), languages)
