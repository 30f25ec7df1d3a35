"""Published corpora as examples: small files of the real structure, read field by field."""

import gzip
import itertools
import json
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest
import tensorflow_datasets as tfds

from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.corpus.cldr.facts import TASKS
from pinch_jax.corpus.reading.readers import READERS, read_parallel, read_source
from pinch_jax.corpus.reading.rows import read_rows
from pinch_jax.corpus.reading.source import NAMES, parse_source
from pinch_jax.errors import UserError

LIMA = [
    {"conversations": ["Why is the sky blue?", "It scatters."], "source": "stackexchange"},
    {"conversations": ["Hello!", "Hi!", "More?", "No."], "source": "multi_turn"},
    {"conversations": ["Write\na poem.", "Roses — red."], "source": "wikihow"},
]
ALPACA = [
    {"instruction": "Name a fruit.", "input": "", "output": "Fig.", "dataset": "koala"},
    {"instruction": "Shorten this.", "input": "Long text.", "output": "-", "dataset": "oasst"},
    {"instruction": "Who are you?", "output": "I am.", "dataset": "selfinstruct"},
]


def message(name, role, lang, rank=None, parent=None, **others):
    fields = {"message_id": name, "parent_id": parent, "text": f"{name} says", "role": role}
    fields |= {"lang": lang, "review_count": 3, "review_result": True, "deleted": False}
    return fields | {"rank": rank, "synthetic": False, "emojis": {"+1": 1}} | others


ROOTS = {
    "a": [("a1", 1, {}), ("a0", 0, {}), ("a2", 2, {})],
    "b": [("b0", None, {})],  # never ranked
    "c": [("c0", 0, {"deleted": True}), ("c1", 1, {})],
    "d": [("d0", 0, {"review_result": False})],
    "e": [("e0", 0, {"lang": "de"})],
    "pt": [("pt0", 0, {"lang": "pt-BR"})],
    "f": [("f0", 0, {})],
    "unready": [("u0", 0, {})],
}


def trees():
    for root, replies in ROOTS.items():
        lang = "pt-BR" if root == "pt" else "en"
        follow_up = message(f"{root}x", "prompter", lang, parent=replies[0][0], replies=[])
        held = [
            message(name, "assistant", more.get("lang", lang), rank, root, replies=[follow_up])
            | more
            for name, rank, more in replies
        ]
        state = "growing" if root == "unready" else "ready_for_export"
        prompt = message(root, "prompter", lang, replies=held)
        yield {"message_tree_id": root, "tree_state": state, "prompt": prompt}


def flat():
    """The same messages as a list, replies before their roots."""

    def walk(node, tree):
        for reply in node["replies"]:
            yield from walk(reply, tree)
        where = {"message_tree_id": tree["message_tree_id"], "tree_state": tree["tree_state"]}
        yield {name: value for name, value in node.items() if name != "replies"} | where

    for tree in trees():
        yield from walk(tree["prompt"], tree)


def written(path, records):
    """Write records in the format that the name says."""
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if path.name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines if path.suffix == ".jsonl" else json.dumps(records), "utf-8")
    return path


def read(text, language="en"):
    return read_source(parse_source(text), language)


@pytest.mark.parametrize("name", ["train.jsonl", "train.jsonl.gz", "lima.json", "lima.parquet"])
def test_lima_gives_first_turns_whatever_it_is_kept_in(tmp_path, name):
    path = written(tmp_path / name, LIMA)
    examples = read(f"lima:{path}")
    assert [(e.id, e.fact) for e in examples] == [(f"lima-{i}", f"lima-{i}") for i in range(3)]
    assert [(e.prompt, e.response) for e in examples] == [
        tuple(record["conversations"][:2]) for record in LIMA
    ]
    assert examples[2].task == "lima/wikihow" and examples[2].answer == ""
    # What is left keeps its ids.
    assert read(f"lima:{path}?without=multi_turn") == (examples[0], examples[2])


