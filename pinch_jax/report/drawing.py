"""The house style of the figures, and a matplotlib figure as SVG that can stand in a page.

Colours are written as the names of the page's CSS variables, so one drawing serves the light and
the dark page. Text stays text: it is selectable and set in the page's own font.
"""

import contextlib
import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from io import StringIO

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# A drawing uses these hex colours; the page shows them as the CSS variable beside each.
INK, MUTED, GRID, PAPER = "#1b1f24", "#667079", "#d5dae0", "#fffffe"
BLUE, ORANGE, GREEN, VERMILION = "#1f5fa8", "#c2570d", "#0b7a5c", "#b3341e"
THIN = "#a3adb8"
THEME = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    VERMILION: "--vermilion",
    THIN: "--thin",
}
# One colour a language, in the order of a study: hues a golden angle apart and three lightnesses
# (OKLCH, L 0.72 to 0.86, C 0.085), so that neighbours differ without colour too, and dark text can
# stand on each: every use writes the language's code on it.
_LANGUAGE_COLOURS = (
    *("#acd4ff", "#d49183", "#81cdb2", "#e0c3fd", "#bda165", "#7ac7e2", "#ffbacf", "#8bb27d"),
    *("#aab7f2", "#fec29d", "#5eb6b0", "#d9a8d7", "#d9d593", "#74abd6", "#eca5a4", "#a2e2bc"),
    "#a89ad5",
)
STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": GRID,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
}
LABEL_POINTS = 6.5
_NAMESPACE = re.compile(r"^\{[^}]*\}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_DECIMAL = re.compile(r"(-?\d+\.\d\d)\d+")
_FONT = re.compile(r"'DejaVu Sans'[^;]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


def language_colours(codes: Iterable[str]) -> dict[str, str]:
    """Return code -> colour; they come again where there are more languages than colours."""
    return dict(zip(codes, itertools.cycle(_LANGUAGE_COLOURS), strict=False))


class Canvas:
    """A matplotlib figure of `width` x `height` inches, and its `svg` once it is drawn."""

    def __init__(self, name: str, label: str, width: float, height: float):
        self.name, self.label = name, label
        self.figure = Figure(figsize=(width, height), layout="constrained")
        self.svg = ""
        self._tips: list[str] = []

    def tip(self, artist: Artist, text: str) -> None:
        """Show `text` when the pointer rests on the artist."""
        artist.set_gid(f"tip-{len(self._tips)}")
        self._tips.append(text)

    def finish(self) -> None:
        """Write the figure as an <svg> element whose ids no other figure of the page has."""
        FigureCanvasSVG(self.figure)
        buffer = StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        self.figure.savefig(buffer, format="svg", metadata=nothing)
        root = ElementTree.fromstring(buffer.getvalue())
        for parent in list(root.iter()):
            parent.tag = _NAMESPACE.sub("", parent.tag)
            for child in list(parent):
                if _NAMESPACE.sub("", child.tag) in ("metadata", "style"):
                    parent.remove(child)
        self._rename(root)
        width = float(root.attrib["viewBox"].split()[2])
        root.attrib = {
            "viewBox": root.attrib["viewBox"],
            "class": "drawing",
            "role": "img",
            "aria-label": self.label,
            "style": f"--width: {width:.0f}",
        }
        self.svg = ElementTree.tostring(root, encoding="unicode")

    def _rename(self, root: ElementTree.Element) -> None:
        """Prefix the ids that are referred to, drop the others, and hang the tips in."""
        elements = list(root.iter())
        used = set()
        for element in elements:
            for key, value in element.attrib.items():
                used.update(_REFERENCE.findall(value))
                if key.endswith("href"):
                    used.add(value.removeprefix("#"))
        for element in elements:
            attributes = {}
            for key, value in element.attrib.items():
                key = _NAMESPACE.sub("", key)
                if key == "id":
                    if value.startswith("tip-"):
                        title = ElementTree.Element("title")
                        title.text = self._tips[int(value.removeprefix("tip-"))]
                        element.insert(0, title)
                    if value not in used:
                        continue
                    value = f"{self.name}-{value}"
                elif key == "href":
                    value = f"#{self.name}-{value.removeprefix('#')}"
                else:
                    value = _REFERENCE.sub(rf"url(#{self.name}-\1)", value)
                    value = _themed(value) if key == "style" else _LONG_DECIMAL.sub(r"\1", value)
                attributes[key] = value
            element.attrib = attributes
            if element.text is not None and not element.text.strip():
                element.text = None
            element.tail = None


def _themed(style: str) -> str:
    """Return a style attribute with the page's font and the page's colours."""
    style = _FONT.sub("var(--sans)", style)
    return _COLOUR.sub(
        lambda match: f"var({THEME[match[0]]})" if match[0] in THEME else match[0], style
    )


@contextlib.contextmanager
def canvas(name: str, label: str, width: float, height: float) -> Iterator[Canvas]:
    """Yield an empty figure in the house style; its `svg` is ready when the block ends."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        drawing = Canvas(name, label, width, height)
        yield drawing
        drawing.finish()


def score_axis(axes: Axes, label: str = "score (%)") -> None:
    """Label the y axis as a score and draw the line of a model like its baseline."""
    axes.set_ylabel(label)
    axes.axhline(50, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)


def label_line_ends(axes: Axes, x: float, ends: list[tuple[float, str]]) -> None:
    """Write (y, text) labels right of the lines' ends at x, moved apart, a leader to each."""
    if not ends:
        return
    low, high = axes.get_ylim()
    points = 72 * axes.figure.get_size_inches()[1]
    gap = 1.35 * LABEL_POINTS * (high - low) / points
    ordered = sorted(ends)
    places: list[float] = []
    for y, _ in ordered:
        places.append(y if not places else max(y, places[-1] + gap))
    # They were only pushed up: let them down by the mean, to stand around their true places.
    shift = sum(place - y for place, (y, _) in zip(places, ordered, strict=True)) / len(ends)
    for place, (y, text) in zip(places, ordered, strict=True):
        axes.annotate(
            text,
            (x, y),
            xytext=(1.022, place - shift),
            textcoords=axes.get_yaxis_transform(),
            color=MUTED,
            fontsize=LABEL_POINTS,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": THIN, "linewidth": 0.5, "shrinkA": 1},
        )
