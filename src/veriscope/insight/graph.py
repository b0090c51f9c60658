"""The graph of an expression around the onset of its alerts, as a PNG for mail and chat."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from veriscope.insight.axes import time_ticks, value_ticks
from veriscope.insight.units import Unit, format_ticks, format_value

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

WIDTH: Final = 800
HEIGHT: Final = 320
_SCALE: Final = 2  # pixels a unit: sharp on dense screens, and where mail programs enlarge
_FINE: Final = 2 * _SCALE  # while lines are drawn
_LEFT_MOST: Final = 90
_RIGHT: Final = 14
_TOP: Final = 34
_LEGEND_ROW: Final = 17
_COLUMNS: Final = 2
MOST_NAMED: Final = 6
"""Series that have a colour and a name; the others are drawn quietly behind them."""

# The page's light theme: ui/src/styles/tokens.css.
_SERIES: Final = ("#3b6fe0", "#d9730d", "#14906a", "#ab47a5", "#927200", "#7a55d8")
_SURFACE: Final = "#ffffff"
_QUIET: Final = "#c3c9d4"
_GRID: Final = "#eceef2"
_TEXT: Final = "#171a21"
_MUTED: Final = "#596173"
_BAD: Final = "#b42323"
_BAD_SOFT: Final = "#fce8e6"

_SPELLED: Final = str.maketrans({"µ": "u", "→": ">", "≥": ">=", "≤": "<="})


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One series: `values[j]` at the graph's time *j*; NaN is a gap."""

    name: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What is drawn. The first `MOST_NAMED` of *lines* have a colour and stand in the legend."""

    title: str
    times_ms: NDArray[np.int64]
    lines: Sequence[Line]
    quiet: Sequence[Line]
    """Series of the expression that belong to no alert."""
    unit: Unit
    threshold: float | None
    onset_ms: int
    """From here on the background says that alerts fire."""


def draw_png(graph: Graph) -> bytes:
    """Return *graph* as a PNG of 1600 by 640 pixels, meant to be shown half as large."""
    canvas = _Canvas(graph)
    canvas.draw()
    out = BytesIO()
    # Few colours and their blends: a palette is a third of the size, and nothing is seen of it.
    image = canvas.image.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    image.save(out, "PNG", compress_level=6)
    return out.getvalue()


@lru_cache(8)
def _font(size: int) -> "FreeTypeFont":
    font = ImageFont.load_default(size * _SCALE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install a wheel of it")  # noqa: TRY004
    return font


def _plain(text: str) -> str:
    """Return *text* in letters that the built-in font has."""
    spelled = text.translate(_SPELLED)
    return "".join(c if " " <= c <= "~" or c in "°·…" else "?" for c in spelled)


def fit(text: str, size: int, width: float) -> str:
    """Return *text*, its end left out where it would be wider than *width* units."""
    font, text = _font(size), _plain(text[:400])
    if font.getlength(text) <= width * _SCALE:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle] + "…") <= width * _SCALE:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


class _Canvas:
    """Draws one graph; places are in units, of which the image has `WIDTH` by `HEIGHT`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._named = list(graph.lines[:MOST_NAMED])
        self._others = [*graph.quiet, *graph.lines[MOST_NAMED:]]
        self.image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _SURFACE)
        self._pen = ImageDraw.Draw(self.image)
        low, high = self._bounds()
        binary = graph.unit in (Unit.BYTES, Unit.BYTES_PER_SECOND)
        self._ticks = value_ticks(low, high, 5, binary=binary)
        self._labels = format_ticks(self._ticks, graph.unit)
        widest = max(_font(11).getlength(label) for label in self._labels) / _SCALE
        self._left = min(_LEFT_MOST, widest + 18)
        rows = math.ceil(len(self._named) / _COLUMNS) if self._named else 0
        self._bottom = HEIGHT - 28 - rows * _LEGEND_ROW
        self._start_ms, self._end_ms = int(graph.times_ms[0]), int(graph.times_ms[-1])

    def _bounds(self) -> tuple[float, float]:
        found = [line.values for line in (*self._named, *self._others)]
        values = np.concatenate(found) if found else np.empty(0)
        values = values[np.isfinite(values)]
        ends = [] if not len(values) else [float(values.min()), float(values.max())]
        ends += [] if self._graph.threshold is None else [self._graph.threshold]
        if not ends:
            return 0.0, 1.0
        low, high = min(ends), max(ends)
        # What is near zero is shown from zero on: a small wobble must not look like a fall.
        if 0 < low <= 0.6 * high:
            low = 0.0
        if 0.6 * low <= high < 0:
            high = 0.0
        return low, high

    def draw(self) -> None:
        """Draw everything, what lies behind first."""
        self._draw_title()
        self._paste_plot()
        self._draw_times()
        self._draw_threshold_label()
        self._draw_legend()

    def _text(
        self,
        place: tuple[float, float],
        text: str,
        fill: str,
        *,
        size: int = 11,
        anchor: str = "la",
    ) -> None:
        pixel = (round(place[0] * _SCALE), round(place[1] * _SCALE))
        self._pen.text(pixel, _plain(text), fill=fill, font=_font(size), anchor=anchor)

    def _draw_title(self) -> None:
        onset = datetime.fromtimestamp(self._graph.onset_ms / 1000, UTC)
        moment = f"since {onset:%Y-%m-%d %H:%M:%S} UTC"
        width = _font(11).getlength(moment) / _SCALE
        self._text((WIDTH - _RIGHT, 11), moment, _BAD, anchor="ra")
        title = fit(self._graph.title, 13, WIDTH - width - _RIGHT - 40)
        self._text((14, 9), title, _TEXT, size=13)

    def _x(self, time_ms: float) -> float:
        share = (time_ms - self._start_ms) / max(1, self._end_ms - self._start_ms)
        return self._left + share * (WIDTH - _RIGHT - self._left)

    def _y(self, value: float) -> float:
        low, high = self._ticks[0], self._ticks[-1]
        return self._bottom - (value - low) / (high - low) * (self._bottom - _TOP)

    def _paste_plot(self) -> None:
        """
        Draw what is between the axes at twice the size, and let every four pixels become one.

        Pillow's lines have hard edges; this softens them.
        """
        plot = Image.new("RGB", self._plot_size(), _SURFACE)
        pen = ImageDraw.Draw(plot)
        self._draw_background(pen, *plot.size)
        for line in self._others:
            self._draw_line(pen, line, _QUIET, _FINE)
        if (limit := self._graph.threshold) is not None:
            y = (self._y(limit) - _TOP) * _FINE
            for x in range(0, plot.width, 10 * _FINE):
                pen.line((x, y, x + 6 * _FINE, y), fill=_BAD, width=_FINE + 1)
        for line, colour in reversed(list(zip(self._named, _SERIES, strict=False))):
            self._draw_line(pen, line, colour, _FINE * 2 - 1)
        self.image.paste(plot.reduce(2), (round(self._left * _SCALE), _TOP * _SCALE))

    def _plot_size(self) -> tuple[int, int]:
        width, height = WIDTH - _RIGHT - self._left, self._bottom - _TOP
        return round(width * _FINE), round(height * _FINE)

    def _draw_background(self, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        onset_x = (self._x(self._graph.onset_ms) - self._left) * _FINE
        if 0 <= onset_x <= width:
            pen.rectangle((onset_x, 0, width, height), fill=_BAD_SOFT)
        for tick, label in zip(self._ticks, self._labels, strict=True):
            y = min((self._y(tick) - _TOP) * _FINE, height - 2)
            pen.line((0, y, width, y), fill=_GRID, width=_FINE // 2)
            self._text((self._left - 7, self._y(tick)), label, _MUTED, anchor="rm")
        pen.line((onset_x, 0, onset_x, height), fill=_BAD, width=_FINE)

    def _draw_line(self, pen: ImageDraw.ImageDraw, line: Line, colour: str, width: int) -> None:
        """Draw each stretch without a gap; a point alone becomes a dot."""
        size = self._plot_size()
        span = max(1, self._end_ms - self._start_ms)
        xs = (self._graph.times_ms - self._start_ms) / span * size[0]
        low, high = self._ticks[0], self._ticks[-1]
        ys = size[1] - (line.values - low) / (high - low) * size[1]
        finite = np.concatenate([[False], np.isfinite(line.values), [False]])
        edges = np.flatnonzero(np.diff(finite.astype(np.int8)))
        for first, stop in edges.reshape(-1, 2).tolist():
            flat = np.column_stack([xs[first:stop], ys[first:stop]]).ravel().tolist()
            if stop - first == 1:
                x, y = flat
                pen.ellipse((x - width, y - width, x + width, y + width), fill=colour)
            else:
                pen.line(flat, fill=colour, width=width, joint="curve")

    def _draw_times(self) -> None:
        last_end = -1.0
        for moment, label in time_ticks(self._start_ms, self._end_ms, 8):
            x = self._x(moment)
            half = _font(11).getlength(label) / _SCALE / 2
            if x - half < last_end + 8 or x + half > WIDTH - 4:
                continue
            y = self._bottom
            box = (x * _SCALE, y * _SCALE, x * _SCALE, (y + 4) * _SCALE)
            self._pen.line(box, fill=_QUIET, width=_SCALE)
            self._text((x, y + 6), label, _MUTED, anchor="ma")
            last_end = x + half

    def _draw_threshold_label(self) -> None:
        if (limit := self._graph.threshold) is None:
            return
        y = self._y(limit)
        above = y - 15 > _TOP
        label = f"threshold {format_value(limit, self._graph.unit)}"
        place = (self._left + 6, y - 3 if above else y + 3)
        self._text(place, label, _BAD, anchor="lb" if above else "la")

    def _draw_legend(self) -> None:
        column = (WIDTH - 28) / _COLUMNS
        for place, (line, colour) in enumerate(zip(self._named, _SERIES, strict=False)):
            x = 14 + place % _COLUMNS * column
            y = self._bottom + 26 + place // _COLUMNS * _LEGEND_ROW
            box = (x * _SCALE, (y + 4) * _SCALE, (x + 14) * _SCALE, (y + 7) * _SCALE)
            self._pen.rectangle(box, fill=colour)
            known = line.values[np.isfinite(line.values)]
            last = format_value(float(known[-1]), self._graph.unit) if len(known) else "no value"
            room = column - 40 - _font(11).getlength(last) / _SCALE
            self._text((x + 20, y), f"{fit(line.name, 11, room)}  {last}", _TEXT)
