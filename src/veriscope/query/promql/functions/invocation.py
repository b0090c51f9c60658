"""What a function is given."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Grid, Matrix

Scalar: TypeAlias = NDArray[np.float64]
"""One number for each step, shape `(steps,)`."""
Value: TypeAlias = Matrix | Scalar | str


@dataclass(slots=True)
class Notes:
    """What is doubtful about an answer: said beside it, each thing once."""

    warnings: dict[str, None] = field(default_factory=dict)
    infos: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Say that the answer may not be what was meant."""
        self.warnings[f"PromQL warning: {text}"] = None

    def inform(self, text: str) -> None:
        """Say that the query may not be what was meant."""
        self.infos[f"PromQL info: {text}"] = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function on a grid."""

    grid: Grid
    args: tuple[Value, ...]
    notes: Notes

    def vector(self, position: int) -> Matrix:
        """Return an argument that the parser has seen to be an instant vector."""
        return as_vector(self.args[position])

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