def test_oasst_pairs_a_root_with_the_reply_ranked_first(tmp_path):
    tree_file = written(tmp_path / "ready.trees.jsonl.gz", list(trees()))
    examples = read(f"oasst:{tree_file}")
    assert [(e.id, e.prompt, e.response) for e in examples] == [
        ("oasst-a", "a says", "a0 says"),
        ("oasst-f", "f says", "f0 says"),
    ]
    assert [e.prompt for e in read(f"oasst:{tree_file}", "pt")] == ["pt says"]
    messages = list(flat())
    assert read(f"oasst:{written(tmp_path / 'ready.messages.jsonl', messages)}") == examples
    assert read(f"oasst:{written(tmp_path / 'train-00000.parquet', messages)}") == examples
    bare = [{k: v for k, v in m.items() if v is not None} for m in messages]
    assert read(f"oasst:{written(tmp_path / 'bare.messages.jsonl', bare)}") == examples


@pytest.mark.parametrize("name", ["alpaca_eval.json", "alpaca_eval.jsonl.gz"])
def test_alpaca_farm_gives_instructions_without_references(tmp_path, name):
    path = written(tmp_path / name, ALPACA)
    examples = read(f"alpaca_farm:{path}?without=oasst")
    assert [e.prompt for e in examples] == ["Name a fruit.", "Who are you?"]
    assert {e.response for e in examples} == {""} and examples[1].id == "alpaca_farm-2"
    assert read(f"alpaca_farm:{path}")[1].prompt == "Shorten this.\n\nLong text."
    assert examples[1].task == "alpaca_farm/selfinstruct"
    with pytest.raises(ValueError, match=r"no part 'oast' to leave out; there are .*'oasst'"):
        read(f"alpaca_farm:{path}?without=oast")


def test_a_confusion_benchmark_prompt_has_the_language_to_answer_in(tmp_path):
    asked = {
        "mono": [
            "prompt,source,language",
            '"Was ist\n""Feta""?",okapi,{code}',
            "Wer?,okapi,{code}",
        ],
        "cross": [
            "prompt,location,phrasing,language,source",
            "Who? Reply in German.,end,reply_in,{code},okapi",
        ],
    }
    for kind, lines in asked.items():
        for code in ("de", "fr"):
            (tmp_path / f"{kind}-{code}.csv").write_text("\n".join(lines).format(code=code) + "\n")
    mono, cross = (f"lcb:{tmp_path}/{kind}-{{language}}.csv" for kind in asked)
    first, second = read(mono, "de")
    assert (first.prompt, first.language, first.response) == ('Was ist\n"Feta"?', "de", "")
    assert (first.task, first.id) == ("monolingual/okapi", "lcb-monolingual-okapi-0")
    (other,) = read(cross, "fr")
    assert (other.task, other.language) == ("crosslingual/okapi", "fr")
    # One corpus may hold both, and each language needs as many.
    assert len({first.id, second.id, other.id}) == 3
    with pytest.raises(UserError, match=r"language='de' where 'fr' is read"):
        read(f"lcb:{tmp_path}/mono-de.csv", "fr")
    (tmp_path / "mono-fr.csv").write_text(f"{asked['mono'][0]}\nQui ?,okapi,fr\n")
    with pytest.raises(UserError, match="not as many in every language: 2 in 'de', 1 in 'fr'"):
        read_parallel(parse_source(mono), ["de", "fr"])


@pytest.mark.parametrize("group", [1_000, 20_000])
def test_a_large_parquet_file_is_never_whole_in_memory(tmp_path, group):
    path, plain = tmp_path / "large.parquet", {"use_dictionary": False, "compression": "none"}
    table = pyarrow.table({"id": [f"{n:010}" * 100 for n in range(20_000)]})
    pyarrow.parquet.write_table(table, path, row_group_size=group, **plain)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(str(path))) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 3


