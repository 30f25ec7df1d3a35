"""The kinds of charts, made of plain rows with Altair; every one fits the width of its page."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from pinch_jax.report.drawing import (
    BLUE,
    GREEN,
    INK,
    LINES,
    MUTED,
    ORANGE,
    PAPER,
    THIN,
    WASH,
    fitted,
)
from pinch_jax.report.labels import NAME_HEIGHT, apart, beside_points

Rows = Sequence[Mapping[str, Any]]
CURVE_HEIGHT = 260
# Of more thin lines than these none is named; the pointer tells them apart, and no colour would.
MOST_NAMES = 48
_ROW_HEIGHT = 21
# The titles of a table of shares: of its colours, rows and columns.
SHARES = "percent of the responses", "tuned on", "language of the instructions"


def _data(rows: Rows) -> alt.InlineData:
    return alt.InlineData(values=list(rows))


def _tips(**titles: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(field=field, type="nominal", title=title) for field, title in titles.items()
    ]


def _listed(order: Sequence[str], title: str | None = None) -> alt.Y:
    """Returns the names of rows in this order, from the top to the bottom."""
    axis = alt.Axis(title=title, grid=False)
    return alt.Y("name:N", sort=list(order), axis=axis).scale(domain=list(order))


def curve_chart(
    rows: Rows, x: str, labels: Sequence[str], dots: str, y: str = ""
) -> dict[str, Any]:
    """Returns lines over evenly spaced places, which have these labels.

    `y` is the title of its axis where the lines are no scores, and 50 means nothing.

    A row is a `kind` ("thick", "thin" or "dot"), the name of its `line`, its place `at`, `score`,
    `low`, `high`, `told`, the `ink` of a thin line, and the line that a dot is `of`.
    """
    rows = [{**row, "x": labels[row["at"]]} for row in rows]
    last = max(len(labels) - 1, 1)
    top = 10 * -(-max(4.0 if y else 54.0, *(row.get("high", row["score"]) for row in rows)) // 10)
    values = {
        kind: [row for row in rows if row["kind"] == kind] for kind in ("thick", "thin", "dot")
    }
    hover = alt.selection_point("hover", fields=["line"], on="pointerover", empty=False)
    pick = alt.selection_point("pick", fields=["line"], on="click", empty=False)
    names = list(dict.fromkeys(row["line"] for row in values["thick"]))
    inks = [BLUE, ORANGE, GREEN, *LINES][: len(names)]
    colour = alt.Color("line:N").scale(domain=names, range=inks)
    places = alt.Axis(
        values=list(range(len(labels))),
        labelExpr=f"{json.dumps(list(labels))}[datum.value]",
        grid=False,
        tickCount=len(labels),  # without it Vega thins them, and leaves out P = 1
        labelOverlap=False,
    )
    at = alt.X("at:Q", title=x, axis=places)
    count = len({row["line"] for row in values["thin"]})
    named = 0 < count <= MOST_NAMES
    height = max(CURVE_HEIGHT, math.ceil(NAME_HEIGHT * count)) if named else CURVE_HEIGHT
    at = at.scale(domain=[-0.05 * last, last * (1.15 if named else 1.03)], nice=False)
    score = alt.Y("score:Q", title=y or "score (%)").scale(domain=[0, top], nice=False)
    tips = _tips(line="line", x="at", told="score")
    thick = alt.Chart(_data(values["thick"]))
    even = alt.Chart(_data([{"y": 50, "from": -0.05 * last, "to": 1.02 * last}]))
    even = even.mark_rule(color=MUTED, strokeDash=[4, 3]).encode(x="from:Q", x2="to:Q", y="y:Q")
    layers = [
        *([even] if not y else []),
        thick.mark_area(opacity=0.16).encode(at, alt.Y("low:Q"), alt.Y2("high:Q"), colour),
    ]
    if count:
        gap = NAME_HEIGHT * top / height if named else None
        layers += _thin_lines(values["thin"], at, score, hover | pick, last, top, gap)
    layers += [
        thick.mark_line(strokeWidth=2.6).encode(at, score, colour),
        thick.mark_circle(size=46, opacity=1).encode(at, score, colour, tooltip=tips),
    ]
    if values["dot"]:
        points = alt.Chart(_data([{**row, "what": dots} for row in values["dot"]]))
        drawn = points.mark_point(size=26, strokeWidth=1.4)
        shape = alt.Shape("what:N").scale(domain=[dots], range=["diamond"])
        ink = alt.Color("of:N").scale(domain=names, range=inks)
        layers.append(drawn.encode(at, score, shape, ink, tooltip=tips))
    layers[-1] = layers[-1].add_params(hover, pick)
    return fitted(alt.layer(*layers), height)


def _thin_lines(
    rows: Rows,
    at: alt.X,
    score: alt.Y,
    held: alt.Predicate,
    last: int,
    top: float,
    gap: float | None,
) -> list[alt.Chart]:
    """Returns a thin line a language, with its name at the end, which its colour leads to.

    `gap` is from one name to the next, as a score; None leaves names and colours out.
    """
    wide = alt.when(held).then(alt.value(3)).otherwise(alt.value(1.1))
    ink = alt.Stroke("ink:N", scale=None) if gap else alt.StrokeValue(THIN)
    lines = alt.Chart(_data(rows))
    tips = _tips(line="language", x="at", told="score")
    drawn = [
        lines.mark_line().encode(at, score, ink, detail="line:N", strokeWidth=wide, tooltip=tips),
        lines.mark_circle(size=130, opacity=0).encode(at, score, ink, tooltip=tips),
    ]
    if not gap:
        return drawn
    end = max(row["at"] for row in rows)
    ends = [row for row in rows if row["at"] == end]
    places = apart([row["score"] for row in ends], gap, top)
    named = [
        {**row, "score": place, "end": row["score"], "near": last * 1.012, "far": last * 1.035}
        for row, place in zip(ends, places, strict=True)
    ]
    names = alt.Chart(_data(named))
    leaders = names.mark_rule(strokeWidth=0.8)
    beside = alt.X("near:Q"), alt.X2("far:Q"), alt.Y("end:Q"), alt.Y2("score:Q")
    return [
        *drawn,
        leaders.encode(*beside, ink),
        names.mark_text(align="left", dx=3, fontSize=11.5).encode(
            alt.X("far:Q"),
            score,
            alt.Text("line:N"),
            fill=alt.Fill("ink:N", scale=None),
            tooltip=tips,  # without one Vega-Lite makes a mark deaf to the pointer
        ),
    ]


def cell_chart(
    rows: Rows,
    order: Sequence[str],
    columns: Sequence[str],
    diverging: bool,
    titles: tuple[str, str, str] = SHARES,
    least: float = 0.0,
) -> dict[str, Any]:
    """Returns a table in colour: of scores with 50 in the middle, else of shares from `least` on.

    `titles` are those of the colours, the rows and the columns.

    A row is the `name` of its row, its `column`, `value`, `text`, `told`, and the `mark` beside
    the text. A column without a row is a gap.
    """
    scale = alt.Scale(domain=[least, 100], range=[WASH, GREEN], interpolate="rgb")
    (title, down, over), strong = titles, f"datum.value > {least + 0.6 * (100 - least)}"
    if diverging:
        scale = alt.Scale(domain=[0, 50, 100], range=[ORANGE, WASH, BLUE], interpolate="rgb")
        title = "score (%): 50 is as good as the baseline"
        strong = "datum.value !== null && abs(datum.value - 50) > 30"
    steps = [least + part * (100 - least) for part in (0, 0.25, 0.5, 0.75, 1)]
    legend = alt.Legend(title=title, titleLimit=300, values=steps)
    colour = alt.Color("value:Q", scale=scale, legend=legend)
    across = alt.Axis(title=over, grid=False, orient="top", labelAngle=0)
    x = alt.X("column:N", sort=list(columns), axis=across)
    x = x.scale(domain=list(columns), paddingInner=0.04)
    y = _listed(order, down).scale(domain=list(order), paddingInner=0.06)
    chart = alt.Chart(_data(rows))
    ink = alt.when(strong).then(alt.value(PAPER)).otherwise(alt.value(INK))
    asked = "asked in" if titles == SHARES else "with"
    tips = _tips(name=down, column=asked, told="percent")
    layers = [
        chart.mark_rect().encode(x, y, colour, tooltip=tips),
        chart.mark_text(fontSize=11.5).encode(x, y, text="text:N", color=ink, tooltip=tips),
    ]
    if any(row.get("mark") for row in rows):
        marks = chart.mark_text(fontSize=9, dx=11, dy=-5)
        layers.append(marks.encode(x, y, text="mark:N", color=ink, tooltip=tips))
    return fitted(alt.layer(*layers), _ROW_HEIGHT * len(order), 110 + 26 * len(columns))


def bar_chart(rows: Rows, x: str, reference: float | None, dots: Rows = ()) -> dict[str, Any]:
    """Returns horizontal bars with intervals, and small points of the same names.

    A row is its `name`, `score`, `low`, `high`, `told` and the `kind` that the legend calls it; a
    point its `name`, `score`, `told` and `kind`.
    """
    every = (*rows, *dots)
    order = list(dict.fromkeys(row["name"] for row in every))
    y = _listed(order)
    # Percent, or kappa, which may be below 0; intervals are within the axis. NaN is beyond nothing.
    top = 100 if max(reference or 0, *(row.get("high", row["score"]) for row in every)) > 1 else 1
    least = math.floor(10 * min(0.0, *(row.get("low", row["score"]) for row in every))) / 10
    score = alt.X("score:Q", title=x, axis=alt.Axis(tickCount=5)).scale(domain=[least, top])
    kinds = list(dict.fromkeys(row["kind"] for row in every))
    colour = alt.Color("kind:N").scale(domain=kinds, range=[BLUE, ORANGE, INK][: len(kinds)])
    colour = colour if len(kinds) > 1 else alt.value(BLUE)
    bars = alt.Chart(_data(rows))
    tips = _tips(name="", kind="", told="percent")
    ends = alt.X("low:Q"), alt.X2("high:Q")
    layers = [
        bars.mark_bar(height={"band": 0.62}, opacity=0.5 if dots else 0.85).encode(
            score, y, color=colour, tooltip=tips
        ),
        bars.mark_rule(strokeWidth=1.4).encode(*ends, y, tooltip=tips),
    ]
    if reference is not None:
        middle = alt.Chart(_data([{"x": reference}])).mark_rule(color=MUTED, strokeDash=[4, 3])
        layers.append(middle.encode(x="x:Q"))
    if dots:
        drawn = alt.Chart(_data(dots)).mark_point(size=30, strokeWidth=1.6, opacity=1)
        layers.append(drawn.encode(score, y, color=colour, tooltip=tips))
    return fitted(alt.layer(*layers), _ROW_HEIGHT * len(order))


def stacked_chart(
    rows: Rows, x: str, colours: Mapping[str, str], order: Sequence[str], columns: int = 3
) -> dict[str, Any]:
    """Returns horizontal bars of segments, in the order of their colours, which a legend names.

    A row is its `name`, its `kind`, `value` and `told`; `low` and `high`, where it has them, are an
    interval from the left.
    """
    y = _listed(order)
    place = {kind: index for index, kind in enumerate(colours)}
    placed = [{**row, "place": place[row["kind"]]} for row in rows]
    colour = alt.Color("kind:N", legend=alt.Legend(columns=columns)).scale(
        domain=list(colours), range=list(colours.values())
    )
    bars = alt.Chart(_data(placed)).mark_bar(height={"band": 0.78}, stroke=PAPER, strokeWidth=0.5)
    value = alt.X("value:Q", title=x, stack=True, axis=alt.Axis(tickCount=5)).scale(nice=False)
    tips = _tips(name="tuned on", kind="of them", told="number")
    layers = [bars.encode(value, y, colour, order=alt.Order("place:Q"), tooltip=tips)]
    if ends := [row for row in rows if "low" in row]:
        rule = alt.Chart(_data(ends)).mark_rule(strokeWidth=1.6)
        layers.append(rule.encode(alt.X("low:Q"), alt.X2("high:Q"), y))
    return fitted(alt.layer(*layers), 18 * len(order))


def trace_chart(rows: Rows, x: str, y: str) -> dict[str, Any]:
    """Returns many lines of which the pointer tells one; a row is its `line`, `at` and `value`."""
    hover = alt.selection_point("hover", fields=["line"], on="pointerover", empty=False)
    lines = alt.Chart(_data(rows)).mark_line(opacity=0.6)
    chart = lines.encode(
        alt.X("at:Q", title=x, axis=alt.Axis(grid=False, format="~g", tickMinStep=1)),
        alt.Y("value:Q", title=y),
        alt.Detail("line:N"),
        color=alt.when(hover).then(alt.value(ORANGE)).otherwise(alt.value(BLUE)),
        strokeWidth=alt.when(hover).then(alt.value(2.6)).otherwise(alt.value(1)),
        tooltip=_tips(line="tuned on"),
    )
    return fitted(chart.add_params(hover), 200)


def scatter_chart(rows: Rows, x: str, y: str, logarithmic: bool) -> dict[str, Any]:
    """Returns named points with intervals; a row is its `name`, `x`, `score`, `low`, `high`."""
    scale = alt.Scale(type="log" if logarithmic else "linear", nice=False, zero=False, padding=40)
    across = alt.X("x:Q", title=x, scale=scale, axis=alt.Axis(grid=False, format="~g", tickCount=6))
    score = alt.Y("score:Q", title=y).scale(zero=False, padding=16)
    chart = alt.Chart(_data(rows))
    ends = chart.mark_rule(color=THIN).encode(across, alt.Y("low:Q"), alt.Y2("high:Q"))
    tips = _tips(name="language", share="share", told="score")
    points = chart.mark_circle(size=60, color=BLUE, opacity=1).encode(across, score, tooltip=tips)
    names = []
    for side, dy, held in beside_points(rows, logarithmic):
        text = alt.Chart(_data(held)).mark_text(align=side, dy=dy, fontSize=11.5)
        text.mark.dx = 7 if side == "left" else -7
        names.append(text.encode(across, score, text="name:N"))
    return fitted(alt.layer(ends, points, *names), 260)
