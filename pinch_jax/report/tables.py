"""The parts of a page: sections, the tables in them, and the CSV files beside it."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.evaluate.intervals import NOTHING, Estimate
from pinch_jax.languages import language
from pinch_jax.report.drawing import Drawing
from pinch_jax.report.text_table import number
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.interface import Beside, Words
from pinch_jax.study.measures import show
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Finding
from pinch_jax.study.tables import csv_text
from pinch_jax.study.workdir import flat

AGGREGATE_NAMES = {
    "mean": "mean of all",
    "mean_non_english": "mean of all but the base language",
    "mean_seen": "mean of the seen",
    "mean_unseen": "mean of the unseen",
    "mean_other": "mean of the others",
}
# The columns of CSV files that are not numbers.
WORDS_IN = ("run", "baseline_run", "language", "series", "x")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the page: `summary` names it, `left` are the columns that are no numbers.

    It is closed until somebody opens it, but for one that is `open`.
    """

    summary: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...] = (0,)
    open: bool = False


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A CSV file, which is written beside the page."""

    name: str
    content: bytes


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page: `id` is its place there, and the name of its figures.

    `result` says in a sentence or two what this study's numbers are; `file` has those of the tables
    as CSV.
    """

    id: str
    words: Words
    result: str
    drawings: Sequence[Drawing]
    tables: Sequence[Table]
    file: DataFile
    beside: Sequence[Beside] = ()


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> DataFile:
    """Returns rows as a CSV file; NaN is an empty cell."""
    return DataFile(name, csv_text(columns, rows).encode("utf-8"))


def score_file(records: Records, experiment: str) -> DataFile:
    """Returns an experiment's rows of scores.csv as they stand there, digit for digit."""
    with (records.workdir / "scores.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    column = header.index("experiment")
    return csv_file(f"{experiment}.csv", header, [row for row in rows if row[column] == experiment])


def whole_file(path: Path) -> DataFile:
    """Returns a file of the work directory unchanged."""
    return DataFile(path.name, path.read_bytes())


def csv_table(records: Records, file: DataFile) -> Table:
    """Returns the rows of a CSV file for people: runs and languages in words, numbers rounded."""
    header, *rows = csv.reader(io.StringIO(file.content.decode("utf-8")))
    words = {code: language(code).name for code in records.languages}
    words |= records.names | AGGREGATE_NAMES
    words |= {spec: records.names[run] for run, spec in records.runs.items()}
    names = {"run": "tuned on", "baseline_run": "baseline"}
    held = {
        name: _shown(name, column, words)
        for name, column in zip(header, zip(*rows, strict=True), strict=True)
        if name not in ("experiment", "spec") and any(column)
    }
    return Table(
        f"all {len(rows):,} rows of {file.name}",
        "",
        tuple(names.get(name, name.replace("_", " ")) for name in held),
        tuple(zip(*held.values(), strict=True)),
        tuple(place for place, name in enumerate(held) if name in WORDS_IN),
    )


def _shown(name: str, cells: Sequence[str], words: Mapping[str, str]) -> list[str]:
    """Returns a column in words, or as numbers with as many digits as its largest asks for."""
    if name == "x":  # a P of 0.04 is not one of 0
        return [words.get(cell, _rounded(cell)) for cell in cells]
    try:
        values = [float(cell or "nan") for cell in cells]
    except ValueError:
        return [words.get(cell, _rounded(cell)) for cell in cells]
    if name in ("p", "p_holm"):
        return [p_value(value) for value in values]
    told = [abs(value) for value in values if not math.isnan(value)]
    digits = 0 if all(value.is_integer() for value in told) else 1 if max(told) > 1 else 3
    return [number(value, digits) for value in values]


def _rounded(cell: str) -> str:
    """Returns a number among words, as figures label it; words as they are."""
    try:
        return f"{float(cell):.3g}"
    except ValueError:
        return cell


def p_value(p: float) -> str:
    """Returns p as text; none is 0."""
    return "<0.001" if p < 0.001 else number(p, 3)


def ends(held: Estimate, digits: int = 1) -> str:
    """Returns the interval alone."""
    if math.isnan(held.low):
        return "–"
    return f"[{number(held.low, digits)}, {number(held.high, digits)}]"


def interval(held: Estimate, digits: int = 1) -> str:
    """Returns a number and its interval."""
    return f"{number(held.value, digits)} {ends(held, digits)}".removesuffix(" –")


def plotted(held: Estimate, digits: int = 1) -> dict[str, Any]:
    """Returns a number, its interval, and both in words, as a figure draws them."""
    value, low, high = held.numbers
    return {"score": value, "low": low, "high": high, "told": show(held, digits)}


def finding_number(finding: Finding) -> str:
    """Returns the number of a finding with its interval."""
    return interval(finding.estimate, finding.digits)


def model_table(
    records: Records,
    summary: str,
    caption: str,
    columns: Mapping[str, Mapping[str, Estimate]],
    is_open: bool = False,
) -> Table:
    """Returns a row a model, the untuned one first, of the intervals of each column by run."""
    told = {run for column in columns.values() for run in column}
    runs = [run for run in records.runs if run in told]
    runs.sort(key=lambda run: records.runs[run] != PRETRAINED)
    rows = (
        (records.names[run], *(interval(of.get(run, NOTHING), 0) for of in columns.values()))
        for run in runs
    )
    return Table(summary, caption, ("tuned on", *columns), tuple(rows), open=is_open)


def most_and_least(records: Records, what: str, held: Mapping[str, Estimate]) -> str:
    """Returns after tuning on what answers are so most often, and least often, by run."""
    ranked = sorted(held, key=lambda run: -held[run].value)
    if held[ranked[0]].value == held[ranked[-1]].value:
        sets = f"after tuning on “{records.names[ranked[0]]}”"
        sets = sets if len(ranked) == 1 else "whatever the model is tuned on"
        told = show(held[ranked[0]], 0)
        return f"Of the answers {told} % {what} {sets}. This is a mean of all languages."
    most, least = (
        f"“{records.names[run]}”, {show(held[run], 0)} %" for run in (ranked[0], ranked[-1])
    )
    return (
        f"Answers {what} most often after tuning on {most}; least often with {least}. These are "
        "means of all languages."
    )


def settings_table(summary: str, caption: str, settings: dict[str, Any]) -> Table:
    """Returns nested settings as rows of dotted names."""
    rows = (
        (name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in flat(settings).items()
    )
    return Table(summary, caption, ("name", "value"), tuple(rows), left=(0, 1))
