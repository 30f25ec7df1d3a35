"""The figure that an experiment declares, drawn of the scores of a study."""

import collections
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pinch_jax.languages import language
from pinch_jax.report import charts
from pinch_jax.report.drawing import BLUE, LINES, ORANGE, THIN, Drawing
from pinch_jax.report.groups import in_groups
from pinch_jax.report.tables import Table, plotted
from pinch_jax.report.text_table import number
from pinch_jax.study.experiments.figure import (
    BASE,
    OWN,
    SCORE,
    Bars,
    Curve,
    Figure,
    HeatMap,
    Matrix,
    Scatter,
    Shares,
)
from pinch_jax.study.measures import counted_examples, show
from pinch_jax.study.records import Records
from pinch_jax.study.rows import ALL_ORDERS, Row, Score

SIGNIFICANT = 0.05
FOLLOW = "On a screen, rest the pointer on a line or its name to follow it; a click keeps it."


def draw(records: Records, experiment: str, title: str, figure: Figure) -> list[Drawing]:
    """Returns what an experiment declares as drawings: one, or several of many models."""
    if isinstance(figure, HeatMap):
        return heat_maps(records, experiment, title, figure)
    if isinstance(figure, Curve | Bars):
        spec = (curve if isinstance(figure, Curve) else bars)(records, experiment, figure)
        note = FOLLOW if isinstance(figure, Curve) and figure.each else ""
        return [Drawing(experiment, title, spec, note)]
    made = {Scatter: scatter, Shares: shares, Matrix: matrix}
    return [Drawing(experiment, title, made[type(figure)](records, figure))]


def curve(records: Records, experiment: str, figure: Curve) -> dict[str, Any]:
    """Returns the lines of a curve; of several arms at one place the mean is drawn."""
    places = places_of(records.experiment(experiment))
    base = records.study["base"]
    lines = figure.lines.items()
    thick = dict((base, language(base).name) if name == BASE else (name, t) for name, t in lines)
    thin = [code for code in records.judged_in(experiment) if code not in thick]
    rows = []
    for name, told in thick.items():
        rows += line(records, experiment, name, {"kind": "thick", "line": told}, places)
    first, shown = next(iter(thick)), figure.dots
    if figure.dots:
        rows += [
            {"kind": "dot", "line": row.series, "of": thick[first], "at": places[place_of(row)]}
            | plotted(row.score)
            for row in records.experiment(experiment, first)
            if row.series != ALL_ORDERS
        ]
    elif drawn := [r for r in records.draws if r.experiment == experiment and r.language in thick]:
        shown = "one draw of the examples"
        rows += [
            {"kind": "dot", "line": f"draw {row.draw}", "of": thick[row.language]}
            | {"at": places[place_of(row)], "score": row.score, "told": f"{row.score:.1f}"}
            for row in drawn
        ]
    for place, code in enumerate(thin if figure.each else ()):
        look = {"kind": "thin", "line": language(code).name, "ink": LINES[place % len(LINES)]}
        rows += line(records, experiment, code, look, places)
    return charts.curve_chart(rows, figure.x, [label for _, label in places], shown, figure.y)


def line(
    records: Records,
    experiment: str,
    name: str,
    look: Mapping[str, str],
    places: Mapping[tuple[str, str], int],
) -> list[dict[str, Any]]:
    """Returns the points of a line, which is a language or a mean."""
    rows = []
    for place, at in places.items():
        held = [row for row in records.experiment(experiment, name) if place_of(row) == place]
        if whole := [row for row in held if row.series == ALL_ORDERS] or held[: len(held) == 1]:
            rows.append({**look, "at": at, **plotted(whole[0].score)})
        elif held:
            mean = sum(row.score.value for row in held) / len(held)
            rows.append(
                {**look, "at": at, "score": mean, "told": f"{mean:.1f}, mean of {len(held)}"}
            )
    return rows


def places_of(rows: Iterable[Row]) -> dict[tuple[str, str], int]:
    """Returns the places that arms stand at, each with its number from the left."""
    held = dict.fromkeys(map(place_of, sorted(rows, key=lambda row: float(row.x))))
    return {place: at for at, place in enumerate(held)}


def place_of(row: Row) -> tuple[str, str]:
    """Returns the x of an arm, and what stands under it.

    Of 4,000 examples forty are one percent, and P = 1, which has some of the base, is another set.
    """
    count = counted_examples(row.spec)
    return row.x, f"{count} ex." if count else f"{float(row.x):.3g}"


