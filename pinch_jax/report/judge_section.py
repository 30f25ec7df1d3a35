"""The section of judges: who judged, how far each can be trusted, and how far they agree."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from pinch_jax.judge.certificate import EVERY, kappa_of
from pinch_jax.judge.correction import tells
from pinch_jax.judge.telling import injection_table, name_of, sentence, trust_table
from pinch_jax.report import charts
from pinch_jax.report.drawing import Drawing
from pinch_jax.report.tables import (
    AGGREGATE_NAMES,
    Section,
    Table,
    csv_table,
    interval,
    plotted,
    whole_file,
)
from pinch_jax.report.text_table import number
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.records import Records
from pinch_jax.study.rows import JudgeScore

WORDS = Words(
    short="Judges",
    title="Who judged, and how far to trust it",
    lead="A judge sees an instruction and two responses, twice, the second time with the responses "
    "the other way round. It agrees with what is known, or with another judge, more often than "
    "chance would, or it is no judge: 0 is chance and 1 is never wrong (Cohen's kappa).",
    caption="A bar is the kappa of a judge against what is known in a language, from its "
    "certificate; the line is the 95 % interval. Where it reaches 0, the judge cannot be told from "
    "chance there.",
)
_REFERENCE = (
    "The judge is no model: it compares with the reference. The better response says something, is "
    "in the language of the prompt and no echo of it, has the right answer, is the reference "
    "itself, or shares more with it (chrF), in this order. It is blind to style."
)
_UNMEASURED = (
    "How far it can be trusted was not measured (pinch certify); the judge of Shaham et al., "
    "PaLM 2-L, agreed with people in 75 to 79.5 % of the cases."
)


def judge_sentence(records: Records) -> str:
    """Returns who made the figures and how far that is to be trusted, for the first screen."""
    judge, *others = records.study["judges"]
    told = _who(judge)
    if certificate := judge.get("certificate"):
        told += f" {sentence(certificate, EVERY)}{_silent_languages(records, certificate)}"
    else:
        told += f" {_UNMEASURED}"
    if missing := sum(judge["no_verdict"].values()):
        most = max(
            row.no_verdict / (row.prompts * row.draws)
            for row in records.scores
            if row.no_verdict > 0 and not row.is_mean
        )
        told += (
            f" It has no verdict on {missing:,} pairs of responses, which the scores leave out: up "
            f"to {math.ceil(100 * most)} % of those of one score."
        )
    told += _other_models(judge)
    if others:
        told += f" Beside it judged: {', '.join(other['as'] for other in others)}."
    return told


def _silent_languages(records: Records, certificate: Mapping[str, Any]) -> str:
    """Returns in which languages of the study a judge's scores say nothing, if not in all."""
    codes = [code for code in records.languages if not tells(kappa_of(certificate, code))]
    if not codes or not tells(kappa_of(certificate, EVERY)):
        return ""
    return (
        f" In {', '.join(map(name_of, codes))} it cannot be told from chance, or was not "
        "certified: its scores say nothing there, and so do corrected means that they are part of."
    )


def _other_models(judge: Mapping[str, Any]) -> str:
    """Returns that a service answered by several models, or not by those of its certificate."""
    ours, told = judge.get("answered_by") or [], ""
    theirs = ((judge.get("certificate") or {}).get("judge") or {}).get("answered_by") or []
    if len(ours) > 1:
        told += f" Several models answered as {judge['model']}: {', '.join(ours)}."
    if ours and theirs and set(ours) != set(theirs):
        told += (
            f" Its certificate is of {', '.join(theirs)}, and here {', '.join(ours)} answered: "
            "what it says need not hold."
        )
    return told


def silence(records: Records) -> str:
    """Returns that nothing follows from the scores of a judge of chance; "" of any other judge."""
    certificate = records.study["judges"][0].get("certificate")
    if not certificate or tells(kappa_of(certificate, EVERY)):
        return ""
    return (
        "The judge cannot be told from chance: no finding below that rests on its scores says "
        "anything. "
    )


def _who(judge: Mapping[str, Any]) -> str:
    if judge["kind"] == "reference":
        return _REFERENCE
    what = "model" if judge["kind"] == "model" else "model behind a service"
    told = f"The judge is a {what}, {judge['model']}: which of two answers it names in both orders."
    if judge["language_gate"]:
        told += " Who is known to answer in a wrong language loses before it is asked."
    return told


