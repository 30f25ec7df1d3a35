"""The tables of a study as CSV."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pinch_jax.errors import UserError
from pinch_jax.files import write_text

Row = TypeVar("Row")


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Returns rows as CSV; NaN is an empty cell."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if isinstance(c, float) and math.isnan(c) else c for c in row)
    return table.getvalue()


def read_rows(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Returns the rows of a CSV file.

    Raises:
        UserError: it lacks one of these columns.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise UserError(f"{path}: no column {sorted(missing)}; delete it and analyse anew")
        return list(reader)


def write_table(path: Path, row_type: type[Row], rows: Iterable[Row]) -> None:
    """Writes rows, a column a field, numbers with six digits."""

    def cell(value: Any) -> Any:
        told = isinstance(value, float) and not math.isnan(value)
        return f"{value:.6g}" if told else value

    columns = [field.name for field in dataclasses.fields(row_type)]
    write_text(path, csv_text(columns, (map(cell, dataclasses.astuple(row)) for row in rows)))


def read_table(path: Path, row_type: type[Row]) -> tuple[Row, ...]:
    """Returns the rows that `write_table` wrote; an empty number is NaN."""
    fields = dataclasses.fields(row_type)

    def cell(field: dataclasses.Field, text: str) -> str | float:
        return text if field.type is str else float(text or "nan")

    rows = read_rows(path, [field.name for field in fields])
    return tuple(row_type(*(cell(field, row[field.name]) for field in fields)) for row in rows)
