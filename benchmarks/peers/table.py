"""The table of figures: what each server showed, the ratios, the aim and whether it was met."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers.servers import PROMETHEUS, VERISCOPE, VICTORIA_METRICS

_PEERS: Final = (PROMETHEUS, VICTORIA_METRICS)
_TIMES: Final = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A part of an aim: our figure is at most (or at least) *limit*, or that times a peer's."""

    limit: float
    peer: str = ""
    at_least: bool = False
    shown: str = ""
    """How *limit* is written, where a plain number would not say its unit."""

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Answer whether *figures*, by server, keep it."""
        limit = self.limit * figures[self.peer] if self.peer else self.limit
        return figures[VERISCOPE] >= limit if self.at_least else figures[VERISCOPE] <= limit

    def __str__(self) -> str:
        sign, limit = "≥" if self.at_least else "≤", self.shown or f"{self.limit:g}"
        return f"{sign} {limit}" + (f" {_TIMES} {self.peer}" if self.peer else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: a figure for each server that has one, in *unit*."""

    measure: str
    unit: str
    figures: Mapping[str, float]
    aim: tuple[Bound, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the whole aim is met; None where there is none."""
        return all(bound.holds(self.figures) for bound in self.aim) if self.aim else None

    def cells(self) -> list[str]:
        """Return the row as the table shows it."""
        ours = self.figures[VERISCOPE]
        return [
            self.measure,
            *(_figure(self.figures.get(name), self.unit) for name in (*_PEERS, VERISCOPE)),
            *(_ratio(ours, self.figures.get(name)) for name in _PEERS),
            ", ".join(str(bound) for bound in self.aim),
            {None: "", True: "met", False: "missed"}[self.met],
        ]


HEADINGS: Final = ("measure", *_PEERS, VERISCOPE, *(f"÷ {name}" for name in _PEERS), "aim", "")


def to_markdown(rows: Sequence[Row], widest: int | None = None) -> str:
    """Return the table in Markdown, columns aligned, no cell longer than *widest* characters."""
    lines = [
        [
            cell if widest is None or len(cell) <= widest else cell[: widest - 1] + "…"
            for cell in line
        ]
        for line in (HEADINGS, *(row.cells() for row in rows))
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    numbers = range(1, 1 + len(_PEERS) * 2 + 1)
    written = [
        "| "
        + " | ".join(
            cell.rjust(widths[column]) if column in numbers else cell.ljust(widths[column])
            for column, cell in enumerate(line)
        )
        + " |"
        for line in lines
    ]
    rule = "".join(
        "|" + "-" * (width + 1) + (":" if column in numbers else "-")
        for column, width in enumerate(widths)
    )
    return "\n".join([written[0], f"{rule}|", *written[1:]]) + "\n"


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive *values*."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


def growth_per_series(now: tuple[int, float], before: tuple[int, float]) -> float:
    """Return by how much memory grew with each series, from two (series, bytes)."""
    return (now[1] - before[1]) / (now[0] - before[0])


def read_peaks(file: Path) -> tuple[int, dict[str, float]]:
    """Return the series and the peak memory in bytes, by server, of an earlier run's JSON."""
    told = json.loads(file.read_text(encoding="utf-8"))
    return int(told["series"]), {name: float(peak) for name, peak in told["peak_bytes"].items()}


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2  # three that matter
    return f"{value:,.{digits}f}{f' {unit}' if unit else ''}"


def _ratio(ours: float, theirs: float | None) -> str:
    return "" if not theirs else f"{ours / theirs:.2f}"
