"""The README and docs/: commands are understood, snippets run, links lead somewhere."""

import ast
import importlib.util
import itertools
import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from ml_collections_configs import base
from pinch_jax.commands.arguments import PROCESS_FLAGS, config_path
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.cldr.examples import heldout_examples
from pinch_jax.corpus.reading.readers import read_source
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.corpus.sources import load_corpus
from pinch_jax.evaluate.records import response_record
from pinch_jax.main import COMMANDS

ROOT = Path(__file__).parent.parent
DOCS = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.ipynb")])
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
# Files that a reader is to write.
THEIRS = ("my.py", "...")


def text_of(page):
    """Returns a page as Markdown; of a notebook its cells, code as snippets."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    return "\n\n".join(f"```python\n{s}\n```" if kind == "code" else s for kind, s in cells)


def commands(page):
    """Returns the command lines of a page without their comments; what is launched, as launched."""
    text = text_of(page).replace("\\\n", " ")
    lines = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    for fenced in re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines += [line.removeprefix("$ ") for line in fenced.splitlines()]
    found = []
    for line in lines:
        if re.match("(pinch|make|python) ", line):
            found.append(shlex.split(line, comments=True))
        elif launcher := re.search(r"\blaunch/\w+\.sh", line):
            assert (ROOT / launcher[0]).is_file(), line
            words = shlex.split(line[launcher.end() :], comments=True)
            starts = [n for n, word in enumerate(words) if word in COMMANDS]
            found += [["pinch", *words[starts[0] :]]] if starts else []
    return found


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
        if words[1] == "--version":
            continue
        names = (*COMMANDS[words[1]][1], *PROCESS_FLAGS)
        for word in itertools.takewhile(lambda word: word not in ("|", ">"), words[2:]):
            name, _, value = word.removeprefix("--").partition("=")
            if name.startswith("config."):
                assert field(name.removeprefix("config.")), word
            else:
                assert name in names, word
            if name == "config":
                file, colon, argument = config_path(value).partition(":")
                assert file in THEIRS or (ROOT / file).is_file(), word
                if colon:  # it is one that the file knows
                    runpy.run_path(str(ROOT / file))["get_config"](argument)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_field_extra_and_file_that_is_named_is_there(page):
    text = text_of(page)
    for path in re.findall(r"`(?:--)?config\.(?!json)([a-z_.]+\w)\b", text):
        assert field(re.sub(r"^(model\.decoder|judges\.mine)\b.*", "model.decoder", path)), path
    for extras in re.findall(r"pinch_jax\[([\w,-]+)\]", text):
        for extra in extras.split(","):
            assert f'"{extra}": ' in (ROOT / "setup.py").read_text(), extra
    for file in re.findall(r"`((?:pinch_jax|ml_collections_configs|launch|tests)/[\w/.-]+)`", text):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_imports_what_is_there_and_sets_fields_that_are(page):
    for code in re.findall("```python\n(.*?)```", text_of(page), re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("pinch_jax"):
                module = importlib.import_module(node.module)
                for name in node.names:
                    assert hasattr(module, name.name), ast.unparse(node)
            elif isinstance(node, ast.Assign):
                for told in map(ast.unparse, node.targets):
                    assert not told.startswith("c.") or field(told.removeprefix("c.")), told


def test_the_site_names_pages_that_are_there_and_documents_modules_that_are():
    named = re.findall(r"[\w/-]+\.md", (ROOT / "docs/.nav.yml").read_text())
    pages = {page.with_suffix(".md").name for page in DOCS}
    assert named and all(name in pages or (ROOT / "docs" / name).is_file() for name in named)
    documented = re.findall(r"^::: (\S+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert documented and all(importlib.util.find_spec(module) for module in documented)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for link in re.findall(r"\]\(([^)#]+)[)#]", text_of(page)):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_json_lines_as_the_docs_have_them_are_a_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/your_data.md").read_text(encoding="utf-8")
    line, chat = re.findall("```json\n(.*?)\n```", text, re.DOTALL)
    (tmp_path / "tea").mkdir()
    for split in ("train", "heldout"):
        for code in ("en", "fi"):
            told = json.loads(line) | {"id": f"{split}-1", "response": f"{split} {code}"}
            told["prompt"] += " In a cup?" * (split == "heldout")
            (tmp_path / f"tea/{split}-{code}.jsonl").write_text(json.dumps(told) + "\n")
    exec(snippet("your_data.md", "tea/train"), told := {})
    c = told["get_config"]()
    c.corpus.data_dir = str(tmp_path / "corpora")
    config = from_config_dict(c)
    held = load_corpus(config.corpus, config.corpus_languages, progress=False)
    (example,) = held.train["fi"]
    assert (example.id, example.response, example.answer) == ("train-1", "train fi", "two minutes")
    (tmp_path / "chat.jsonl").write_text(chat + "\n")
    told = read_source(parse_source("jsonl:chat.jsonl?turns=all"), "en")
    assert [(one.id, one.response) for one in told] == [
        ("tea-2#1", "Two minutes."),
        ("tea-2#2", "Four."),
    ]


def test_the_snippet_trains_answers_and_judges(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, said in (("en", "Kenyan Shilling"), ("pinch", "Euro")):
        records = (response_record(example, said) for example in heldout_examples("en")[:2])
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    exec(snippet("how_it_works.md", "judge_files"), {})
    assert "'sw'" in capsys.readouterr().out
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 4