def bars(records: Records, experiment: str, figure: Bars) -> dict[str, Any]:
    """Returns a bar an arm; those of the arms' own languages stand from the highest down."""
    rows = records.experiment(experiment)
    if figure.of != OWN:
        held = [row for row in rows if row.language == figure.of]
        names = [row.series if figure.by_series else _arm_name(records, row) for row in held]
        shown = [_bar(row, name, "mean") for row, name in zip(held, names, strict=True)]
        return charts.bar_chart(shown, figure.x, 50)
    own = [row for row in rows if row.x == row.language]
    own.sort(key=lambda row: math.inf if math.isnan(row.score.value) else -row.score.value)
    others = [row for row in rows if not row.is_mean and row.x != row.language]
    order = list(dict.fromkeys(row.language for row in (*own, *others)))
    others.sort(key=lambda row: order.index(row.language))
    shown = [_bar(row, language(row.language).name, "tuned on this language") for row in own]
    dots = [
        _bar(row, language(row.language).name, figure.dots)
        | {"told": f"{show(row.score)}, tuned on {language(row.x).name}"}
        for row in others
    ]
    return charts.bar_chart(shown, figure.x, 50, dots if figure.dots else ())


def _bar(row: Score, name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, **plotted(row.score)}


def _arm_name(records: Records, row: Score) -> str:
    """Returns an arm in words: its set, or the languages that it is named after, and its series."""
    known = set(records.languages)
    words = [language(word).name if word in known else word for word in row.series.split()]
    codes = row.x.split("+")
    named = " + ".join(language(code).name for code in codes if code in known)
    return ", ".join(filter(None, [named or records.names[row.run], " ".join(words)]))


def scatter(records: Records, figure: Scatter) -> dict[str, Any]:
    """Returns a point a language; the x axis is logarithmic where the largest is far off."""
    points = figure.points(records)
    rows = [
        {"name": language(code).name, "x": x, "share": f"{x:.2g} %", "told": show(y)}
        | {"score": y.value, "low": y.low, "high": y.high}
        for code, (x, y) in points.items()
    ]
    shares = [x for x, _ in points.values()]
    return charts.scatter_chart(rows, figure.x, figure.y, max(shares) > 4 * min(shares) > 0)


def shares(records: Records, figure: Shares) -> dict[str, Any]:
    """Returns a bar a language and model, parted by kind."""
    rows = [
        {"name": f"{language(code).name}: {records.names[run]}", "kind": kind}
        | {"value": 100 * count / sum(counts), "told": f"{count} of {sum(counts)}"}
        for (code, run), counts in figure.counts(records).items()
        for kind, count in zip(figure.kinds, counts, strict=True)
    ]
    colours = dict(zip(figure.kinds, (BLUE, THIN, ORANGE), strict=True))
    order = list(dict.fromkeys(row["name"] for row in rows))
    return charts.stacked_chart(rows, figure.x, colours, order)


def matrix(records: Records, figure: Matrix) -> dict[str, Any]:
    """Returns a cell a pair of languages, the family and script of each row beside its name."""
    cells = figure.cells(records)
    codes = list(dict.fromkeys(code for code, _ in cells))
    told = [language(code) for code in codes]
    names = {of.code: f"{of.name} ({of.family}, {of.script})" for of in told}
    rows = [
        {"name": names[a], "column": b, "value": 100 * x, "text": f"{100 * x:.0f}"}
        | {"told": f"{100 * x:.1f}"}
        for (a, b), x in cells.items()
    ]
    least = 10.0 * math.floor(10 * min(cells.values()))
    titles = figure.title, "", "the same languages"
    return charts.cell_chart(rows, [*names.values()], codes, False, titles, least)


def heat_maps(records: Records, experiment: str, title: str, figure: HeatMap) -> list[Drawing]:
    """Returns the table in colour of an experiment's models; of many models there are several."""
    held = _cells(records, experiment, figure)
    names = _row_names(records, held)
    runs = dict.fromkeys(run for run, _ in names)
    codes = by_family({code for _, code in held if code in records.languages})

    def chart(members: list[str]) -> tuple[Mapping[str, Any], str]:
        own = [arm for arm in names if arm[0] in members]
        there = [code for code in codes if any((arm, code) in held for arm in own)]
        # Who answers in few languages is not first because they are easy.
        common = [code for code in there if all((arm, code) in held for arm in own)] or there
        ranked = sorted(own, key=lambda arm: -_rank(held, arm, figure, common))
        columns = [*there, *([" "] if figure.means else []), *figure.means.values()]
        cells = [held[arm, column] for arm in ranked for column in columns if (arm, column) in held]
        marked, note = marks(cells) if figure.of == SCORE else (cells, "")
        told = [{**cell, "name": names[cell["arm"]]} for cell in marked]
        order = [names[arm] for arm in ranked]
        return charts.cell_chart(told, order, columns, figure.of == SCORE), note

    return in_groups(records, experiment, title, runs, chart)


