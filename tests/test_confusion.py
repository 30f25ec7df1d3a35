"""How often open answers leave the language that was asked for, by the benchmark's rules."""

import csv
import gzip
import json

import pytest
from known_sentences import EGG, HOURS, OPENING, SENTENCES

from pinch_jax.errors import UserError
from pinch_jax.evaluate.confusion import Answer, confusion, pass_rates, read_answers
from pinch_jax.main import main

FI = [SENTENCES[text]["fi"] for text in (OPENING, HOURS, EGG)]
ZH = [SENTENCES[text]["zh"] for text in (OPENING, HOURS, EGG)]
ENGLISH = frozenset(["library", "evening"])


def test_every_line_of_an_answer_that_is_long_enough_counts():
    answers = [
        "\n".join(FI),
        f"{FI[0]}\n{HOURS}",
        f"{FI[0]}\nYes, of course.\n\n{FI[1]}",  # a short line tells nothing
        f"{FI[0]}\nQ: {OPENING}",  # where a base model goes on with a question of its own
        "Kyllä.",
    ]
    assert pass_rates(answers, "fi", ENGLISH) == {"acc": 3.5 / 4, "lpr": 3 / 4}


def test_an_english_word_shows_among_another_script_in_an_answer_whose_lines_pass():
    mixed = ZH[0].replace("图书馆", " library ")
    upper = ZH[0].replace("图书馆", " LIBRARY ")
    rates = pass_rates([*ZH, mixed, upper, HOURS], "zh", ENGLISH)
    assert rates == {"acc": 5 / 6, "lpr": 5 / 6, "wpr": 4 / 5}
    assert "wpr" not in pass_rates(ZH, "zh", None)
    assert pass_rates([HOURS], "zh", ENGLISH) == {"acc": 0.0, "lpr": 0.0, "wpr": 1.0}


def test_means_are_over_languages_over_sources_and_over_the_languages_means():
    right, wrong = Answer("mono", "a", "fi", FI[0]), Answer("mono", "a", "fi", HOURS)
    other, english = Answer("mono", "b", "fi", FI[1]), Answer("mono", "a", "en", HOURS)
    told = confusion([right, wrong, other, english, english], None)["mono"]
    assert {names: rates["lpr"] for names, rates in told.items()} == {
        "a/en": 1.0,
        "a/fi": 0.5,
        "b/fi": 1.0,
        "a/all": 0.75,
        "b/all": 1.0,
        "all/en": 1.0,
        "all/fi": 0.75,
        "all/all": 0.875,
    }


def test_the_benchmark_s_csv_and_json_lines_are_read_alike(tmp_path, capsys):
    mixed = [ZH[0].replace("图书馆", word) for word in (" of ", " library ")]
    texts = [("fi", f"{FI[0]}\n{FI[1]}"), *(("zh", text) for text in mixed)]
    table, lines = tmp_path / "model.csv.gz", tmp_path / "model.jsonl"
    with gzip.open(table, "wt") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "model", "completion", "task", "source", "language"])
        writer.writerows(["0", "m", text, "answers", "kitchen", c] for c, text in texts)
    with lines.open("w") as file:
        for code, text in texts:
            line = {"language": code, "response": text, "task": "kitchen"}
            print(json.dumps(line), file=file)
    assert read_answers(table) == read_answers(lines)
    (tmp_path / "words").write_text("of\nlibrary\n")
    with pytest.raises(SystemExit):
        main(["pinch", "confusion", f"--answers={lines}", f"--words={tmp_path / 'words'}"])
    told = json.loads(capsys.readouterr().out)
    assert told["answers"]["all/all"] == {"acc": 1.0, "lpr": 1.0, "wpr": 0.5}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "task,source,language\n", r"a\.csv: no column 'completion'"),
        ("a.csv", "task,source,language,completion\na,b,fi\n", r"answer 1: not as many columns"),
        ("a.csv", "task,source,language,completion\na,all,fi,b\n", r"answer 1: the source 'all'"),
        ("a.jsonl", '{"language": "fi", "response": "", "task": "all"}', r":1: the source 'all'"),
        ("a.csv", "task,source,language,completion\n", r"a\.csv: no answers"),
        ("a.jsonl", '{"language": "xx", "response": "a"}', r"a\.jsonl:1: language: .*'xx'"),
        ("a.jsonl", '{"language": "fi"}', r"a\.jsonl:1: no field 'response'"),
    ],
)
def test_a_file_that_holds_no_answers_is_told_by_its_line(name, content, expected, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=expected):
        read_answers(tmp_path / name)
