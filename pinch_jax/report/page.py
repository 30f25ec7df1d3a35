"""The report of a study: a page that needs no network, or Markdown; figures and data beside it."""

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pinch_jax.errors import UserError
from pinch_jax.languages import direction
from pinch_jax.report.browser import browser_json, script_json
from pinch_jax.report.content import make_content
from pinch_jax.report.drawing import CONFIG, SUFFIXES, THEME, Drawing, bundled_script
from pinch_jax.storage.buckets import as_path
from pinch_jax.storage.files import read_record, write_bytes, write_record, write_text
from pinch_jax.study.records import Records, read_records

TEMPLATES = Path(__file__).parent / "templates"
# With figures, tables and the script the page then stays below 12 MB.
BROWSER_BYTES = 7_000_000
# What a page has beside it.
FILES = "files.json"
# What would be taken for Markdown inside a text; the bracket of an interval would not.
_SPECIAL = re.compile(r"([\\`*_|~$#]|\[(?![−\d]))")


def write_report(workdir: Path, others: Mapping[str, Records] | None = None) -> Path:
    """Writes report/index.html, report/figures/ and report/data/; returns the path of the page.

    `others` are studies whose curves stand beside those of this one, by their names.

    Raises:
        UserError: the work directory lacks a file that the study or its analysis writes.
        UserError: a file is not in its format.
    """
    workdir = as_path(workdir)
    records = read_records(workdir)
    content = make_content(records, others)
    shown_below = [section.file for section in content["sections"]]
    files = {f.name: f for f in [content["findings_file"], *content["files"], *shown_below]}
    below = {file.name for file in shown_below}
    drawings = drawings_of(content)
    browser, shown, available = browser_json(records, BROWSER_BYTES)
    script = bundled_script((TEMPLATES / "report.js").read_text("utf-8"))
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    page = _template("report.html.j2", autoescape=True).render(
        content=content,
        prose=content["prose"],
        shown=shown,
        available=available,
        draws=records.draw_count,
        browser_data=Markup(browser),  # of `script_json`: nothing in it can be markup
        figure_data=Markup(_figure_json(drawings)),
        file_names=list(files),
        other_files=[file for file in content["files"] if file.name not in below],
        style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
        # Only this may run in the page, and nothing is fetched (CSP).
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode("ascii"),
    )
    target = workdir / "report"
    (target / "data").mkdir(parents=True, exist_ok=True)
    for file in files.values():
        write_bytes(target / "data" / file.name, file.content)
    for drawing in drawings:
        drawing.write(target / "figures")
    path = target / "index.html"
    write_text(path, page)
    drawn = (f"figures/{one.name}{suffix}" for one in drawings for suffix in SUFFIXES)
    _delete_older(target, [*(f"data/{name}" for name in files), *drawn])
    return path


def _delete_older(folder: Path, names: Sequence[str]) -> None:
    """Deletes what the page before had in a folder and this one has not; all else is not ours."""
    path = folder / FILES
    before = read_record(path, "delete it, and write the report again") if path.exists() else {}
    for name in {*before.get("files", ())} - {*names}:
        (folder / name).unlink(missing_ok=True)
    write_record(path, {"files": names})


def write_markdown(workdir: Path, path: Path, others: Mapping[str, Records] | None = None) -> Path:
    """Writes a report as Markdown and returns its path; `others` are those of `write_report`.

    A folder beside it, named like it, holds the figures as SVG and the tables as CSV.

    Raises:
        UserError: as `write_report` does, or `path` does not end in .md.
    """
    if path.suffix != ".md":
        raise UserError(f"--markdown={path}: end its name with .md, such as docs/results/tiny.md")
    content = make_content(read_records(workdir), others)
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {f"{drawing.name}.svg": drawing.svg for drawing in drawings_of(content)}
    tables = {file.name: file.content for file in content["files"]}
    for name, svg in drawn.items():
        write_text(folder / name, svg)
    for name, table in tables.items():
        write_bytes(folder / name, table)
    template = _template("report.md.j2", autoescape=False)
    text = template.render(content=content, prose=content["prose"], folder=folder.name)
    write_text(path, re.sub(r"\n{3,}", "\n\n", text))
    _delete_older(folder, [*drawn, *tables])
    return path


def _template(name: str, autoescape: bool) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        # Without a line break before a %.
        "minus": lambda text: re.sub(r"(?<=\d) %", "\u00a0%", real_minus(text)),
        "direction": direction,
        "svg": lambda drawing: Markup(drawing.inline),
        "plain": lambda text: plain(real_minus(text)),
    }
    return environment.get_template(name)


def drawings_of(content: Mapping[str, Any]) -> list[Drawing]:
    """Returns all drawings of a report, that of its first screen too."""
    first = content["first"]["curve"]
    drawn = [drawing for section in content["sections"] for drawing in section.drawings]
    return [*([first] if first else []), *drawn]


def real_minus(text: str) -> str:
    """Returns a text whose negative numbers have a minus sign, not a hyphen."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def plain(text: str) -> str:
    """Returns a text of one line that Markdown shows as it is, also inside a table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_SPECIAL.sub(r"\\\1", escaped).split("\n"))


def _figure_json(drawings: list[Drawing]) -> str:
    """Returns what the script draws: the house style, and each figure by its name."""
    data = {"config": CONFIG, "theme": THEME, "figures": {d.name: d.spec for d in drawings}}
    return script_json(_told(data))


def _told(value: Any) -> Any:
    """Returns JSON with null for NaN, which a browser cannot read, and draws neither."""
    if isinstance(value, Mapping):
        return {name: _told(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_told(held) for held in value]
    return None if isinstance(value, float) and math.isnan(value) else value
