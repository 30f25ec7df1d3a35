"""JSON of anybody is read in one way, whatever editor or program wrote it."""

import json

import pytest

from pinch_jax.errors import UserError
from pinch_jax.storage.json_input import check_fields, read_objects

RECORDS = [{"text": "a\u2028b\u2029c\u0085d", "n": 1.5}, {"text": "\U0001f600 \u00e4"}]
LINES = [json.dumps(record, ensure_ascii=False) for record in RECORDS]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(LINES) + "\n",
        "\n".join(LINES),
        "\r\n".join(LINES) + "\r\n",
        "\n \n" + "\n\n\t\n".join(LINES) + "\n\n",
        "\ufeff" + "\n".join(LINES),
        "\n".join(json.dumps(record) for record in RECORDS),
        json.dumps(RECORDS),
        "\ufeff\n" + json.dumps(RECORDS, indent=2, ensure_ascii=False),
    ],
    ids=["lines", "no end", "crlf", "blank lines", "mark", "escaped", "list", "long list"],
)
def test_every_way_to_write_records_is_read_the_same(content, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(content.encode())
    assert [record for _, record in read_objects(path)] == RECORDS


def test_one_object_over_several_lines_is_one_record(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(RECORDS[0], indent=1))
    assert list(read_objects(path)) == [(f"{path}, entry 1", RECORDS[0])]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": 1}\n{"a": 1', ":2: not JSON"),
        (b'{"a": 1}\n3\n', ":2: not a JSON object"),
        (b'[{"a": 1}, 3]', ", entry 2: not a JSON object"),
        (b'{"a": 1}\n{"a": NaN}', r":2: not JSON \(NaN is no number\)"),
        (b'{"a": 1}\n{"a": ["\\ud83d"]}', ":2: a: character 0 is half of a surrogate pair"),
        (b'{"a": 1}\n{"a": {"b\\udc00": 1}}', ":2: a: a name: character 1 is half"),
        ('{"a": 1}'.encode("utf-16"), ":1: not UTF-8 but UTF-16; save it as UTF-8"),
        (b'{"a": "\xe4"}', ":1: not UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\n", ":1: not JSON .*; run `git lfs pull`"),
    ],
)
def test_what_is_none_is_named_by_file_line_and_fault(content, told, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"records.jsonl{told}"):
        list(read_objects(path))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({}, "x:1: no field 'a'"),
        ({"a": None}, "x:1: a=null is no text"),
        ({"a": ["b"]}, r'x:1: a=\["b"\] is no text'),
        ({"a": " "}, 'x:1: a=" " is empty'),
    ],
)
def test_a_field_that_is_no_text_is_named(record, told):
    with pytest.raises(UserError, match=told):
        check_fields("x:1", record, ("a",))
    check_fields("x:1", {"a": "", "b": "c"}, ("a", "b"), empty=("a",))
