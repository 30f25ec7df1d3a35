"""The tables of a study as CSV."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.errors import UserError


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
