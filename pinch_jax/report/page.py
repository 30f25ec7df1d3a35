"""The report of a study: one page that needs no network, and its data beside it."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pinch_jax.languages import language
from pinch_jax.report import readings, tables
from pinch_jax.report.browser import browser_json, sample_rows
from pinch_jax.report.sections import make_sections
from pinch_jax.report.tables import DataFile, csv_file, number
from pinch_jax.study.config import EXPERIMENTS
from pinch_jax.study.records import Finding, Records, read_records

TITLE = "How much multilinguality does instruction tuning need?"
TEMPLATES = Path(__file__).parent / "templates"
# With figures, tables and data the page then stays below 12 MB.
BROWSER_BYTES = 7_000_000
# What a verdict looks like: its CSS class, and a sign for those who do not see the colour.
VERDICTS = {"holds": ("holds", "✓"), "does not hold": ("fails", "✗"), "cannot tell": ("open", "?")}


def write_report(workdir: Path) -> Path:
    """Write report/index.html and report/data/*.csv; return the path of the page.

    Raises:
      FileNotFoundError: the work directory lacks a file that the study or its analysis writes.
      ValueError: a file is not in its format.
    """
    workdir = Path(workdir)
    records = read_records(workdir)
    sections = make_sections(records)
    findings = _findings_file(records)
    whole = [tables.whole_file(workdir / name) for name in ("scores.csv", "responses.csv")]
    files = {file.name: file for file in [findings, *whole, *(s.file for s in sections)]}
    browser, shown, available = browser_json(records, BROWSER_BYTES)
    page = _render(
        headline=_headline(records),
        tiles=_tiles(records, available),
        judge=records.config["study"]["judge"],
        findings=[_finding(finding) for finding in records.findings],
        finding_file=findings,
        not_run=[name for name in EXPERIMENTS if name not in records.ran],
        sections=sections,
        sample=_sample(records),
        shown=shown,
        available=available,
        browser_data=Markup(browser),  # It holds no "<": nothing in it can be markup.
        provenance=_provenance(records),
        file_names=list(files),
        other_files=[file for file in whole if file.name not in {s.file.name for s in sections}],
    )
    target = workdir / "report"
    (target / "data").mkdir(parents=True, exist_ok=True)
    for file in files.values():
        (target / "data" / file.name).write_bytes(file.content)
    path = target / "index.html"
    path.write_text(page, "utf-8")
    return path


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
        title=TITLE,
        style=Markup((TEMPLATES / "report.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode("ascii"),
        **content,
    )


def _headline(records: Records) -> list[str]:
    """Return what a reader should know first: the paper's effect here, and the verdicts."""
    sentences = []
    doses = readings.doses(records, "pinch")
    if len(doses) > 1:
        curve = readings.dose_curve(records, "pinch", "mean_non_english")
        runs = records.study["runs"]
        base = records.study["base"]
        examples = runs[doses[1].run]["budgets"]
        these = readings.mean_of_these(records, "pinch", without=[base])
        few = sum(count for code, count in examples.items() if code != base)
        sentences.append(
            f"With {few:,} non-English examples among {sum(examples.values()):,}, the mean score "
            f"of the non-English languages{these} goes from "
            f"{tables.interval(curve[0])} to "
            f"{tables.interval(curve[1])}; 50 would be as good as tuning on each language alone."
        )
    verdicts = [finding.verdict for finding in records.findings]
    holds, fails, open_ = (verdicts.count(word) for word in VERDICTS)
    sentences.append(
        f"Of the paper's {len(verdicts)} findings, {holds} {'holds' if holds == 1 else 'hold'} "
        f"here, {fails} {'does' if fails == 1 else 'do'} not, {open_} cannot be told."
    )
    return sentences


def _tiles(records: Records, prompts: int) -> list[tuple[str, str]]:
    """Return the numbers a reader asks for first."""
    tuned = set(records.tuned_runs)
    minutes = sum(records.study["wall_seconds"].values()) / 60
    examples = {sum(records.study["runs"][run]["budgets"].values()) for run in tuned}
    judged = {row.language for row in records.responses}
    return [
        ("tuned models", f"{len(tuned):,}"),
        ("runs saved by sharing between experiments", f"{records.study['runs_saved']:,}"),
        ("languages", f"{len(judged):,}"),
        ("examples a model", f"{max(examples, default=0):,}"),
        ("held-out prompts a language", f"{prompts:,}"),
        ("wall time (min)", number(minutes)),
        ("compilations", f"{sum(records.study['compilations'].values()):,}"),
    ]


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding in words."""
    kind, sign = VERDICTS[finding.verdict]
    held = (finding.value, finding.low, finding.high)
    point = readings.Point(*(readings.NAN if end is None else end for end in held))
    if all(float(end).is_integer() for end in point):
        digits = 0
    else:
        digits = 2 if all(abs(end) <= 1 for end in point) else 1
    return {
        "number": finding.number,
        "claim": finding.claim,
        "measure": tables.interval(point, digits),
        "unit": finding.unit,
        "verdict": finding.verdict,
        "kind": kind,
        "sign": sign,
        "rule": finding.rule,
        "detail": finding.detail,
    }


def _findings_file(records: Records) -> DataFile:
    fields = ("number", "claim", "experiment", "value", "unit", "low", "high", "verdict", "rule")
    fields += ("detail",)
    rows = [[getattr(finding, field) for field in fields] for finding in records.findings]
    return csv_file("findings.csv", fields, rows)


def _sample(records: Records) -> dict[str, Any] | None:
    """Return one prompt in every language, answered without and with a pinch; or by two runs."""
    if "pinch" in records.ran:
        runs = tuple(dose.run for dose in readings.doses(records, "pinch")[:2])
    else:
        runs = records.tuned_runs[:1] + records.tuned_runs[-1:]
    rows = sample_rows(records, runs)
    if not rows:
        return None
    return {
        "models": [records.runs[run] for run in runs],
        "rows": [(language(code), texts) for code, texts in rows],
    }


def _provenance(records: Records) -> list[tables.Table]:
    """Return the tables that say how the study was made."""
    study = records.study
    return [
        tables.settings_table("configuration", "config.json of the study.", records.config),
        tables.settings_table("model", "The pretrained model.", study["model"]),
        tables.settings_table("versions", "Versions of what the study ran on.", study["versions"]),
        tables.settings_table("devices", "Devices.", {"devices": study["devices"]}),
        tables.settings_table("seeds", "Seeds of everything random.", study["seeds"]),
        tables.settings_table("wall time", "Seconds by stage.", study["wall_seconds"]),
        tables.settings_table("compilations", "Compiled programs.", study["compilations"]),
    ]
