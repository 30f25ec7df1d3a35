"""The house style of the charts, and a chart as SVG, PNG and PDF.

A chart is a Vega-Lite specification, made with Altair. The page draws it again in the colours of
the reader's day or night; what vl-convert makes of it is for paper, and for who has no JavaScript.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from pinch_jax.storage.files import write_bytes

# A specification uses these colours; the page shows them as the CSS variable beside each.
INK, MUTED, GRID, PAPER, WASH = "#1b1f24", "#5b6570", "#d5dae0", "#fffffe", "#eceff2"
BLUE, ORANGE, GREEN, VERMILION = "#1f5fa8", "#c2570d", "#0b7a5c", "#b3341e"
THIN = "#a3adb8"
THEME = {
    **{INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper", WASH: "--wash"},
    **{BLUE: "--blue", ORANGE: "--orange", GREEN: "--green", VERMILION: "--vermilion"},
    THIN: "--thin",
}
# Of many thin lines: of middle lightness, for the light and the dark page alike.
LINES = ("#8a6fb5", "#4f8fc0", "#5f9a5b", "#b08a3e", "#b5627f", "#3f9d97")
WIDTH = 760
SUFFIXES = (".svg", ".png", ".pdf")
# Of what a page holds, which has to stay in it.
RIGHTS = "// Vega, Vega-Lite, vega-embed: (c) UW Interactive Data Lab, BSD-3-Clause; D3: ISC\n"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
CONFIG: Mapping[str, Any] = {
    "aria": False,
    "font": FONT,
    "background": PAPER,
    "padding": 4,
    "view": {"stroke": None},
    "title": {"anchor": "start", "fontSize": 11, "color": INK},
    "text": {"color": INK, "font": FONT},
    "axis": {
        **{"labelColor": INK, "titleColor": INK, "gridColor": GRID, "domainColor": GRID},
        **{"ticks": False, "domain": False, "labelFontSize": 12, "titleFontSize": 12},
        **{"titleFontWeight": "normal", "labelPadding": 5, "titlePadding": 8, "labelLimit": 230},
    },
    "legend": {
        **{"orient": "top", "title": None, "labelColor": INK, "titleColor": INK, "columns": 4},
        **{"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        **{"labelLimit": 300, "offset": 6, "symbolOpacity": 1, "gradientLength": 220},
    },
    "rule": {"color": INK},
}
_NUMBER = re.compile(r"(-?\d+\.\d\d)\d+")
_TAG = re.compile(r"<[^>]*>")
_IDENTITY = re.compile(r'(\bid="|url\(#|href="#)([\w-]+)')
# One colour a language, in the order of a study: hues a golden angle apart and three lightnesses
# (OKLCH, L 0.72 to 0.86, C 0.085), so that neighbours differ without colour too.
_LANGUAGE_COLOURS = (
    *("#acd4ff", "#d49183", "#81cdb2", "#e0c3fd", "#bda165", "#7ac7e2", "#ffbacf", "#8bb27d"),
    *("#aab7f2", "#fec29d", "#5eb6b0", "#d9a8d7", "#d9d593", "#74abd6", "#eca5a4", "#a2e2bc"),
    "#a89ad5",
)
BASE_COLOUR = "#c6ccd2"


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A chart that is drawn.

    Attributes:
        name: of its files; no other figure of the page has it.
        title: stands above it where a section has several, and tells what it is.
        spec: its Vega-Lite specification, without the house style.
        note: what the caption adds of these numbers.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    note: str = ""

    @functools.cached_property
    def svg(self) -> str:
        """The chart on paper."""
        text = vl_convert.vegalite_to_svg({**self.spec, "config": CONFIG})
        # Shorter where it says where things are; what is read, such as a tick at 0.917, stays.
        return _TAG.sub(lambda tag: _NUMBER.sub(r"\1", tag[0]), text)

    @property
    def inline(self) -> str:
        """The SVG as an element of a page, with ids that no other one has."""
        named = _IDENTITY.sub(rf"\1{self.name}-\2", self.svg)
        width = re.search(r'width="(\d+)"', named)[1]
        head = f'<svg role="img" aria-label="{escape(self.title)}" style="--width:{width}"'
        return named.replace("<svg", head, 1)

    def write(self, folder: Path) -> None:
        """Writes the chart into a folder as SVG, PNG and PDF."""
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in SUFFIXES:
            self.save(folder / (self.name + suffix))

    def save(self, path: Path) -> None:
        """Writes the chart as what the suffix of a file, one of `SUFFIXES`, says."""
        made = {
            ".svg": self.svg.encode,
            ".png": lambda: vl_convert.svg_to_png(self.svg, scale=2),
            ".pdf": lambda: vl_convert.svg_to_pdf(self.svg),
        }
        write_bytes(path, made[path.suffix]())


def fitted(
    chart: alt.Chart | alt.LayerChart, height: int, least_width: int = 300
) -> dict[str, Any]:
    """Returns the specification of a chart that fits the width of its page, but for a least one.

    The height is that of the plot, without axes and legends. On paper too nothing is narrower than
    the least width: a table of a hundred columns is looked at through a glass.
    """
    size = alt.AutoSizeParams(type="fit-x", contains="padding")
    least = {"least_width": least_width}
    width = max(WIDTH, least_width)
    whole = chart.properties(width=width, height=height, autosize=size, usermeta=least)
    spec = whole.to_dict(validate=False)  # a tenth of a page's time; a test asks the schema
    del spec["$schema"], spec["config"]
    return spec


def language_colours(codes: Iterable[str]) -> dict[str, str]:
    """Returns code -> colour; they come again where there are more languages than colours."""
    several = _LANGUAGE_COLOURS
    return {code: several[place % len(several)] for place, code in enumerate(codes)}


@functools.cache
def bundled_script(own: str) -> str:
    """Returns Vega, Vega-Lite, vega-embed and a script of one's own that uses them, in one."""
    return RIGHTS + vl_convert.javascript_bundle(own)
