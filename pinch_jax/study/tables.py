"""The tables of a study as CSV."""

import csv
import dataclasses
import io
import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.storage.files import write_text

Row = TypeVar("Row")


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
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
            way_out = "run `pinch report --workdir=...`, which writes it anew"
            raise UserError(f"{path}: no column {sorted(missing)}; {way_out}")
        return list(reader)


def _columns(row_type: type) -> dict[str, tuple[str, ...]]:
    """Returns field -> its columns; those of an estimate x are x, x_low and x_high.

    What a row is `about` has the plain ends: those of "score" are low and high, and those of
    "score_corrected" are low_corrected and high_corrected.
    """
    about, columns = getattr(row_type, "about", None), {}
    for field in dataclasses.fields(row_type):
        name = field.name
        plain = about and name.startswith(about)
        ends = (name.replace(about, end) if plain else f"{name}_{end}" for end in ("low", "high"))
        columns[name] = (name, *ends) if field.type is Estimate else (name,)
    return columns


def write_table(path: Path, row_type: type[Row], rows: Iterable[Row]) -> None:
    """Writes rows, numbers with six digits; NaN is empty, or what the type has for `untold`."""
    columns, untold = _columns(row_type), getattr(row_type, "untold", "")

    def cells(row: Row) -> Iterator[Any]:
        for name, own in columns.items():
            held = getattr(row, name)
            for value in held.numbers if len(own) > 1 else (held,):
                if isinstance(value, float):
                    value = untold if math.isnan(value) else f"{value:.6g}"
                yield value

    write_text(path, csv_text(itertools.chain(*columns.values()), map(cells, rows)))


def read_table(path: Path, row_type: type[Row]) -> tuple[Row, ...]:
    """Returns the rows that `write_table` wrote; an empty number is NaN."""
    fields, columns = dataclasses.fields(row_type), _columns(row_type)

    def value(kind: type, cells: list[str]) -> Any:
        if kind is Estimate:
            return Estimate(*(float(cell or "nan") for cell in cells))
        return cells[0] if kind is str else kind(cells[0] or "nan")

    return tuple(
        row_type(*(value(f.type, [row[name] for name in columns[f.name]]) for f in fields))
        for row in read_rows(path, itertools.chain(*columns.values()))
    )
