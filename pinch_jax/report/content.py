"""What a report says of a study, however it is written: one content, a page of HTML or Markdown."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from altair.utils.schemapi import debug_mode

from pinch_jax.languages import language
from pinch_jax.report import tables
from pinch_jax.report.browser import sample_prompts
from pinch_jax.report.comparison import comparison
from pinch_jax.report.first_screen import FirstScreen, first_screen, leading_models
from pinch_jax.report.sections import figure_of, make_sections, ran
from pinch_jax.report.tables import DataFile, Section, Table, csv_file
from pinch_jax.study.config import EXPERIMENTS
from pinch_jax.study.experiments.figure import Curve
from pinch_jax.study.experiments.interface import FAILS, HOLDS, NOT_RUN, UNDECIDED
from pinch_jax.study.experiments.registry import experiment
from pinch_jax.study.records import Finding, Records
from pinch_jax.study.workdir import read_command

PROSE = {
    "title": "How much multilinguality does instruction tuning need?",
    "kicker": "A study with pinch_jax after “Multilingual Instruction Tuning With Just a Pinch of "
    "Multilinguality” (Shaham et al., 2024)",
    "findings": "What the paper found, and what this study finds",
    "findings_lead": "The 95 % interval alone decides. A score compares a model with a baseline, "
    "prompt by prompt: a win is 1, a tie ½, a loss 0, in percent. 50 is as good as the baseline. "
    "The paper's models are larger: what holds here holds for the model of this study.",
    "sample": "The same prompts in every language",
    "sample_caption": "The shortest held-out prompts of their tasks, and what these models "
    "answered. Not chosen by the answers.",
    "provenance": "How to repeat this study",
    "provenance_lead": "The command, the configuration, the versions, and what the machine did.",
}
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
        first: what is to be read in ten seconds.
        verdicts: how many of the paper's findings hold, in a sentence; "" if none was asked for.
        findings: the paper's, each in words.
        not_run: experiments of the paper that the study leaves out.
        sample: prompts in every language and some models' answers, None if there are none.
        command: what was typed, "" if that is not known.
        files: the tables of the work directory, whole.
    """

    first: FirstScreen
    verdicts: str
    findings: list[dict[str, Any]]
    findings_file: DataFile
    not_run: list[str]
    sections: list[Section]
    sample: dict[str, Any] | None
    command: str
    provenance: list[Table]
    files: list[DataFile]


# Altair would check every row of every chart against Vega-Lite's schema: a sixth of the time.
@debug_mode(False)
def make_content(records: Records, others: Mapping[str, Records] | None = None) -> Content:
    """Returns what there is to say of a study, and of others beside it."""
    sections, shown = make_sections(records), ran(records)
    if others:
        figures = {name: figure_of(records, name) for name in shown}
        curves = {name: held for name, held in figures.items() if isinstance(held, Curve)}
        sections.insert(0, comparison(records, others, curves))
    not_run = [name for name in EXPERIMENTS if name not in shown] if records.findings else []
    return Content(
        first=first_screen(records, sections),
        verdicts=_verdicts(records),
        findings=[_finding(finding) for finding in records.findings],
        findings_file=_findings_file(records),
        not_run=[experiment(name).words.title for name in not_run],
        sections=sections,
        sample=_sample(records),
        command=read_command(records.workdir),
        provenance=_provenance(records),
        files=[
            tables.whole_file(records.workdir / name)
            for name in ("scores.csv", "draws.csv", "responses.csv", "outcomes.csv")
        ],
    )


def _verdicts(records: Records) -> str:
    """Returns how many of the paper's findings hold."""
    verdicts = [f.verdict for f in records.findings if f.experiment in EXPERIMENTS]
    if not verdicts:
        return ""
    holds, fails, open_, not_run = (verdicts.count(word) for word in VERDICTS)
    return (
        f"Of the paper's {len(verdicts)} findings, {holds} {'holds' if holds == 1 else 'hold'} "
        f"here, {fails} {'does' if fails == 1 else 'do'} not, {open_} cannot be told"
        + (f", {not_run} {'was' if not_run == 1 else 'were'} not run." if not_run else ".")
    )


def _finding(finding: Finding) -> dict[str, Any]:
    """Returns a finding in words."""
    kind, sign = VERDICTS[finding.verdict]
    return {
        "number": finding.number,
        "claim": finding.claim,
        "measure": tables.finding_number(finding),
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
    """Returns prompts in every language, answered by the untuned model, without and with a pinch.

    Where there are none of these, two other models stand for them.
    """
    leading = leading_models(records)
    runs = tuple(leading[what] for what in ("none", "base", "pinch") if what in leading)
    runs = runs if len(runs) > 1 else records.tuned_runs[:1] + records.tuned_runs[-1:]
    prompts = sample_prompts(records, runs, SAMPLE_PROMPTS)
    if not prompts:
        return None
    return {
        "models": [records.names[run] for run in runs],
        "prompts": [[(language(code), texts) for code, texts in rows] for rows in prompts],
    }


def _config(records: Records) -> dict[str, Any]:
    """Returns the study's configuration but for where this machine keeps corpora."""
    corpus = {k: v for k, v in records.config["corpus"].items() if k != "data_dir"}
    return records.config | {"corpus": corpus}


def _provenance(records: Records) -> list[Table]:
    """Returns the tables that say how the study was made."""
    study = records.study
    runs = study["runs"].values()
    seconds = [run.get(part, 0) for run in runs for part in ("train_seconds", "decode_seconds")]
    machine = {
        "devices": study["devices"],
        "minutes of tuning and answering": f"{sum(seconds) / 60:,.1f}",
        "runs saved by sharing between experiments": study["runs_saved"],
        "compilations": study["compilations"],
    }
    return [
        tables.settings_table("configuration", "config.json of the study.", _config(records)),
        tables.settings_table("model", "The pretrained model.", study["model"]),
        tables.settings_table("versions", "Versions of what the study ran on.", study["versions"]),
        tables.settings_table("seeds", "Seeds of everything random.", study["seeds"]),
        tables.settings_table("machine", "What the machine did.", machine),
    ]
