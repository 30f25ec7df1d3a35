"""The report of a study: one page that needs no network, and its data beside it."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pinch_jax.report.browser import browser_json
from pinch_jax.report.content import make_content
from pinch_jax.report.wording import PROSE
from pinch_jax.study.records import read_records

TEMPLATES = Path(__file__).parent / "templates"
# With figures, tables and data the page then stays below 12 MB.
BROWSER_BYTES = 7_000_000


def write_report(workdir: Path) -> Path:
    """Write report/index.html and report/data/*.csv; return the path of the page.

    Raises:
      UserError: the work directory lacks a file that the study or its analysis writes.
      UserError: a file is not in its format.
    """
    workdir = Path(workdir)
    records = read_records(workdir)
    content = make_content(records)
    shown_below = [section.file for section in content.sections]
    files = {f.name: f for f in [content.findings_file, *content.files, *shown_below]}
    browser, shown, available = browser_json(records, BROWSER_BYTES)
    page = _render(
        content=content,
        shown=shown,
        available=available,
        browser_data=Markup(browser),  # It holds no "<": nothing in it can be markup.
        file_names=list(files),
        other_files=[f for f in content.files if f.name not in {file.name for file in shown_below}],
    )
    target = workdir / "report"
    (target / "data").mkdir(parents=True, exist_ok=True)
    for file in files.values():
        (target / "data" / file.name).write_bytes(file.content)
    path = target / "index.html"
    path.write_text(page, "utf-8")
    return path


def colours() -> str:
    """Return the CSS that says what the colours of the drawings are, by day and by night."""
    return (TEMPLATES / "colours.css").read_text("utf-8")


def _render(**content: Any) -> str:
    """Return the page; only this may run in it, and nothing is fetched (CSP)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "report.js").read_text("utf-8")
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return environment.get_template("report.html.j2").render(
        prose=PROSE,
        style=Markup(colours() + (TEMPLATES / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode("ascii"),
        **content,
    )
