"""The paper's figures that are curves, bars and points, as inline SVG."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from pinch_jax.languages import language
from pinch_jax.report import heat_maps, readings
from pinch_jax.report.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    THIN,
    Canvas,
    canvas,
    label_line_ends,
    score_axis,
)
from pinch_jax.report.readings import Point
from pinch_jax.report.tables import interval
from pinch_jax.study.experiments.sweep import are_pinches
from pinch_jax.study.records import ALL_ORDERS, Records

RING = {"fillstyle": "none", "markersize": 3.0, "markeredgewidth": 0.8}


def pretrained_bars(records: Records, label: str) -> str:
    """Return each language's monolingual model against the untuned one, the others as dots."""
    rows = {(row.x, row.language): row for row in records.experiment("pretrained")}
    codes = readings.judged_languages(records, "pretrained")
    with canvas("pretrained", label, 6.0, 2.9) as drawing:
        axes = drawing.figure.subplots()
        places = np.arange(len(codes))
        # A language without a monolingual model of its own has rings alone.
        own = [place for place, code in enumerate(codes) if (code, code) in rows]
        points = [readings.point(rows[codes[place], codes[place]]) for place in own]
        values = [point.value for point in points]
        at = np.array(own) - 0.14
        bars = axes.bar(at, values, 0.46, color=BLUE, label="tuned on this language")
        _intervals(axes, at, points)
        for bar, place, point in zip(bars, own, points, strict=True):
            code = codes[place]
            drawing.tip(bar, f"{language(code).name}: {point}")
        for place, judged in enumerate(codes):
            for tuned in dict.fromkeys(tuned for tuned, _ in rows):
                if tuned != judged:
                    point = readings.point(rows[tuned, judged])
                    ring = axes.plot(place + 0.26, point.value, "o", color=ORANGE, **RING)[0]
                    drawing.tip(ring, f"tuned on {tuned}, asked in {judged}: {point}")
        rings = axes.plot([], [], "o", color=ORANGE, label="tuned on one of the others", **RING)
        axes.set_xticks(places, codes)
        axes.set_ylim(0, 104)
        score_axis(axes)
        axes.grid(False, axis="x")
        axes.tick_params(length=0)
        drawing.figure.legend(handles=[bars, *rings], loc="outside upper left", ncols=2)
    return drawing.svg


def _intervals(axes: Axes, places: np.ndarray, points: list[Point]) -> None:
    """Draw the 95 % interval over each bar."""
    values = np.array(points)
    ends = np.abs(values[:, 1:].T - values[:, 0])
    axes.errorbar(
        places, values[:, 0], yerr=ends, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.5
    )


def pinch_curves(records: Records, label: str) -> str:
    """Return the score over P: each non-English language, their mean, and English."""
    base = records.study["base"]
    codes = [code for code in readings.judged_languages(records, "pinch") if code != base]
    with canvas("pinch", label, 6.4, 3.7) as drawing:
        axes = drawing.figure.subplots()
        curves = {code: readings.dose_curve(records, "pinch", code) for code in codes}
        _languages(drawing, axes, curves)
        for code, name, colour in (
            ("mean_non_english", "mean of the other languages", BLUE),
            (base, "English", ORANGE),
        ):
            _thick(drawing, axes, readings.dose_curve(records, "pinch", code), name, colour)
        _dose_axis(axes, [dose.label for dose in readings.doses(records, "pinch")])
        _name_languages(axes, curves)
        drawing.figure.legend(loc="outside upper left", ncols=2)
    return drawing.svg


