"""What a report says of a study, however it is written: one content, a page of HTML or Markdown."""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from altair.utils.schemapi import debug_mode

from pinch_jax.hosts.goodput import USEFUL, goodput_table
from pinch_jax.languages import language
from pinch_jax.report.browser import sample_prompts
from pinch_jax.report.comparison import comparison
from pinch_jax.report.first_screen import first_screen, leading_models, other_papers
from pinch_jax.report.judge_section import silence
from pinch_jax.report.sections import figure_of, make_sections, ran
from pinch_jax.report.tables import (
    DataFile,
    Table,
    csv_file,
    finding_number,
    settings_table,
    whole_file,
)
from pinch_jax.study.config import BUILT_IN, EXPERIMENTS
from pinch_jax.study.experiments.figure import Curve
from pinch_jax.study.experiments.interface import FAILS, HOLDS, NOT_RUN, UNDECIDED
from pinch_jax.study.experiments.registry import experiment, own_files
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Finding
from pinch_jax.study.workdir import read_command

PROSE = {
    "title": "How much multilinguality does instruction tuning need?",
    "kicker": "A study with pinch_jax after “Multilingual Instruction Tuning With Just a Pinch of "
    "Multilinguality” (Shaham et al., 2024)",
    "findings": "What the paper found, and what this study finds",
    "claim": "The paper's claim",
    "findings_lead": "The 95 % interval alone decides. A score compares a model with a baseline, "
    "prompt by prompt: a win is 1, a tie ½, a loss 0, in percent. 50 is as good as the baseline. "
    "The paper's models are larger, and its prompts and judge are others: what holds here holds "
    "for the model, prompts and judge of this study.",
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


# Altair would check every row of every chart against Vega-Lite's schema: a sixth of the time.
@debug_mode(False)
def make_content(records: Records, others: Mapping[str, Records] | None = None) -> dict[str, Any]:
    """Returns what there is to say of a study, and of others beside it, for the templates."""
    sections, shown = make_sections(records), ran(records)
    if others:
        figures = {name: figure_of(records, name) for name in shown}
        curves = {name: held for name, held in figures.items() if isinstance(held, Curve)}
        sections.insert(0, comparison(records, others, curves))
    paper = () if other_papers(records) or not records.findings else EXPERIMENTS
    not_run = [name for name in paper if name not in shown]
    tables = ["scores.csv", "draws.csv", "responses.csv", "outcomes.csv"]
    tables += ["confusion.csv"] if records.confusion else []
    tables += ["judges.csv", "agreement.csv"] if records.judges else []
    return {
        "prose": _prose(records),
        "first": first_screen(records, sections),
        "verdicts": _verdicts(records),
        "findings": [_finding(finding) for finding in records.findings],
        "findings_file": _findings_file(records),
        "not_run": [experiment(name).words.title for name in not_run],
        "sections": sections,
        "sample": _sample(records),
        "command": read_command(records.workdir),
        "code": _code(records.study),
        "provenance": _provenance(records),
        "files": [whole_file(records.workdir / name) for name in tables],
    }


def _prose(records: Records) -> dict[str, str]:
    """Returns the page's own words; a study of other papers alone is headed by their questions.

    No paper is said to claim what an experiment of one's own does.
    """
    prose = PROSE
    if any(found.experiment not in BUILT_IN for found in records.findings):
        prose = PROSE | {"findings": "Claims, and what this study finds", "claim": "Claim"}
    if not (words := other_papers(records).values()):
        return prose
    sources = "; ".join(of.source for of in words)
    title = " ".join(of.title for of in words)
    return prose | {"title": title, "kicker": f"A study with pinch_jax after {sources}"}


def _verdicts(records: Records) -> str:
    """Returns how many of the paper's findings hold, and whether the judge of any is one."""
    told = silence(records) if records.findings else ""
    verdicts = [f.verdict for f in records.findings if f.experiment in EXPERIMENTS]
    if not verdicts:
        return told
    holds, fails, open_, not_run = (verdicts.count(word) for word in VERDICTS)
    return told + (
        f"Of the paper's {len(verdicts)} findings, {holds} {'holds' if holds == 1 else 'hold'} "
        f"here, {fails} {'does' if fails == 1 else 'do'} not, {open_} cannot be told"
        + (f", {not_run} {'was' if not_run == 1 else 'were'} not run." if not_run else ".")
    )


def _finding(finding: Finding) -> dict[str, Any]:
    """Returns a finding with its number in words, and what its verdict looks like."""
    kind, sign = VERDICTS[finding.verdict]
    looks = {"measure": finding_number(finding), "kind": kind, "sign": sign}
    return dataclasses.asdict(finding) | looks


def _findings_file(records: Records) -> DataFile:
    fields = [field.name for field in dataclasses.fields(Finding)]
    return csv_file("findings.csv", fields, map(dataclasses.astuple, records.findings))


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


def _worked(study: Mapping[str, Any], what: str) -> list[str]:
    """Returns what worked on how many runs of a study, by a field of what is told of each."""
    worked = [one for run in study["runs"].values() for one in run.get(what, ())]
    return [f"{count} runs by {one}" for one, count in collections.Counter(worked).items()]


def _code(study: Mapping[str, Any]) -> str:
    """Returns which code judged the study, and which worked on how many of its runs.

    Comparisons are made by `pinch study`, which an edited experiment may not have seen.
    """
    told, planned = [study["versions"]["pinch_jax"]], study.get("own_files", {})
    for name, checksum in own_files(study["experiments"]).items():
        if planned.get(name, checksum) != checksum:
            told.append(f"{name}.py has changed since `pinch study`: its comparisons are of before")
    return "pinch_jax: " + ", ".join([*told, *_worked(study, "code")])


def _provenance(records: Records) -> list[Table]:
    """Returns the tables that say how the study was made."""
    study = records.study
    machine = {
        "devices of the last call": study["devices"],
        "runs": "; ".join(_worked(study, "machines")) or "by machines that are not known",
        "runs saved by sharing between experiments": study["runs_saved"],
        "compilations": study["compilations"],
    }
    # Where this machine keeps corpora is nobody's concern.
    corpus = {k: v for k, v in records.config["corpus"].items() if k != "data_dir"}
    if made_in := study.get("corpus_made_in"):
        corpus["examples are those in"] = list(made_in)
    judges = {judge["as"] for judge in records.study["judges"]}
    asked = {k: v for k, v in records.config.get("judges", {}).items() if k in judges}
    config = records.config | {"corpus": corpus, "judges": asked}
    told = goodput_table(records.workdir)
    return [
        settings_table("configuration", "config.json of the study.", config),
        settings_table("model", "The pretrained model.", study["model"]),
        settings_table(
            "versions",
            "Versions of the last call; see machine.",
            study["versions"],
        ),
        settings_table("seeds", "Seeds of everything random.", study["seeds"]),
        settings_table("machine", "What the machine did.", machine),
        *([settings_table("goodput", f"Goodput is {', '.join(USEFUL)}.", told)] if told else []),
    ]