def test_records_are_the_same_from_json_lines_parquet_and_tfds(tmp_path):
    records = [
        {"id": "x", "prompt": "Two and two?", "response": "Four.", "answer": "four"},
        {"id": "y", "prompt": "Kääntäisitkö?", "response": " ", "answer": ""},
    ]
    records = [r | {"task": "sums", "fact": f"f{i}"} for i, r in enumerate(records)]

    class Made(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {name: tfds.features.Text() for name in records[0]}
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                disable_shuffling=True,
            )

        def _split_generators(self, dl_manager):
            return {"heldout": enumerate(records)}

        def _generate_examples(self):
            raise NotImplementedError

    builder = Made(data_dir=tmp_path, file_format="array_record")
    tfds.disable_progress_bar()
    builder.download_and_prepare()
    sources = [
        f"tfds:{builder.data_dir}?split=heldout",
        f"jsonl:{written(tmp_path / 'made.jsonl', records)}",
        f"parquet:{written(tmp_path / 'made.parquet', records)}",
    ]
    made, *others = (read(source) for source in sources)
    assert [others[0], others[1]] == [made, made]
    assert [e.record() for e in made] == [
        r | {"language": "en", "english_answer": False, "response": r["response"].strip()}
        for r in records
    ]
    with pytest.raises(ValueError, match="split=train"):
        read(f"tfds:{builder.data_dir}")
    with pytest.raises(ValueError, match=r"split='test'.*heldout"):
        read(f"tfds:{builder.data_dir}?split=test")


def test_a_turn_may_be_written_as_messages_or_as_alpaca_does(tmp_path):
    forms = {
        "plain": {"prompt": "Add.\n\n2, 2", "response": "4"},
        "alpaca": {"instruction": "Add.", "input": "2, 2", "output": "4"},
        "alone": {"instruction": "Add.\n\n2, 2", "input": "", "output": "4"},
        "?prompt=instruction&response=output": {
            "instruction": "Add.",
            "input": "2, 2",
            "output": "4",
        },
        "?prompt=instruction": {"instruction": "Add.", "context": "2, 2", "response": "4"},
        "?response=better": {"instruction": "Add.", "input": "2, 2", "output": "5", "better": "4"},
        # Not what makes a response right.
        "?prompt=question&response=answer": {"question": "Add.\n\n2, 2", "answer": "4"},
        "?response=answer&prompt=ask": {"ask": "Add.", "context": "2, 2", "answer": "4"},
        "under it": {"prompt": "Add.", "input": "2, 2", "response": "4"},
        "in it": {
            "prompt": "Add.\n\n2, 2",
            "instruction": "Add.",
            "input": "2, 2",
            "response": "4",
        },
        "messages": {
            "messages": [
                {"role": "user", "content": "Add.\n\n2, 2"},
                {"role": "assistant", "content": "4"},
            ]
        },
    }
    read_back = []
    path = tmp_path / "one.jsonl"
    for name, record in forms.items():
        path.write_text(json.dumps({"id": "1"} | record) + "\n")
        read_back.append(read(f"jsonl:{path}{name if name[0] == '?' else ''}"))
    assert read_back[0][0].response == "4"
    assert all(examples == read_back[0] for examples in read_back)
    for name, system in itertools.product(
        ("plain", "alpaca", "messages"), ("system", "system_prompt")
    ):
        path.write_text(json.dumps(forms[name] | {system: "Be brief."}) + "\n")
        (one,) = read(f"jsonl:{path}")
        assert one.asked == (("system", "Be brief."), ("user", "Add.\n\n2, 2"))


