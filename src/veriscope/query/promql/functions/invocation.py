"""What a function is given."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.query.errors import line_and_column
from veriscope.query.promql.ast import Span
from veriscope.query.promql.histograms.annotations import At
from veriscope.query.promql.histograms.points import floats_only
from veriscope.signals import Grid, Matrix

_MAX_NOTES: Final = 10
"""Warnings, and infos, that the API shows."""

Scalar: TypeAlias = NDArray[np.float64]
"""One number for each step, shape `(steps,)`."""
Value: TypeAlias = Matrix | Scalar | str


@dataclass(slots=True)
class Notes:
    """What is doubtful about an answer and where in the query's text, each thing once."""

    warnings: dict[str, Span | None] = field(default_factory=dict)
    infos: dict[str, Span | None] = field(default_factory=dict)

    def warn(self, text: str, span: Span | None = None) -> None:
        """Say that the answer may not be what was meant."""
        self.warnings[f"PromQL warning: {text}"] = span

    def inform(self, text: str, span: Span | None = None) -> None:
        """Say that the query may not be what was meant."""
        self.infos[f"PromQL info: {text}"] = span


def spell_notes(notes: dict[str, Span | None], kind: str, query: str) -> tuple[str, ...]:
    """Return *notes* as Prometheus' API shows them: ten, with their places in *query*."""
    shown = [
        text if span is None else f"{text} ({line_and_column(query, span[0])})"
        for text, span in list(notes.items())[:_MAX_NOTES]
    ]
    if (more := len(notes) - _MAX_NOTES) > 0:
        shown.append(f"{more} more {kind} annotations omitted")
    return tuple(shown)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function on a grid."""

    grid: Grid
    args: tuple[Value, ...]
    notes: Notes
    spans: tuple[Span, ...] = ()
    """Where the arguments stand in the query's text."""

    def warn(self, text: str, position: int) -> None:
        """Say that the answer may not be what was meant, because of an argument."""
        self.notes.warn(text, self._span(position))

    def inform(self, text: str, position: int) -> None:
        """Say that the query may not be what was meant, because of an argument."""
        self.notes.inform(text, self._span(position))

    def _span(self, position: int) -> Span | None:
        return self.spans[position] if position < len(self.spans) else None

    def vector(self, position: int) -> Matrix:
        """Return an argument that the parser has seen to be an instant vector."""
        return as_vector(self.args[position])

    def floats(self, position: int) -> Matrix:
        """Return such an argument less its native histograms, for functions of floats."""
        return floats_only(self.vector(position))

    def remarks(self, position: int) -> At:
        """Return where to say what there is to say because of an argument."""
        return At(self.notes, self._span(position))

    def scalar(self, position: int) -> Scalar:
        """Return an argument that the parser has seen to be a scalar."""
        return as_scalar(self.args[position])

    def text(self, position: int) -> str:
        """Return an argument that the parser has seen to be a string."""
        value = self.args[position]
        if not isinstance(value, str):
            raise TypeError(f"expected a string, got {type(value).__name__}")
        return value


def as_vector(value: object) -> Matrix:
    """Return *value*, which the parser has seen to be an instant vector."""
    if not isinstance(value, Matrix):
        raise TypeError(f"expected an instant vector, got {type(value).__name__}")
    return value


def as_scalar(value: object) -> Scalar:
    """Return *value*, which the parser has seen to be a scalar."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"expected a scalar, got {type(value).__name__}")
    return value
