"""A table as lines of text, for the terminal, and numbers as people read them."""

import math
from collections.abc import Sequence


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns rows under their columns, as lines; an empty row stands for a rule.

    The first column is to the left, all others are to the right.
    """
    cells = [columns, *(row for row in rows if row)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        first, *others = row
        right = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        return "  ".join([first.ljust(widths[0]), *right]).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [line(columns), rule, *(line(row) if row else rule for row in rows)]


def number(value: float | None, digits: int = 1) -> str:
    """Returns a number as text, with a real minus sign; a missing one is a dash."""
    if value is None or math.isnan(value):
        return "–"
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")
