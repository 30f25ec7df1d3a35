"""The report of a study as Markdown, with its figures and tables as files beside it."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jinja2

from pinch_jax.errors import UserError
from pinch_jax.report.content import make_content
from pinch_jax.report.page import TEMPLATES, colours
from pinch_jax.report.wording import PROSE
from pinch_jax.study.records import read_records

# What would be taken for Markdown inside a text; the bracket of an interval would not.
_SPECIAL = re.compile(r"([\\`*_|~$#]|\[(?![−\d]))")
_POINTS_TO_PIXELS = 96 / 72


def write_markdown(workdir: Path, path: Path) -> Path:
    """Write a report as Markdown and return its path.

    A folder beside it, named like it, holds the figures as SVG and the tables as CSV. The figures
    have the colours of the reader's light or dark page.

    Raises:
      UserError: the work directory lacks a file that the study or its analysis writes.
      UserError: a file is not in its format, or `path` does not end in .md.
    """
    if path.suffix != ".md":
        raise UserError(f"--markdown={path}: end its name with .md, such as docs/results/tiny.md")
    content = make_content(read_records(workdir))
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for section in content.sections:
        (folder / f"{section.id}.svg").write_text(_picture(section.svg), "utf-8")
    for file in content.files:
        (folder / file.name).write_bytes(file.content)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    template = environment.get_template("report.md.j2")
    text = template.render(content=content, prose=PROSE, folder=folder.name)
    path.write_text(re.sub(r"\n{3,}", "\n\n", text), "utf-8")
    return path


def plain(text: str) -> str:
    """Return a text of one line that Markdown shows as it is, also inside a table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_SPECIAL.sub(r"\\\1", escaped).split("\n"))


def _picture(svg: str) -> str:
    """Return a drawing of the page as a file of its own, on paper of its own."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = (float(number) for number in root.attrib["viewBox"].split())
    del root.attrib["class"]
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "width": f"{width * _POINTS_TO_PIXELS:.0f}",
        "height": f"{height * _POINTS_TO_PIXELS:.0f}",
        "style": "color: var(--ink); fill: var(--ink)",
    }
    style = ElementTree.Element("style")
    style.text = colours()
    paper = {"width": "100%", "height": "100%", "style": "fill: var(--paper)"}
    root[:0] = [style, ElementTree.Element("rect", paper)]
    return ElementTree.tostring(root, encoding="unicode") + "\n"
