"""The report as Markdown: what the page says, with its figures and tables as files beside it."""

import re
import xml.etree.ElementTree as ElementTree

import made_up_study
import pytest

from pinch_jax.report.content import make_content
from pinch_jax.report.drawing import PAPER
from pinch_jax.report.page import drawings_of, plain, real_minus, write_markdown
from pinch_jax.study.records import read_records
from pinch_jax.study.workdir import write_command


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    models = ("en", "ru", "sw", "zh")
    few = ("monolingual", "pretrained", "pinch", "gain", "same_language")
    path = tmp_path_factory.mktemp("study")
    made_up_study.write_workdir(path, experiments=few, models=models)
    return path


@pytest.fixture(scope="module")
def page(workdir, tmp_path_factory):
    return write_markdown(workdir, tmp_path_factory.mktemp("docs") / "results" / "made_up.md")


@pytest.fixture(scope="module")
def tables(page):
    """Every table of the page as rows of cells, its head first."""
    found, rows = [], []
    for line in [*page.read_text("utf-8").splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            assert all(set(cell) <= set(" -:") for cell in rows[1])
            found.append([rows[0], *rows[2:]])
            rows = []
    return found


def test_every_figure_is_a_picture_that_stands_alone(workdir, page):
    content = make_content(read_records(workdir))
    shown = re.findall(r"!\[(.+?)\]\((.+?)\)", page.read_text("utf-8"))
    drawings = drawings_of(content)
    assert shown == [(d.title, f"made_up/{d.name}.svg") for d in drawings] and len(shown) > 7
    for _, name in shown:
        root = ElementTree.parse(page.parent / name).getroot()
        assert root.tag.endswith("svg") and int(root.attrib["width"]) > 100
        paper = root[0]
        assert paper.tag.endswith("rect") and paper.attrib["fill"] == PAPER


def test_it_says_what_the_page_says(workdir, page, tables):
    text, content = page.read_text("utf-8"), make_content(read_records(workdir))
    sentences = [content["first"]["answer"], *(section.result for section in content["sections"])]
    for sentence in sentences:
        assert plain(real_minus(sentence)) in text
    shown = [entry for section in content["sections"] for entry in section.tables]
    told = [[[cell.replace("\u00a0", " ") for cell in row] for row in table] for table in tables]
    for entry in (*shown, *content["provenance"]):
        rows = [[plain(cell).strip() for cell in row] for row in (entry.columns, *entry.rows)]
        assert told.count(rows) == 1, entry.summary
        assert f"<summary>Table: {plain(entry.summary)}</summary>" in text or entry.open
    for finding in content["findings"]:
        verdict = f"{finding['sign']} {finding['verdict']}"
        (findings,) = [table for table in tables if table[0][1] == "The paper's claim"]
        row = next(row for row in findings if row[0] == str(finding["number"]))
        assert row[2].startswith(f"**{finding['measure']}**") and row[3] == verdict
    assert text.count("<details>") == text.count("</details>")


def test_the_files_it_names_are_beside_it_and_whole(workdir, page):
    linked = re.findall(r"(?<!!)\[(\w+\.csv)\]\((.+?)\)", page.read_text("utf-8"))
    assert [name for name, _ in linked] == [
        "scores.csv",
        "draws.csv",
        "responses.csv",
        "outcomes.csv",
        "confusion.csv",
    ]
    for name, path in linked:
        assert (page.parent / path).read_bytes() == (workdir / name).read_bytes()


def test_what_a_model_wrote_neither_breaks_a_table_nor_becomes_markup(page, tables):
    text = page.read_text("utf-8")
    assert "<script" not in text and "<img" not in text and "<b>forty" not in text
    assert all(len(row) == len(table[0]) for table in tables for row in table)
    samples = [t for t in tables if t[0][:3] == ["language", "prompt", "reference"]]
    names = ["not tuned", "English", "1 % over all languages"]
    assert [table[0][3:] for table in samples] == [names] * 2
    assert plain(made_up_study.HOSTILE) in samples[0][1]
    assert plain("a|b\n*c* `d` [e](f) <g> [0.1, 2]") == (
        r"a\|b<br>\*c\* \`d\` \[e](f) &lt;g&gt; [0.1, 2]"
    )


def test_the_shortest_prompt_of_each_task_is_shown_in_every_language(tables):
    samples = [t for t in tables if t[0][:3] == ["language", "prompt", "reference"]]
    # Number 1 is the only topic, number 0 is longer than the other questions about currencies.
    for table, number in zip(samples, "12", strict=True):
        assert len(table) == 1 + len(made_up_study.STUDY_LANGUAGES)
        assert all(prompt.endswith(f"({number})") for _, prompt, *_ in table[1:])


def test_where_this_machine_keeps_corpora_is_nobodys_concern(page):
    text = page.read_text("utf-8")
    assert "| corpus.name | cldr\\_instructions |" in text and "/somewhere/here" not in text


def test_it_names_the_code_of_the_study_and_of_runs_that_another_made(page):
    told = re.search(r"pinch\\_jax: (.*)\.\n", page.read_text("utf-8"))[1].split(", ")
    assert told[0] == "0.1.0+g5eed" and "1 runs by 0.1.0+g01d.changed.ab12" in told[1:]


def test_it_names_the_machines_of_the_runs_beside_that_of_the_last_call(page):
    text = page.read_text("utf-8")
    assert "| devices of the last call | TFRT\\_CPU\\_0 |" in text
    told = re.search(r"\| runs \| (.*) \|", text)[1].split("; ")
    assert "1 runs by 1 cpu" in told and len(told) == 2
    assert any(t.endswith("by 16 TPU v5 lite in 4 processes, jax 0.10.2") for t in told)


def test_the_command_is_that_of_the_record(workdir, page):
    assert "```" not in page.read_text("utf-8")
    write_command(workdir, "pinch study --config=some.py")
    text = write_markdown(workdir, page.with_name("again.md")).read_text("utf-8")
    assert "```\npinch study --config=some.py\n```" in text
    with pytest.raises(ValueError, match=r"--markdown=.*again\.txt: end its name with \.md"):
        write_markdown(workdir, page.with_name("again.txt"))
