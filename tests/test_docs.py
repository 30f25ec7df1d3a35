"""The README and docs/: commands are understood, snippets run, links lead somewhere."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from ml_collections_configs import base, tiny
from pinch_jax.arguments import PROCESS_FLAGS
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.cldr.examples import heldout_examples
from pinch_jax.corpus.sources import load_corpus
from pinch_jax.evaluate.records import response_record
from pinch_jax.main import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Files that a reader is to write.
THEIRS = ("my.py", "...")


def commands(page):
    """Returns the command lines of a page, without their comments."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^    ((?:pinch|make|python) .*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def snippet(name, holding):
    """Returns the snippet of a page that has this in it."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    (found,) = (s for s in re.findall("```python\n(.*?)```", text, re.DOTALL) if holding in s)
    return found


def field(path):
    """Returns whether base.py has a field."""
    table = base.get_config()
    for name in path.split("."):
        if table is None or name not in table:
            return False
        table = table[name]
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_has_its_flags_fields_and_files(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in commands(page):
        if words[0] == "make":
            assert set(words[1:]) <= targets, words
            continue
        if words[0] == "python":
            assert words[1] == "-m" or (ROOT / words[1]).is_file(), words
            continue
        names = (*COMMANDS[words[1]][1], *PROCESS_FLAGS)
        for word in words[2:]:
            name, _, value = word.removeprefix("--").partition("=")
            if name.startswith("config."):
                assert field(name.removeprefix("config.")), word
            else:
                assert name in names, word
            if name == "config":
                file, colon, argument = value.partition(":")
                assert file in THEIRS or (ROOT / file).is_file(), word
                if colon:  # it is one that the file knows
                    runpy.run_path(str(ROOT / file))["get_config"](argument)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_json_lines_as_the_docs_have_them_are_a_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/your_data.md").read_text(encoding="utf-8")
    (line,) = re.findall("```json\n(.*?)\n```", text, re.DOTALL)
    (tmp_path / "tea").mkdir()
    for split in ("train", "heldout"):
        for code in ("en", "fi"):
            told = json.loads(line) | {"id": f"{split}-1", "response": f"{split} {code}"}
            told["prompt"] += " In a cup?" * (split == "heldout")
            (tmp_path / f"tea/{split}-{code}.jsonl").write_text(json.dumps(told) + "\n")
    c = tiny.get_config()
    c.corpus.data_dir = str(tmp_path / "corpora")
    exec(snippet("your_data.md", "tea/train"), {"c": c})
    c.study.experiments = ("monolingual",)
    config = from_config_dict(c)
    held = load_corpus(config.corpus, config.languages, progress=False)
    (example,) = held.train["fi"]
    assert (example.id, example.response, example.answer) == ("train-1", "train fi", "two minutes")


def test_the_snippet_trains_answers_and_judges(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, said in (("en", "Kenyan Shilling"), ("pinch", "Euro")):
        records = (response_record(example, said) for example in heldout_examples("en")[:2])
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    exec(snippet("how_it_works.md", "judge_files"), {})
    assert "'sw'" in capsys.readouterr().out
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 4
