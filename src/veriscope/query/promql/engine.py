"""The PromQL engine: text in, whole-array answers out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from veriscope.query.errors import (
    ExecutionError,
    ParseError,
    QueryTimeoutError,
    QueryTooLargeError,
)
from veriscope.query.options import QueryOptions
from veriscope.query.promql.ast import Aggregate, Call, Expr, ValueType, unwrap, value_type
from veriscope.query.promql.evaluate import Evaluation, Result
from veriscope.query.promql.functions.invocation import Scalar, as_scalar
from veriscope.query.promql.parse import cached_parse
from veriscope.query.promql.plan import PlanRules, make_plan
from veriscope.query.promql.source import SeriesSource
from veriscope.query.promql.vectors import order_by_labels, rows, single, without_empty
from veriscope.signals import (
    Clock,
    Grid,
    InvalidInputError,
    LimitExceededError,
    Matrix,
    RaggedSamples,
    TimedOutError,
)

_log = structlog.get_logger(__name__)

_ORDERING: Final = frozenset({"sort", "sort_by_label", "sort_by_label_desc", "sort_desc"})
_RANKING: Final = frozenset({"bottomk", "topk"})
_BUCKETS_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    60,
)


class ResultKind(StrEnum):
    """The shape of an answer, as Prometheus' API calls it (`resultType`)."""

    MATRIX = "matrix"
    VECTOR = "vector"
    SCALAR = "scalar"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class QueryStats:
    """What a query took."""

    seconds: float
    """From text to answer."""
    samples: int
    """Points and samples fetched from the store."""


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


class PromqlEngine:
    """
    Evaluates PromQL on what *source* holds; synchronous, and safe from many threads.

    Both queries raise `QueryError` where there is no answer, and whatever *source* raises.
    """

    def __init__(
        self,
        source: SeriesSource,
        options: QueryOptions,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        pushdown: bool = True,
    ) -> None:
        self._source = source
        self._options = options
        self._clock = clock
        self._rules = PlanRules(
            lookback_ms=options.lookback,
            subquery_step_ms=options.subquery_step,
            max_samples=options.max_samples,
            pushdown=pushdown,
        )
        self._parse = cached_parse(options.parse_cache_size)
        self._duration = Histogram(
            "veriscope_query_duration_seconds",
            "Time from a query's text to its answer.",
            ["type"],
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self._failures = Counter(
            "veriscope_query_failures_total",
            "Queries that gave no answer.",
            ["reason"],
            registry=registry,
        )

    def instant_query(
        self, text: str, time_ms: int, *, timeout_ms: int | None = None
    ) -> QueryResult:
        """
        Return the value of *text* at *time_ms* (Unix milliseconds).

        *timeout_ms* can only shorten the time that the options allow.
        """
        with self._observed("instant", text):
            return self._answer(text, Grid.instant(time_ms), timeout_ms, instant=True)

    def range_query(self, text: str, grid: Grid, *, timeout_ms: int | None = None) -> QueryResult:
        """
        Return the value of *text*, an instant vector or a scalar, on every step of *grid*.

        *timeout_ms* can only shorten the time that the options allow.
        """
        with self._observed("range", text):
            return self._answer(text, grid, timeout_ms, instant=False)

    def _answer(
        self, text: str, grid: Grid, timeout_ms: int | None, *, instant: bool
    ) -> QueryResult:
        allowed_ms = min(timeout_ms or self._options.timeout, self._options.timeout)
        begun = self._clock.monotonic_s()
        expr = self._parse(text)
        if not instant:
            _check_range_type(expr, text)
        run = Evaluation(self._source, self._options, self._clock, allowed_ms)
        try:
            value = run.run(make_plan(expr, grid, self._rules))
        except RecursionError as error:
            raise ExecutionError("expression is nested too deeply to evaluate") from error
        if instant:
            kind, answer = _instant_answer(expr, value)
        else:
            kind, answer = ResultKind.MATRIX, _by_labels(_as_vector(value, grid))
        return QueryResult(
            kind=kind,
            grid=grid,
            value=answer,
            warnings=tuple(run.notes.warnings),
            infos=tuple(run.notes.infos),
            stats=QueryStats(self._clock.monotonic_s() - begun, run.samples),
        )

    @contextmanager
    def _observed(self, kind: str, text: str) -> Iterator[None]:
        begun = self._clock.monotonic_s()
        try:
            yield
        except Exception as error:
            reason = _reason(error)
            self._failures.labels(reason).inc()
            _log.debug("query_failed", query=text, reason=reason, error=str(error))
            raise
        finally:
            self._duration.labels(kind).observe(self._clock.monotonic_s() - begun)


def _check_range_type(expr: Expr, text: str) -> None:
    found = value_type(expr)
    if found not in {ValueType.VECTOR, ValueType.SCALAR}:
        raise ParseError(
            f'invalid expression type "{found}" for range query, must be Scalar or instant Vector',
            text=text,
        )


def _as_vector(value: Result, grid: Grid) -> Matrix:
    if isinstance(value, Matrix):
        return without_empty(value)
    return single((), grid, as_scalar(value))


def _instant_answer(expr: Expr, value: Result) -> tuple[ResultKind, Answer]:
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
    order = order_by_labels(samples.labels)
    starts, counts = samples.offsets[:-1][order], np.diff(samples.offsets)[order]
    offsets = np.concatenate(([0], np.cumsum(counts)))
    index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    return RaggedSamples(
        labels=tuple([samples.labels[row] for row in order.tolist()]),
        offsets=offsets,
        timestamps_ms=samples.timestamps_ms[index],
        values=samples.values[index],
    )


def _reason(error: Exception) -> str:
    match error:
        case ParseError():
            return "parse"
        case QueryTimeoutError() | TimedOutError():
            return "timeout"
        case QueryTooLargeError() | LimitExceededError():
            return "too_large"
        case InvalidInputError():
            return "execution"
        case _:
            return "internal"