def test_what_says_more_of_a_prompt_beside_it_is_not_passed_over(tmp_path):
    chat = [{"role": "user", "content": "2, 2"}, {"role": "assistant", "content": "4"}]
    longer = [{"role": "system", "content": "Add."}, *chat]
    plain, path = {"prompt": "2, 2", "response": "4"}, tmp_path / "one.jsonl"
    for column, record in {
        "history": plain | {"history": [["Hi", "Hello"]]},
        "instruction": plain | {"instruction": "Add."},
        "messages": plain | {"messages": longer},
        "context": {"messages": chat, "context": "Numbers are binary."},
        "system_prompt": {"messages": longer, "system_prompt": "Be brief."},
        "conversations": {
            "messages": chat,
            "conversations": [{"from": "human", "value": "Hi"}],
        },
    }.items():
        path.write_text(json.dumps(record) + "\n")
        with pytest.raises(UserError, match=f"jsonl:1: {column}=.*says more than"):
            read(f"jsonl:{path}")
    said_twice = plain | {"messages": chat, "history": [], "instruction": None}
    for record in (said_twice, {"messages": longer, "instruction": "Add.", "conversation": "c1"}):
        path.write_text(json.dumps(record) + "\n")
        assert read(f"jsonl:{path}")[0].response == "4"


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], r"messages of \[\]; turns"),
        ([{"role": "assistant", "content": "a"}], r"messages of \['assistant'\]"),
        (3 * [{"role": "user", "content": "a"}], "messages of .*; turns have to be of"),
        ([{"role": "user", "content": [{"text": "a"}]}], r"messages\[0\]\.content=.* is no text"),
        ([{"role": "user", "content": " "}], r"messages\[0\]\.content=' ' is empty"),
        ([{"role": "user"}], r"messages\[0\]\.content=None is no text"),
        (["a"], r"messages of \[None\]"),
    ],
)
def test_messages_that_are_no_turn_are_named(messages, told, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({"id": "1", "messages": messages}) + "\n")
    with pytest.raises(UserError, match=rf"records\.jsonl:1: {told}"):
        read(f"jsonl:{path}")


def test_shards_are_read_in_order_as_one_file(tmp_path):
    for shard, record in enumerate(LIMA):
        written(tmp_path / f"train-{shard:05}-of-00003.parquet", [record])
    examples = read(f"lima:{tmp_path}/train-*.parquet")
    assert [e.id for e in examples] == ["lima-0", "lima-1", "lima-2"]
    assert examples == read(f"lima:{written(tmp_path / 'whole.jsonl', LIMA)}")


