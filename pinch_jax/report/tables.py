"""The tables of the page and the CSV files beside it."""

import base64
import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.languages import language
from pinch_jax.report import readings
from pinch_jax.report.readings import Point
from pinch_jax.study.records import Records, Score

AGGREGATE_NAMES = {
    "mean": "mean of all",
    "mean_non_english": "mean of all but English",
    "mean_seen": "mean of the seen",
    "mean_unseen": "mean of the unseen",
    "mean_other": "mean of the others",
}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the page: `summary` names it, `numeric` are right-aligned columns.

    It is closed until somebody opens it, but for one that is `open`.
    """

    summary: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    open: bool = False


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A CSV file: written beside the page, and carried inside it as `uri`."""

    name: str
    content: bytes

    @property
    def uri(self) -> str:
        """The whole file as a data: URI."""
        return "data:text/csv;base64," + base64.b64encode(self.content).decode("ascii")


def csv_file(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> DataFile:
    """Return rows as a CSV file; NaN is an empty cell."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if isinstance(c, float) and math.isnan(c) else c for c in row)
    return DataFile(name, buffer.getvalue().encode("utf-8"))


def score_file(records: Records, experiment: str) -> DataFile:
    """Return an experiment's rows of scores.csv as they stand there, digit for digit."""
    with (records.workdir / "scores.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    column = header.index("experiment")
    return csv_file(f"{experiment}.csv", header, [row for row in rows if row[column] == experiment])


def whole_file(path: Path) -> DataFile:
    """Return a file of the work directory unchanged."""
    return DataFile(path.name, path.read_bytes())


def matrix_table(records: Records, experiment: str) -> Table:
    """Return the scores of a heat map with their intervals."""
    matrix = readings.matrix(records, experiment)
    codes = matrix.languages
    rows = [
        (
            language(tuned).name,
            *(_marked(matrix.cells.get((tuned, judged))) for judged in codes),
            interval(matrix.means[tuned]),
        )
        for tuned in codes
    ]
    return _cell_table(("tuned on", *codes, "mean of the others"), rows)


def score_map_table(records: Records, experiment: str) -> Table:
    """Return the scores of an experiment's models, a row a model, with their intervals."""
    table = readings.score_map(records, experiment)
    nothing = Point(math.nan, math.nan, math.nan)
    rows = [
        (
            records.names[run],
            *(interval(means.get(run, nothing)) for means in table.means.values()),
            *(_marked(table.cells.get((run, code))) for code in table.languages),
        )
        for run in table.runs
    ]
    means = (AGGREGATE_NAMES[name] for name in table.means)
    return _cell_table(("tuned on", *means, *table.languages), rows)


def _marked(cell: Score | None) -> str:
    if cell is None:
        return "—"
    return interval(readings.point(cell)) + (" *" if cell.p_holm < 0.05 else "")


def _cell_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    return Table(
        "scores and 95 % intervals",
        "Score (%) and its 95 % interval; a column is the language of the instructions. "
        "* differs from 50 (Holm over the cells, p < 0.05).",
        columns,
        tuple(rows),
        tuple(range(1, len(columns))),
    )


def score_table(records: Records, experiment: str) -> Table:
    """Return all scores of an experiment, with and without wrong-language responses."""
    rows = tuple(_score_cells(row, records.names) for row in records.experiment(experiment))
    columns = ("tuned on", "x", "series", "judged in", "score", "95 %", "wins / ties / losses")
    columns += ("flips", "p", "Holm p", "same language", "95 % ")
    return Table(
        f"all {len(rows)} scores with intervals",
        "Scores (%) with 95 % intervals; flips: share of prompts on which the verdict changes with "
        "the order; same language: only prompts that neither model answered in a wrong language.",
        columns,
        rows,
        tuple(range(4, len(columns))),
    )


def _score_cells(row: Score, names: Mapping[str, str]) -> tuple[str, ...]:
    aggregate = readings.is_aggregate(row.language)
    counts = "/".join(number(count, 0) for count in (row.wins, row.ties, row.losses))
    same = Point(row.score_same_language, row.low_same_language, row.high_same_language)
    return (
        names.get(row.run, row.spec),
        _shown_x(row.x),
        row.series,
        AGGREGATE_NAMES[row.language] if aggregate else language(row.language).name,
        number(row.score),
        ends(readings.point(row)),
        counts,
        number(row.flip_rate, 2),
        p_value(row.p),
        p_value(row.p_holm),
        number(same.value),
        ends(same),
    )


def number(value: float, digits: int = 1) -> str:
    """Return a number as text, with a real minus sign; a missing one is a dash."""
    if math.isnan(value):
        return "–"
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def p_value(p: float) -> str:
    """Return p as text; none is 0."""
    return "<0.001" if p < 0.001 else number(p, 3)


def _shown_x(x: str) -> str:
    """Return where an arm stands; P = 3.33333 is 3.3."""
    try:
        return f"{round(float(x), 1):g}"
    except ValueError:
        return x


def ends(point: Point, digits: int = 1) -> str:
    """Return the interval alone."""
    if math.isnan(point.low):
        return "–"
    return f"[{number(point.low, digits)}, {number(point.high, digits)}]"


def interval(point: Point, digits: int = 1) -> str:
    """Return a number and its interval."""
    return f"{number(point.value, digits)} {ends(point, digits)}".removesuffix(" –")


def settings_table(summary: str, caption: str, settings: dict[str, Any]) -> Table:
    """Return nested settings as rows of dotted names."""
    return Table(summary, caption, ("name", "value"), tuple(_flat("", settings)))


def _flat(prefix: str, settings: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            rows.extend(_flat(f"{prefix}{name}.", value))
        elif isinstance(value, list):
            rows.append((prefix + name, ", ".join(map(str, value))))
        else:
            rows.append((prefix + name, str(value)))
    return rows