def judge_section(records: Records) -> Section | None:
    """Returns the section; None where the references alone judged, and no certificate is there."""
    judges = records.study["judges"]
    certified = {j["as"]: j["certificate"] for j in judges if j.get("certificate")}
    if not certified and not records.judges:
        return None
    tables = [_judge_table(records)]
    if records.judges:
        tables.append(_score_table(records))
    if records.agreement:
        tables.append(_agreement_table(records))
    for name, certificate in certified.items():
        against = {"what is known": trust_table, "injections": injection_table}
        for what, table_of in against.items():
            heading, *body = map(tuple, table_of(certificate))
            tables.append(Table(f"{name} against {what}", "", heading, tuple(body)))
    file = whole_file(records.workdir / "judges.csv")
    if records.judges:
        tables.append(csv_table(records, file))
    return Section("judges", WORDS, _result(records, certified), _drawings(certified), tables, file)


def _drawings(certified: Mapping[str, Mapping[str, Any]]) -> list[Drawing]:
    bars = []
    for name, certificate in certified.items():
        for code in certificate["languages"]:
            kappa = kappa_of(certificate, code)
            if not math.isnan(kappa.value):
                bar = {"name": name_of(code), "kind": name} | plotted(kappa)
                bars.append(bar | {"told": interval(kappa, 2)})
    spec = charts.bar_chart(bars, "kappa", None) if bars else None
    return [Drawing("judges", WORDS.title, spec)] if spec else []


def _result(records: Records, certified: Mapping[str, Mapping[str, Any]]) -> str:
    told = [_other_models(judge).strip() for judge in records.study["judges"]]
    for certificate in certified.values():
        told.append(sentence(certificate, EVERY) + _silent_languages(records, certificate))
    for row in records.agreement:
        if row.language == EVERY:
            told.append(
                f"{row.judge} and {row.other} say the same on {number(row.same.value, 0)} % of "
                f"{row.outcomes:,.0f} outcomes that language left to them (kappa "
                f"{number(row.kappa.value, 2)})."
            )
    return " ".join(filter(None, told)) or "How far this judge can be trusted was not measured."


def _judge_table(records: Records) -> Table:
    rows = []
    for judge in records.study["judges"]:
        # A study from before has not counted them.
        outcomes, asked = judge.get("outcomes"), judge.get("asked")
        rows.append(
            (
                judge["as"],
                judge["kind"],
                judge["model"] or "–",
                ", ".join(judge.get("answered_by") or ()) or "–",
                "yes" if judge["language_gate"] and judge["kind"] != "reference" else "–",
                f"{outcomes:,}" if outcomes else "–",
                f"{sum(judge['no_verdict'].values()):,}",
                f"{100 * judge['with_log_odds'] / asked:.0f}" if asked else "–",
                judge["version"],
            )
        )
    columns = ("judge", "kind", "model", "answered by", "language first", "outcomes", "no verdict")
    return Table(
        "who judged",
        "With log-odds are the verdicts that a probability was read from, of those that language "
        "did not give; by probability the others are certain.",
        (*columns, "with log-odds (%)", "version"),
        tuple(rows),
        left=(0, 1, 2, 3, 4, 8),
        open=True,
    )


def _score_table(records: Records) -> Table:
    """Returns the means of each arm by each judge, a row a judge."""
    words = {spec: records.names[run] for run, spec in records.runs.items()}
    kinds = ("score", "by probability", "corrected", "equal length")
    # Judge by judge in the file; here what they say of a mean stands together.
    by_mean: dict[tuple[str, ...], list[JudgeScore]] = {}
    for row in records.judges:
        if row.is_mean:
            mean = row.experiment, row.spec, row.series, row.x, row.language
            by_mean.setdefault(mean, []).append(row)
    rows = tuple(
        (
            row.experiment,
            " ".join((words.get(row.spec, row.spec), row.series)).strip(),
            AGGREGATE_NAMES.get(row.language, row.language),
            row.judge,
            interval(row.score),
            interval(row.score_by_probability),
            interval(row.score_corrected),
            interval(row.score_of_equal_length),
        )
        for row in itertools.chain(*by_mean.values())
    )
    return Table(
        "the same means by each judge",
        "By probability: the mean of the judge's own probabilities. Corrected: without the errors "
        "that its certificate knows of, as far as those pairs are as hard as these and neither "
        "model has more of what the judge likes beside the answer, such as length. Of equal "
        "length: where both responses have as many tokens, in the units of their language.",
        ("experiment", "tuned on", "languages", "judge", *kinds),
        rows,
        left=(0, 1, 2, 3),
        open=True,
    )


def _agreement_table(records: Records) -> Table:
    rows = tuple(
        (
            f"{row.judge}, {row.other}",
            name_of(row.language),
            f"{row.outcomes:,.0f}",
            interval(row.same, 0),
            interval(row.kappa, 2),
        )
        for row in records.agreement
    )
    columns = ("judges", "language", "outcomes", "the same (%)", "kappa")
    return Table("how far judges agree", "", columns, rows, left=(0, 1))