@pytest.mark.parametrize(
    ("reader", "content", "told"),
    [
        ("lima", '{"conversations": ["a"], "source": "s"}\n{"conversations"', r":2: not JSON"),
        ("lima", '{"conversations": "a", "source": "s"}', r":1: conversations='a' is of type str"),
        ("lima", '{"conversations": ["a", "b"]}', r":1: no field 'source'"),
        ("lima", "\n\n[1]", r", entry 1: not an object"),
        ("lima", '{"conversations": ["a", ""], "source": "s"}', r"conversations\[1\]='' is empty"),
        ("oasst", '{"message_tree_id": "1"}', r":1: no field 'message_id'"),
        ("oasst", '{"prompt": {"text": "a"}}', r":1, prompt: no field 'message_id'"),
        ("oasst", '{"message_id": "1", "role": "prompter"}', r"no example in language='en'"),
        ("alpaca_farm", '[{"instruction": 5, "dataset": "koala"}]', r", entry 1: instruction='5'"),
        ("jsonl", '{"prompt": " ", "response": ""}', r":1: prompt=' ' is empty; fill it"),
        ("jsonl", '{"prompt": "a"}', r":1: no field 'response'"),
        ("jsonl", '{"prompt": "\\ud800", "response": ""}', r":1: prompt: character 0 is half"),
        ("jsonl", '{"prompt": "a", "response": "", "language": "fi"}', r":1: language='fi' where"),
        (
            "jsonl",
            '{"id": 1, "prompt": "a", "response": ""}\n' * 2,
            r"1 ids come twice, such as '1'",
        ),
        ("jsonl", "", r"no example in language='en'"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_by_place_and_field(tmp_path, reader, content, told):
    path = tmp_path / "made.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=told):
        read(f"{reader}:{path}")


def test_rows_between_two_quotation_marks_of_texts_do_not_become_one(tmp_path):
    path = tmp_path / "made.tsv"
    rows = ["id\tprompt\tresponse", '1\t"We go.\tYes.', "2\tWhere?\tHome.", '3\tHe said."\tOh.']
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(UserError, match=r"made\.tsv:4: a cell, from its quotation mark on"):
        read(f"jsonl:{path}")
    path.write_text('id\tprompt\tresponse\n1\t"Of ""two""\nlines"\t"a\tb"\n')
    assert [(e.prompt, e.response) for e in read(f"jsonl:{path}")] == [('Of "two"\nlines', "a\tb")]


def test_broken_missing_and_unknown_files_are_named(tmp_path):
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"prompt": "a", "response": ""}\n' * 99)[:-9])
    for path, told in ((cut, "broken"), (tmp_path, "split=train")):
        with pytest.raises(ValueError, match=f"{path}.*{told}"):
            read(f"jsonl:{path}")
    with pytest.raises(ValueError, match=r"http://a/b\.jsonl: a bucket is gs:// or s3://"):
        read("jsonl:http://a/b.jsonl")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(ValueError, match=r"a\.txt: no known format"):
        read(f"jsonl:{tmp_path}/a.txt")
    with pytest.raises(ValueError, match="only a TFDS directory has splits"):
        read(f"jsonl:{cut}?split=train")
    for name in ("b.jsonl", "b-*.jsonl"):
        with pytest.raises(UserError, match="no such file"):
            read(f"jsonl:{tmp_path}/{name}")


def test_the_bundled_facts_are_a_source_whose_prefixes_are_fair():
    for split, whole in (("train", cldr.train_examples), ("heldout", cldr.heldout_examples)):
        own = read(f"cldr:{split}")
        assert sorted(own, key=str) == sorted(whole("en"), key=str)
        facts = len({one.id.rpartition(".")[0] for one in own})
        once = read(f"cldr:{split}?first={facts}")
        assert once == own[:facts]
        assert len({one.id.rpartition(".")[0] for one in once}) == facts
        for task in TASKS:
            share = sum(one.task == task for one in own) / len(own)
            assert abs(sum(one.task == task for one in own[:50]) - 50 * share) < 1
    left = read("cldr:heldout?without=currency&first=9")
    assert len(left) == 9 and all(one.task != "currency" for one in left)
    with pytest.raises(ValueError, match=r"there are only 640 examples in language='en'; lower"):
        read("cldr:heldout?first=641")


def test_a_source_is_parsed_to_its_parts_and_back():
    text = "oasst:gs://bucket/m.jsonl?without=a,b&split=x"
    source = parse_source(text)
    assert (source.reader, source.path) == ("oasst", "gs://bucket/m.jsonl")
    assert source.without == ("a", "b") and source.split == "x" and str(source) == text
    assert not parse_source("lima:/d/train.jsonl").parallel
    counted = parse_source("cldr:train?without=month_after&first=7")
    assert counted.parallel and counted.first == 7
    assert str(counted) == "cldr:train?without=month_after&first=7"
    wrong = ("", "/d/a.jsonl", "csv:/d/a.csv", "lima:", "lima:a?whithout=x", "lima:a?without=")
    wrong += ("cldr:test", "cldr:train?split=train", "lima:a?first=0", "lima:a?first=x")
    for text in (*wrong, "lima:a?split=a&split=b", "lima:a?text=t"):
        with pytest.raises(ValueError, match="source="):
            parse_source(text)


def test_what_has_an_id_is_known_by_it_and_the_rest_by_its_place(tmp_path):
    for reader, records in (("lima", LIMA), ("alpaca_farm", ALPACA)):
        mixed = [records[0], records[1] | {"id": 7}, records[2] | {"id": None}]
        path = written(tmp_path / f"{reader}.jsonl", mixed)
        expected = [f"{reader}-0", "7", f"{reader}-2"]
        assert [one.id for one in read(f"{reader}:{path}")] == expected


def test_every_reader_that_a_source_may_name_is_there():
    assert sorted(READERS) == sorted(NAMES)
