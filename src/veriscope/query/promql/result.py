"""Answers: what the engine gives back, and in which order."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.ast import Aggregate, Call, Expr, unwrap
from veriscope.query.promql.evaluate import Result
from veriscope.query.promql.functions.invocation import Scalar, as_scalar
from veriscope.query.promql.samples import chosen_rows, fresh_samples
from veriscope.query.promql.vectors import order_by_labels, rows, single, without_empty
from veriscope.signals import Grid, Matrix, RaggedSamples

_ORDERING: Final = frozenset({"sort", "sort_by_label", "sort_by_label_desc", "sort_desc"})
_RANKING: Final = frozenset({"bottomk", "topk"})


class ResultKind(StrEnum):
    """The shape of an answer, as Prometheus' API calls it (`resultType`)."""

    MATRIX = "matrix"
    VECTOR = "vector"
    SCALAR = "scalar"
    STRING = "string"


@dataclass(frozen=True, slots=True, eq=False)
class QueryStats:
    """What a query took; all of an answer from the cache is `seconds`."""

    seconds: float
    """From text to answer."""
    samples: int = 0
    """Samples fetched; where they were counted for each step, what all steps looked at."""
    peak_samples: int = 0
    """The most samples that were held at a time."""
    samples_per_step: NDArray[np.int64] | None = None
    """What each step looked at; only where it was asked."""
    preparation_seconds: float = 0.0
    """Of `seconds`, for parsing and planning."""
    sorting_seconds: float = 0.0
    """Of `seconds`, for the order of the answer."""


Answer: TypeAlias = Matrix | RaggedSamples | Scalar | str


@dataclass(frozen=True, slots=True, eq=False)
class QueryResult:
    """
    An answer.

    `value` is a `Matrix` for a vector and for a range query, `RaggedSamples` for an instant
    query of a range vector, an array of one number for a scalar, and text for a string.
    """

    kind: ResultKind
    grid: Grid
    value: Answer
    warnings: tuple[str, ...]
    infos: tuple[str, ...]
    stats: QueryStats
    kept_text: list[bytes] = field(default_factory=list, init=False, repr=False)
    """The answer as JSON, where somebody kept it for the next time; see `encoding.encode`."""


def range_answer(value: Result, grid: Grid) -> Matrix:
    """Return *value*, a vector or a scalar, as series in the order of their labels."""
    vector = value if isinstance(value, Matrix) else single((), grid, as_scalar(value))
    return _by_labels(without_empty(vector))


def instant_answer(expr: Expr, value: Result) -> tuple[ResultKind, Answer]:
    """Return *value* and what it is; in the order of labels, unless *expr* gave it one."""
    if isinstance(value, Matrix):
        vector = without_empty(value)
        return ResultKind.VECTOR, vector if _is_ordered(expr) else _by_labels(vector)
    if isinstance(value, RaggedSamples):
        return ResultKind.MATRIX, _samples_by_labels(value)
    return ResultKind.STRING if isinstance(value, str) else ResultKind.SCALAR, value


def _is_ordered(expr: Expr) -> bool:
    """Return whether *expr* itself says in which order its series come."""
    expr = unwrap(expr)
    if isinstance(expr, Call):
        return expr.function in _ORDERING
    return isinstance(expr, Aggregate) and expr.op in _RANKING


def _by_labels(vector: Matrix) -> Matrix:
    return rows(vector, order_by_labels(vector.labels))


def _samples_by_labels(samples: RaggedSamples) -> RaggedSamples:
    if len(samples.segments) != 1:
        samples = fresh_samples(samples)
    return chosen_rows(samples, order_by_labels(samples.labels))