def unseen_curves(records: Records, label: str) -> str:
    """Return the score over P with few tuning languages: mean seen, mean unseen, English."""
    base = records.study["base"]
    with canvas("unseen", label, 6.0, 3.2) as drawing:
        axes = drawing.figure.subplots()
        for code, name, colour in (
            ("mean_seen", "mean of the seen (without English)", BLUE),
            ("mean_unseen", "mean of the unseen", GREEN),
            (base, "English", ORANGE),
        ):
            curve = readings.dose_curve(records, "unseen", code)
            # No seen language may have a model to be held against.
            if not all(math.isnan(point.value) for point in curve):
                _thick(drawing, axes, curve, name, colour)
        _dose_axis(axes, [dose.label for dose in readings.doses(records, "unseen")])
        drawing.figure.legend(loc="outside upper left", ncols=3)
    return drawing.svg


def _languages(drawing: Canvas, axes: Axes, curves: Mapping[str, tuple[Point, ...]]) -> None:
    """Draw the curve of each of many languages thin."""
    for code, points in curves.items():
        line = axes.plot([point.value for point in points], color=THIN, linewidth=0.8, zorder=2)[0]
        drawing.tip(line, language(code).name)


def _name_languages(axes: Axes, curves: Mapping[str, tuple[Point, ...]]) -> None:
    """Write the code of each language at the end of its curve, once the axes are set."""
    last = max(len(points) for points in curves.values()) - 1
    label_line_ends(axes, last, [(points[-1].value, code) for code, points in curves.items()])


def _thick(
    drawing: Canvas, axes: Axes, points: tuple[Point, ...], name: str, colour: str, start: int = 0
) -> None:
    """Draw a main curve with its 95 % band; its first point stands at x = start."""
    places = start + np.arange(len(points))
    values = np.array(points)
    axes.fill_between(places, values[:, 1], values[:, 2], color=colour, alpha=0.16, linewidth=0)
    axes.plot(places, values[:, 0], color=colour, linewidth=2.2, zorder=3, label=name)
    for place, point in zip(places, points, strict=True):
        marker = axes.plot(place, point.value, "o", color=colour, markersize=4, zorder=4)[0]
        drawing.tip(marker, f"{name}: {point}")


def _dose_axis(axes: Axes, labels: list[str]) -> None:
    """Space the tuning sets evenly, as the paper does: 0, 1 and 10 % are all to be seen."""
    _even_axis(axes, labels, "P: multilingual part of the tuning set (%), evenly spaced")


def _even_axis(axes: Axes, labels: list[str], what: str) -> None:
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.4, len(labels) - 0.6)
    axes.set_xlabel(what)
    axes.tick_params(length=0)
    score_axis(axes)


def breadth_curves(records: Records, label: str) -> str:
    """Return the score over the number of tuning languages: each unseen language, their mean."""
    with canvas("breadth", label, 5.6, 3.5) as drawing:
        axes = drawing.figure.subplots()
        ends = []
        for code in readings.unseen_languages(records, "breadth"):
            points = readings.breadth_points(records, code)
            values = [np.mean([p.value for p in orders.values()]) for orders in points.values()]
            line = axes.plot(list(points), values, color=THIN, linewidth=0.8, zorder=2)[0]
            drawing.tip(line, language(code).name)
            ends.append((values[-1], code))
        points = readings.breadth_points(records, "mean_unseen")
        means = tuple(orders[ALL_ORDERS] for orders in points.values())
        name = "mean of the unseen languages over the orders"
        _thick(drawing, axes, means, name, BLUE, start=min(points))
        named = dict.fromkeys(order for entry in points.values() for order in entry)
        orders = [order for order in named if order != ALL_ORDERS]
        for order, marker in zip(orders, "^sDvPX<>"[: len(orders)], strict=True):
            held = {count: entry[order] for count, entry in points.items() if order in entry}
            values = [entry.value for entry in held.values()]
            style = RING | {"markersize": 4.5, "zorder": 5, "linestyle": "none"}
            axes.plot(list(held), values, marker, color=ORANGE, label=order, **style)
        axes.set_xticks(list(points))
        axes.set_xlabel("number of tuning languages (same number of examples in all)")
        axes.tick_params(length=0)
        score_axis(axes)
        label_line_ends(axes, max(points), ends)
        drawing.figure.legend(loc="outside upper left", ncols=4)
    return drawing.svg


