"""What a report says of a study, however it is written: one content, a page of HTML or Markdown."""

import dataclasses
from typing import Any

from pinch_jax.languages import language
from pinch_jax.report import readings, results, tables
from pinch_jax.report.browser import sample_prompts
from pinch_jax.report.sections import Section, make_sections
from pinch_jax.report.tables import DataFile, Table, csv_file, number
from pinch_jax.report.wording import JUDGES
from pinch_jax.study.config import BUILT_IN, EXPERIMENTS, PRETRAINED
from pinch_jax.study.experiments.interface import FAILS, HOLDS, NOT_RUN, UNDECIDED
from pinch_jax.study.outcomes import MEAN
from pinch_jax.study.records import Finding, Records
from pinch_jax.study.workdir import read_command

SAMPLE_PROMPTS = 3
# What a verdict looks like: its CSS class, and a sign for those who do not see the colour.
VERDICTS = {
    HOLDS: ("holds", "✓"),
    FAILS: ("fails", "✗"),
    UNDECIDED: ("open", "?"),
    NOT_RUN: ("open", "–"),
}


@dataclasses.dataclass(frozen=True)
class Content:
    """A report's parts in their order.

    Attributes:
      headline: sentences that a reader should know first.
      tiles: (name, number) of what a reader asks for first.
      judge: what it prefers, in words.
      findings: the paper's, each in words.
      not_run: experiments of the paper that the study leaves out.
      sample: prompts in every language and some models' answers, None if there are none.
      command: what was typed, "" if that is not known.
      files: the tables of the work directory, whole.
    """

    headline: list[str]
    tiles: list[tuple[str, str]]
    judge: str
    findings: list[dict[str, Any]]
    findings_file: DataFile
    not_run: list[str]
    sections: list[Section]
    sample: dict[str, Any] | None
    command: str
    provenance: list[Table]
    files: list[DataFile]


def make_content(records: Records) -> Content:
    """Return what there is to say of a study."""
    return Content(
        headline=_headline(records),
        tiles=_tiles(records),
        judge=JUDGES[records.config["study"]["judge"]],
        findings=[_finding(finding) for finding in records.findings],
        findings_file=_findings_file(records),
        not_run=[n for n in EXPERIMENTS if n not in records.ran] if records.findings else [],
        sections=make_sections(records),
        sample=_sample(records),
        command=read_command(records.workdir),
        provenance=_provenance(records),
        files=[
            tables.whole_file(records.workdir / name)
            for name in ("scores.csv", "responses.csv", "outcomes.csv")
        ],
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
    if right := results.right_answers(records):
        sentences.append(right)
    sweeps = [name for name in records.ran if name not in BUILT_IN]
    sentences += [results.sweep(records, name) for name in sweeps]
    verdicts = [f.verdict for f in records.findings if f.experiment in EXPERIMENTS]
    if not verdicts:
        return sentences
    holds, fails, open_, not_run = (verdicts.count(word) for word in VERDICTS)
    sentences.append(
        f"Of the paper's {len(verdicts)} findings, {holds} {'holds' if holds == 1 else 'hold'} "
        f"here, {fails} {'does' if fails == 1 else 'do'} not, {open_} cannot be told"
        + (f", {not_run} {'was' if not_run == 1 else 'were'} not run." if not_run else ".")
    )
    return sentences


def _tiles(records: Records) -> list[tuple[str, str]]:
    """Return the numbers a reader asks for first."""
    tuned = set(records.tuned_runs)
    parts = ("train_seconds", "decode_seconds")
    runs = records.study["runs"].values()
    seconds = sum(run[part] for run in runs for part in parts if part in run)
    examples = {sum(records.study["runs"][run]["budgets"].values()) for run in tuned}
    judged = {row.language for row in records.responses}
    prompts = max(int(row.prompts) for row in records.responses)
    return [
        ("tuned models", f"{len(tuned):,}"),
        ("runs saved by sharing between experiments", f"{records.study['runs_saved']:,}"),
        ("languages", f"{len(judged):,}"),
        ("examples a model", f"{max(examples, default=0):,}"),
        ("held-out prompts a language", f"{prompts:,}"),
        ("tuning and answering (min)", number(seconds / 60)),
        ("compilations", f"{sum(records.study['compilations'].values()):,}"),
    ]


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding in words."""
    kind, sign = VERDICTS[finding.verdict]
    held = (finding.value, finding.low, finding.high)
    point = readings.Point(*(readings.NAN if end is None else end for end in held))
    return {
        "number": finding.number,
        "claim": finding.claim,
        "measure": tables.interval(point, finding.digits),
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
    """Return prompts in every language, answered by the untuned model, without and with a pinch.

    Where `pinch` was not run, two other models stand for these.
    """
    if "pinch" in records.ran:
        runs = tuple(dose.run for dose in readings.doses(records, "pinch")[:2])
    else:
        runs = records.tuned_runs[:1] + records.tuned_runs[-1:]
    answered = {row.run for row in records.outcomes if row.language == MEAN}
    untuned = [run for run, spec in records.runs.items() if spec == PRETRAINED and run in answered]
    runs = tuple(dict.fromkeys([*untuned, *runs]))
    prompts = sample_prompts(records, runs, SAMPLE_PROMPTS)
    if not prompts:
        return None
    return {
        "models": [records.names[run] for run in runs],
        "prompts": [[(language(code), texts) for code, texts in rows] for rows in prompts],
    }


def _config(records: Records) -> dict[str, Any]:
    """Return the study's configuration but for where this machine keeps corpora."""
    corpus = {k: v for k, v in records.config["corpus"].items() if k != "data_dir"}
    return records.config | {"corpus": corpus}


def _provenance(records: Records) -> list[Table]:
    """Return the tables that say how the study was made."""
    study = records.study
    return [
        tables.settings_table("configuration", "config.json of the study.", _config(records)),
        tables.settings_table("model", "The pretrained model.", study["model"]),
        tables.settings_table("versions", "Versions of what the study ran on.", study["versions"]),
        tables.settings_table("devices", "Devices.", {"devices": study["devices"]}),
        tables.settings_table("seeds", "Seeds of everything random.", study["seeds"]),
        tables.settings_table("compilations", "Compiled programs.", study["compilations"]),
    ]
