"""The section of language confusion: how far the answers stay in the language asked for."""

import math

from pinch_jax.evaluate.records import read_responses
from pinch_jax.report import charts
from pinch_jax.report.groups import in_groups
from pinch_jax.report.tables import Section, Table, model_table, most_and_least, plotted, whole_file
from pinch_jax.study.confusion import MEAN, Confusion, has_words, rates_of
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.records import Records
from pinch_jax.study.workdir import responses_path

WORDS = Words(
    short="Confusion",
    title="Do the answers stay in the language asked for?",
    lead="The line pass rate of the Language Confusion Benchmark (Marchisio et al., 2024): of the "
    "answers, those whose lines are all in the language asked for, as lid.176 has it. Lines of "
    "fewer than five words are passed over, and answers that have no other lines. What the answers "
    "say does not matter. Their word pass rate needs a list of English words (pinch confusion "
    "--words).",
    caption="A bar is the line pass rate of a model, mean of all languages; the line across its "
    "end is the 95 % interval.",
)


def confusion_section(records: Records) -> Section:
    """Returns how far the answers of each model stay in the language asked for."""
    means = {row.run: row.lpr for row in records.confusion if row.language == MEAN}
    told = {run: held for run, held in means.items() if not math.isnan(held.value)}

    def chart(runs: list[str]):
        rows = [
            {"name": records.names[run], "kind": "line pass rate", **plotted(told[run])}
            for run in sorted(runs, key=lambda run: -told[run].value)
        ]
        return charts.bar_chart(rows, "line pass rate (%)", None), ""

    result = "No model has such answers in all languages of the study."
    if told:
        result = most_and_least(records, "stay in their language", told)
    drawings = in_groups(records, "confusion", WORDS.title, told, chart) if told else []
    file = whole_file(records.workdir / "confusion.csv")
    return Section("confusion", WORDS, result, drawings, (_table(records),), file)


def _of_references(records: Records) -> str:
    """Returns the rate of the references as a sentence; "" where none has a line that counts."""
    told, runs = [], {row.language: row.run for row in records.confusion if row.language != MEAN}
    for code, run in runs.items():
        if not has_words(code):
            continue
        path = responses_path(records.workdir, run, code)
        passed = rates_of(read_responses(path, kept=True), code, "reference")["lpr"].values()
        if passed:
            told.append(f"{code} {100 * sum(passed) / len(passed):.0f}")
    if not told:
        return ""
    return (
        f" Of the references themselves pass, in percent: {', '.join(told)}; where these are few, "
        "lid.176 does not know such lines, and the rate says nothing of the answers."
    )


def _table(records: Records) -> Table:
    """Returns a row a model: how many answers count, and the line pass rate by language."""
    held: dict[str, dict[str, Confusion]] = {}
    for row in records.confusion:
        held.setdefault(row.language, {})[row.run] = row
    counted = {run: row.counted for run, row in held.get(MEAN, {}).items()}
    columns = {"answers that count": counted} | {
        "mean of all" if code == MEAN else code: {run: of.lpr for run, of in held[code].items()}
        for code in (MEAN, *records.languages)
        if code in held
    }
    answered = {row.language for row in records.responses}
    missing = [code for code in records.study["languages"] if code in answered - held.keys()]
    without = (
        f" Without {', '.join(missing)}: lid.176 does not know the language, or what parts its "
        "words is not installed (pip install 'pinch_jax[confusion]')."
    )
    return model_table(
        records,
        "line pass rate by language",
        "Percent, and 95 % intervals. The second column: of the answers, mean of all languages, "
        f"those with a line of five words or more.{without if missing else ''}"
        f"{_of_references(records)}",
        columns,
        is_open=True,
    )