def pair_bars(records: Records, label: str) -> str:
    """Return the mean score of each bilingual model on the other languages, grouped by pair."""
    pairs = readings.pair_groups(records)
    groups = list(pairs.values())
    width = 0.8 / max(len(group) for group in groups)
    with canvas("pairs", label, 5.8, 2.9) as drawing:
        axes = drawing.figure.subplots()
        for index in range(max(len(group) for group in groups)):
            held = [(g, group[index]) for g, group in enumerate(groups) if index < len(group)]
            places = np.array([g + (index - (len(groups[g]) - 1) / 2) * width for g, _ in held])
            points = [readings.point(row) for _, row in held]
            colour = (BLUE, ORANGE, GREEN)[index % 3]
            bars = axes.bar(places, [p.value for p in points], 0.9 * width, color=colour)
            _intervals(axes, places, points)
            for bar, place, point, (_, row) in zip(bars, places, points, held, strict=True):
                drawing.tip(bar, f"{row.x}, {row.series}: {point}")
                short = row.series.removeprefix("against ")
                axes.text(place, 2, short, ha="center", color=PAPER, fontsize=8, weight="bold")
        axes.set_xticks(range(len(pairs)), list(pairs))
        axes.set_xlabel("tuned on, half and half; a bar is held against the model named in it")
        axes.grid(False, axis="x")
        axes.tick_params(length=0)
        score_axis(axes, "mean score, other languages (%)")
    return drawing.svg


def share_scatter(records: Records, label: str) -> str:
    """Return a language's share in pretraining against the mean transfer of its model."""
    data = readings.share_transfer(records)
    with canvas("pretraining_share", label, 4.8, 3.1) as drawing:
        axes = drawing.figure.subplots()
        values = np.array(data.transfer)
        ends = np.abs(values[:, 1:].T - values[:, 0])
        axes.errorbar(
            data.share_percent, values[:, 0], yerr=ends, fmt="none", ecolor=THIN, elinewidth=1
        )
        for code, share, mean in zip(
            data.languages, data.share_percent, data.transfer, strict=True
        ):
            marker = axes.plot(share, mean.value, "o", color=BLUE, markersize=4.5, zorder=3)[0]
            drawing.tip(marker, f"{language(code).name}: {share:.2g} % of pretraining, {mean}")
            axes.annotate(code, (share, mean.value), xytext=(4, 3), textcoords="offset points")
        if max(data.share_percent) > 4 * min(data.share_percent) > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("share of the pretraining tokens (%)")
        axes.set_ylabel("mean score on the others (%)")
        axes.tick_params(length=0)
        r = data.pearson
        if not math.isnan(r.value):
            axes.set_title(f"Pearson r = {interval(r, 2)}")
        else:
            axes.set_title("Pearson r is not defined here")
    return drawing.svg


def sweep_figure(experiment: str, records: Records, label: str) -> str:
    """Return a curve where a sweep's x are three numbers or more, else a table in colour."""
    mean = readings.sweep_curve(records, experiment, "mean")
    if mean is None or len(mean) < 3:
        return heat_maps.score_map(experiment, records, label)
    codes = readings.judged_languages(records, experiment)
    with canvas(experiment, label, 6.4, 3.7) as drawing:
        axes = drawing.figure.subplots()
        curves = {
            code: tuple(readings.sweep_curve(records, experiment, code).values()) for code in codes
        }
        _languages(drawing, axes, curves)
        _thick(drawing, axes, tuple(mean.values()), "mean of the languages", BLUE)
        specs = [row.spec for row in records.experiment(experiment)]
        pinch = are_pinches(specs, records.study["base"])
        what = "examples that are not in the base language (%)"
        what = what if pinch else "number of tuning languages"
        _even_axis(axes, [f"{x:.3g}" for x in mean], f"{what}, evenly spaced")
        _name_languages(axes, curves)
        drawing.figure.legend(loc="outside upper left")
    return drawing.svg
