"""The report of a study: one page that needs no network, its figures and its data beside it."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pinch_jax.report.browser import browser_json, direction
from pinch_jax.report.content import PROSE, make_content
from pinch_jax.report.drawing import CONFIG, THEME, Drawing, bundled_script
from pinch_jax.report.tables import Section
from pinch_jax.study.records import Records, read_records

TEMPLATES = Path(__file__).parent / "templates"
# With figures, tables and the script the page then stays below 12 MB.
BROWSER_BYTES = 7_000_000


def write_report(workdir: Path, others: Mapping[str, Records] | None = None) -> Path:
    """Writes report/index.html, report/figures/ and report/data/; returns the path of the page.

    `others` are studies whose curves stand beside those of this one, by their names.

    Raises:
        UserError: the work directory lacks a file that the study or its analysis writes.
        UserError: a file is not in its format.
    """
    workdir = Path(workdir)
    records = read_records(workdir)
    content = make_content(records, others)
    shown_below = [section.file for section in content.sections]
    files = {f.name: f for f in [content.findings_file, *content.files, *shown_below]}
    drawings = drawings_of(content.first.curve, content.sections)
    browser, shown, available = browser_json(records, BROWSER_BYTES)
    page = _render(
        content=content,
        shown=shown,
        available=available,
        draws=records.study.get("draws", 1),
        browser_data=Markup(browser),  # It holds no "<": nothing in it can be markup.
        figure_data=Markup(_figure_json(drawings)),
        file_names=list(files),
        other_files=[f for f in content.files if f.name not in {file.name for file in shown_below}],
    )
    target = workdir / "report"
    (target / "data").mkdir(parents=True, exist_ok=True)
    for file in files.values():
        (target / "data" / file.name).write_bytes(file.content)
    for drawing in drawings:
        drawing.write(target / "figures")
    path = target / "index.html"
    path.write_text(page, "utf-8")
    return path


def drawings_of(first: Drawing | None, sections: list[Section]) -> list[Drawing]:
    """Returns all drawings of a report, that of its first screen too."""
    drawn = [drawing for section in sections for drawing in section.drawings]
    return [*([first] if first else []), *drawn]


def real_minus(text: str) -> str:
    """Returns a text whose negative numbers have a minus sign, not a hyphen."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def _unbroken(text: str) -> str:
    """Returns a text with minus signs and without a line break before a %."""
    return re.sub(r"(?<=\d) %", "\u00a0%", real_minus(text))


def _figure_json(drawings: list[Drawing]) -> str:
    """Returns what the script draws: the house style, and each figure by its name."""
    data = {"config": CONFIG, "theme": THEME, "figures": {d.name: d.spec for d in drawings}}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _render(**content: Any) -> str:
    """Returns the page; only this may run in it, and nothing is fetched (CSP)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"minus": _unbroken, "direction": direction}
    environment.filters["svg"] = lambda drawing: Markup(drawing.inline)
    script = bundled_script((TEMPLATES / "report.js").read_text("utf-8"))
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return environment.get_template("report.html.j2").render(
        prose=PROSE,
        style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode("ascii"),
        **content,
    )
