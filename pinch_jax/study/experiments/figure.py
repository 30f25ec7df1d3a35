"""The kinds of figures that an experiment may have, declared as data; report/ draws them.

What is drawn are the scores of scores.csv: an arm stands at its `x`, and a line, bar or column is
a mean by its name, or a language. Intervals come by themselves, and so does the line at 50. `x` and
`y` are the titles of axes.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pinch_jax.evaluate.intervals import Estimate

BASE = "base"
"""Stands for the language that the others replace."""
OWN = "own"
"""Stands for the language that an arm is named after."""
SCORE = "score"
"""What a heat map shows, unless it is a column of responses.csv."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Scores over the arms, evenly spaced in the order of their `x`, which are numbers.

    Attributes:
        lines: a mean -> its name; thick, with its interval. BASE has the name of its language.
        each: whether every other language is a thin line.
        dots: what a small point beside the first line is, one for each series or draw; "" if there
            are none.
        baseline: what a score of 50 is as good as.
        y: "" where the lines are scores; else nothing is at 50.
    """

    x: str
    lines: Mapping[str, str]
    each: bool = True
    dots: str = ""
    baseline: str = "the baseline"
    y: str = ""


@dataclasses.dataclass(frozen=True)
class Bars:
    """A bar an arm with its interval, from the top to the bottom.

    Attributes:
        of: the mean that a bar shows, or OWN.
        dots: what the small points are, the scores of the other arms in that language; "" if there
            are none. They need OWN.
        by_series: whether a bar is named after its arm's series alone, and not its set.
    """

    x: str
    of: str
    dots: str = ""
    by_series: bool = False


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """A table in colour: a row an arm, the best first; a column a language, by family.

    Attributes:
        means: a mean -> what its column is called.
        of: SCORE, with 50 in the middle of the colours, or a column of responses.csv.
    """

    means: Mapping[str, str]
    of: str = SCORE


@dataclasses.dataclass(frozen=True)
class Scatter:
    """A point a language.

    Attributes:
        columns: of the CSV file: language, x, y, and the ends of y's interval.
        points: language -> (x, y), from the records of a study; empty where it has none.
        r: their correlation, NaN where it is not defined.
    """

    x: str
    y: str
    columns: tuple[str, ...]
    points: Callable[[Any], Mapping[str, tuple[float, Estimate]]]
    r: Callable[[Any], Estimate]


@dataclasses.dataclass(frozen=True)
class Shares:
    """Bars of parts that add up to 100 %, one a language and model.

    Attributes:
        kinds: what the three parts are called, the best first.
        counts: (language, run) -> how many of each kind, from the records of a study.
    """

    x: str
    kinds: tuple[str, str, str]
    counts: Callable[[Any], Mapping[tuple[str, str], Sequence[int]]]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A table in colour of pairs of languages, their families and scripts beside.

    Attributes:
        title: of the colours, with their unit.
        cells: (language, language) -> from 0 to 1, in the order of rows and columns, from the
            records of a study; empty where it has none.
    """

    title: str
    cells: Callable[[Any], Mapping[tuple[str, str], float]]


Figure = Curve | Bars | HeatMap | Scatter | Shares | Matrix
