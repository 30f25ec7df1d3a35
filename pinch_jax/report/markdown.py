"""The report of a study as Markdown, with its figures and tables as files beside it."""

import re
from pathlib import Path

import jinja2

from pinch_jax.errors import UserError
from pinch_jax.report.content import PROSE, make_content
from pinch_jax.report.page import TEMPLATES, drawings_of, real_minus
from pinch_jax.study.records import read_records

# What would be taken for Markdown inside a text; the bracket of an interval would not.
_SPECIAL = re.compile(r"([\\`*_|~$#]|\[(?![−\d]))")


def write_markdown(workdir: Path, path: Path) -> Path:
    """Writes a report as Markdown and returns its path.

    A folder beside it, named like it, holds the figures as SVG and the tables as CSV.

    Raises:
      UserError: the work directory lacks a file that the study or its analysis writes.
      UserError: a file is not in its format, or `path` does not end in .md.
    """
    if path.suffix != ".md":
        raise UserError(f"--markdown={path}: end its name with .md, such as docs/results/tiny.md")
    content = make_content(read_records(workdir))
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for drawing in drawings_of(content.first.curve, content.sections):
        (folder / f"{drawing.name}.svg").write_text(drawing.svg, "utf-8")
    for file in content.files:
        (folder / file.name).write_bytes(file.content)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda text: plain(real_minus(text))
    template = environment.get_template("report.md.j2")
    text = template.render(content=content, prose=PROSE, folder=folder.name)
    path.write_text(re.sub(r"\n{3,}", "\n\n", text), "utf-8")
    return path


def plain(text: str) -> str:
    """Returns a text of one line that Markdown shows as it is, also inside a table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_SPECIAL.sub(r"\\\1", escaped).split("\n"))