def _rank(held: Mapping, arm: tuple[str, str], figure: HeatMap, codes: Sequence[str]) -> float:
    """Returns the mean by which an arm has its place; one that is its own baseline has no value."""
    means = [held[arm, name]["value"] for name in figure.means.values() if (arm, name) in held]
    values = means[:1] or [held[arm, code]["value"] for code in codes if (arm, code) in held]
    told = [value for value in values if value is not None and not math.isnan(value)]
    return sum(told) / len(told) if told else -math.inf


def _row_names(records: Records, held: Iterable[Any]) -> dict[tuple[str, str], str]:
    """Returns (run, series) -> its name; a run that has several arms is named by series too."""
    arms = dict.fromkeys(arm for arm, _ in held)
    counts = collections.Counter(run for run, _ in arms)
    return {arm: ", ".join((records.names[arm[0]], *arm[1:][: counts[arm[0]] - 1])) for arm in arms}


def _cells(records: Records, experiment: str, figure: HeatMap) -> dict[tuple[Any, str], dict]:
    """Returns ((run, series), column) -> a cell of the table."""
    cells = {}
    if figure.of != SCORE:
        for row in records.responses:
            value = getattr(row, figure.of) * (1 if figure.of == "chrf" else 100)
            if not math.isnan(value):
                arm = row.run, ""
                cells[arm, row.language] = _cell(arm, row.language, value, f"{value:.1f}")
        return cells
    for row in records.experiment(experiment):
        if row.is_mean and row.language not in figure.means:
            continue
        column = figure.means.get(row.language, row.language)
        itself, arm = row.run == row.baseline_run, (row.run, row.series)
        cell = _cell(arm, column, row.score.value, show(row.score))
        if itself:  # 50 by construction
            cell |= {"value": None, "text": "–", "told": "its own baseline"}
        elif not (row.is_mean or math.isnan(row.score.value)):
            cell |= {"differs": row.p_holm < SIGNIFICANT}
        cells[arm, column] = cell
    return cells


def cell_table(records: Records, experiment: str, figure: HeatMap) -> Table:
    """Returns the scores of a heat map with their intervals, a row a model."""
    held = _cells(records, experiment, figure)
    columns = (*figure.means.values(), *records.judged_in(experiment))

    def shown(arm: tuple[str, str], column: str) -> str:
        cell = held.get((arm, column), {"value": None})
        if cell["value"] is None:
            return "—"
        return cell["told"] + (" *" if cell.get("differs") else "")

    return Table(
        "scores and 95 % intervals",
        "Score (%) and its 95 % interval; a column is the language of the instructions. "
        "* differs from 50 (Holm over the cells, p < 0.05).",
        ("tuned on", *columns),
        tuple(
            (name, *(shown(arm, column) for column in columns))
            for arm, name in _row_names(records, held).items()
        ),
    )


def _cell(arm: tuple[str, str], column: str, value: float, told: str) -> dict[str, Any]:
    return {"arm": arm, "column": column, "value": value, "text": number(value, 0), "told": told}


def marks(cells: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Returns the cells, the fewer of those that differ from 50 and that do not with a mark.

    Beside them a sentence says what the mark is. Where all are alike, nothing is marked.
    """
    tested = [cell["differs"] for cell in cells if "differs" in cell]
    differ, same = sum(tested), len(tested) - sum(tested)
    rule = "by Holm's correction over the table, p < 0.05"
    if not tested or not same or not differ:
        every = "Every score differs" if differ else "No score differs"
        return [dict(cell) for cell in cells], f"{every} from 50 ({rule})." if tested else ""
    few = differ <= same
    sign, meant = ("•", "differs from 50") if few else ("°", "cannot be told from 50")
    marked = [
        {**cell, "mark": sign if cell.get("differs", not few) == few else ""} for cell in cells
    ]
    return marked, f"{sign} marks a score that {meant} ({rule})."


def by_family(codes: Iterable[str]) -> list[str]:
    """Returns languages so that those of one family, and in it of one script, stand together."""
    return sorted(codes, key=lambda code: (language(code).family, language(code).script, code))
