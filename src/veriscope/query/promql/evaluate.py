"""Evaluate a plan: fetch what it names, combine whole arrays."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from veriscope.query.errors import ExecutionError, QueryTimeoutError, QueryTooLargeError
from veriscope.query.options import QueryOptions
from veriscope.query.promql.ast import SET_OPERATORS, Call, VectorSelector, unwrap
from veriscope.query.promql.floats import format_float
from veriscope.query.promql.functions.invocation import (
    Invocation,
    Notes,
    Scalar,
    Value,
    as_scalar,
    as_vector,
)
from veriscope.query.promql.functions.table import INSTANT_FUNCTIONS
from veriscope.query.promql.nodes import (
    RECOMPUTED,
    Absent,
    AggregateNode,
    BinaryNode,
    Constant,
    GridRead,
    InstantCall,
    NegationNode,
    Newest,
    Node,
    RangeCall,
    Repeat,
    SamplesRead,
    SubqueryRead,
    Text,
)
from veriscope.query.promql.operators import aggregations, selections
from veriscope.query.promql.operators.elementwise import on_scalars, on_vector_and_scalar
from veriscope.query.promql.operators.groups import group_rows, projection
from veriscope.query.promql.operators.matching import on_sets, on_vectors
from veriscope.query.promql.ranges.table import NAME_KEEPING, RANGE_FUNCTIONS
from veriscope.query.promql.ranges.windows import Windows, cut
from veriscope.query.promql.source import SeriesSource
from veriscope.query.promql.vectors import (
    drop_names,
    empty,
    on_grid,
    order_by_labels,
    rows,
    single,
    unique,
    without_empty,
)
from veriscope.signals import (
    METRIC_NAME,
    Clock,
    FetchLimits,
    GridFetch,
    Labels,
    MatchOp,
    Matrix,
    RaggedSamples,
    RawFetch,
    is_stale,
    label_value,
    to_labels,
)

Result: TypeAlias = Value | RaggedSamples


@dataclass(slots=True)
class Evaluation:
    """One query's way through its plan; for use by a single thread."""

    source: SeriesSource
    options: QueryOptions
    clock: Clock
    timeout_ms: int
    notes: Notes = field(default_factory=Notes)
    samples: int = 0
    """Points and samples fetched so far."""
    _deadline_s: float = 0.0
    _grids: dict[GridFetch, Matrix] = field(default_factory=dict)
    _raw: dict[RawFetch, RaggedSamples] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._deadline_s = self.clock.monotonic_s() + self.timeout_ms / 1000

    def run(self, plan: Node) -> Result:
        """
        Return what *plan* evaluates to.

        Raises `QueryError`, or what the source raises. The samples of a range vector at the
        top of a plan are those of its window.
        """
        with np.errstate(all="ignore"):
            if isinstance(plan, SamplesRead):
                return self._newest_samples(plan)
            if isinstance(plan, SubqueryRead):
                return self._points(plan)
            return self._value(plan)

    def _value(self, node: Node) -> Value:
        self._limits()
        value = self._evaluate(node)
        if isinstance(value, Matrix):
            self._check_size(value.values.size)
        return value

    def _evaluate(self, node: Node) -> Value:  # noqa: C901, PLR0911 - an arm for each node
        match node:
            case Constant(grid, value):
                return np.full(len(grid), value)
            case Text(value=text):
                return text
            case GridRead():
                return self._grid_read(node)
            case Newest():
                return self._newest(node)
            case RangeCall():
                return self._range_call(node)
            case InstantCall(grid, call, args):
                values = tuple([self._value(arg) for arg in args])
                return INSTANT_FUNCTIONS[call.function](Invocation(grid, values, self.notes))
            case Absent():
                return self._absent(node)
            case AggregateNode():
                return self._aggregate(node)
            case BinaryNode():
                return self._binary(node)
            case NegationNode(inner=inner):
                return _negate(self._value(inner))
            case Repeat(grid, inner):
                return _repeat(self._value(inner), node)
            case SamplesRead() | SubqueryRead():
                raise ExecutionError("a range vector has no value of its own")

    def _vector(self, node: Node) -> Matrix:
        return as_vector(self._value(node))

    def _scalar(self, node: Node) -> Scalar:
        return as_scalar(self._value(node))

    # --- fetching -------------------------------------------------------------------------

    def _grid_read(self, node: GridRead) -> Matrix:
        fetched = self._grids.get(node.fetch)
        if fetched is None:
            fetched = self.source.fetch_grid(node.fetch, self._limits())
            if node.fetch.function in RECOMPUTED and bool(np.isnan(fetched.values).any()):
                fetched = self._from_samples(node.fetch)
            self._grids[node.fetch] = fetched
            self._count(int(np.count_nonzero(fetched.present)))
        vector = without_empty(on_grid(fetched, node.grid))
        if vector.labels:
            equal = [m for m in node.fetch.matchers if m.op is MatchOp.EQUAL]
            wanted = [matcher.value for matcher in equal if matcher.name == METRIC_NAME]
            self._check_counters(node.fetch.function, wanted or _names(vector.labels))
        return unique(drop_names(vector)) if node.drops_name else vector

    def _from_samples(self, fetch: GridFetch) -> Matrix:
        """Return what *fetch* asks for, computed here."""
        span = RawFetch(fetch.matchers, fetch.grid.start_ms - fetch.window_ms, fetch.grid.last_ms)
        windows = cut(self._samples(span), fetch.grid, fetch.window_ms, fetch.grid)
        values, present = RANGE_FUNCTIONS[fetch.function](windows)
        vector = without_empty(Matrix(windows.labels, fetch.grid, values, present))
        if (fold := fetch.aggregation) is None:
            return vector
        groups = group_rows(vector.labels, projection(fold.names, drop=fold.without))
        return aggregations.fold(fold.reduction, vector, groups)

    def _samples(self, fetch: RawFetch) -> RaggedSamples:
        fetched = self._raw.get(fetch)
        if fetched is None:
            fetched = self.source.fetch_raw(fetch, self._limits())
            self._raw[fetch] = fetched
            self._count(len(fetched.values))
        return fetched

    def _points(self, node: SubqueryRead) -> RaggedSamples:
        """Return the points of a subquery's inner expression as samples."""
        if node.inner is None:
            return _ragged(empty(node.grid))
        value = self._value(node.inner)
        if isinstance(value, np.ndarray):
            value = single((), node.inner.grid, value)
        return _ragged(as_vector(value))

    def _windows(self, node: SamplesRead | SubqueryRead, *, keep_stale: bool = False) -> Windows:
        raw = self._samples(node.fetch) if isinstance(node, SamplesRead) else self._points(node)
        self._check_size(len(raw.labels) * len(node.grid))
        return cut(raw, node.ends, node.length_ms, node.grid, keep_stale=keep_stale)

    def _newest_samples(self, node: SamplesRead) -> RaggedSamples:
        """Return the samples of the only window, less stale markers and empty series."""
        raw = self._samples(node.fetch)
        fresh = ~is_stale(raw.values)
        owner = np.repeat(np.arange(len(raw.labels)), np.diff(raw.offsets))[fresh]
        counts = np.bincount(owner, minlength=len(raw.labels))
        filled = np.flatnonzero(counts)
        return RaggedSamples(
            labels=tuple([raw.labels[row] for row in filled.tolist()]),
            offsets=np.concatenate(([0], np.cumsum(counts[filled]))),
            timestamps_ms=raw.timestamps_ms[fresh],
            values=raw.values[fresh],
        )

    # --- combining ------------------------------------------------------------------------

    def _newest(self, node: Newest) -> Matrix:
        windows = self._windows(node.samples, keep_stale=True)
        values = windows.last(windows.values)
        present = (windows.counts > 0) & ~is_stale(values)
        if node.timestamps:
            values = windows.last(windows.timestamps_ms / 1000)
        vector = Matrix(windows.labels, node.grid, values, present)
        return unique(drop_names(vector)) if node.timestamps else without_empty(vector)

    def _range_call(self, node: RangeCall) -> Matrix:
        windows = self._windows(node.samples)
        params = [self._scalar(param) for param in node.params]
        if node.function == "quantile_over_time":
            self._check_quantile(params[0])
        values, present = RANGE_FUNCTIONS[node.function](windows, *params)
        vector = Matrix(windows.labels, node.grid, values, present)
        if isinstance(node.samples, SamplesRead):
            self._check_counters(node.function, _names(without_empty(vector).labels))
        return unique(vector if node.function in NAME_KEEPING else drop_names(vector))

    def _absent(self, node: Absent) -> Matrix:
        missing = np.logical_not(self._vector(node.inner).present.any(axis=0))[None, :]
        return without_empty(
            Matrix((_absent_labels(node.call),), node.grid, np.ones(missing.shape), missing)
        )

    def _aggregate(self, node: AggregateNode) -> Matrix:
        aggregate, vector = node.aggregate, without_empty(self._vector(node.inner))
        if aggregate.op in _CHOOSING:
            # Of equals the first is chosen: it must be the same one every time.
            vector = rows(vector, order_by_labels(vector.labels))
        grouping = aggregate.grouping
        groups = group_rows(vector.labels, projection(grouping.names, drop=grouping.without))
        if aggregate.op in aggregations.FOLDS:
            return aggregations.fold(aggregate.op, vector, groups)
        param = None if node.param is None else self._value(node.param)
        if isinstance(param, str):
            return selections.count_values(vector, groups, param)
        param = as_scalar(param)
        if aggregate.op == "quantile":
            self._check_quantile(param)
        return _PARAMETRIC[aggregate.op](vector, groups, param)

    def _binary(self, node: BinaryNode) -> Value:
        binary = node.binary
        left, right = self._value(node.left), self._value(node.right)
        if isinstance(left, Matrix) and isinstance(right, Matrix):
            if binary.op in SET_OPERATORS:
                return on_sets(binary, left, right)
            return on_vectors(binary, left, right, self.options.max_samples)
        if isinstance(left, Matrix) and isinstance(right, np.ndarray):
            return on_vector_and_scalar(
                binary.op, left, right, return_bool=binary.return_bool, swapped=False
            )
        if isinstance(left, np.ndarray) and isinstance(right, Matrix):
            return on_vector_and_scalar(
                binary.op, right, left, return_bool=binary.return_bool, swapped=True
            )
        return on_scalars(binary.op, as_scalar(left), as_scalar(right))

    # --- limits ---------------------------------------------------------------------------

    def _limits(self) -> FetchLimits:
        """Return what this query may still use; raise `QueryTimeoutError` if that is nothing."""
        left_ms = int((self._deadline_s - self.clock.monotonic_s()) * 1000)
        if left_ms <= 0:
            raise QueryTimeoutError(timeout_ms=self.timeout_ms)
        return FetchLimits(
            max_samples=self.options.max_samples,
            max_series=self.options.max_series,
            timeout_ms=left_ms,
        )

    def _count(self, samples: int) -> None:
        self.samples += samples
        self._check_size(self.samples)

    def _check_size(self, samples: int) -> None:
        if samples > self.options.max_samples:
            raise QueryTooLargeError(wanted=samples, limit=self.options.max_samples)

    def _check_counters(self, function: str, names: Iterable[str]) -> None:
        """Say which of the metrics *names* do not look like the counters *function* wants."""
        if function not in _COUNTER_FUNCTIONS:
            return
        for name in dict.fromkeys(names):
            if name and not name.endswith(_COUNTER_SUFFIXES):
                self.notes.inform(
                    "metric might not be a counter, name does not end in "
                    f'_total/_sum/_count/_bucket: "{name}"'
                )

    def _check_quantile(self, q: Scalar) -> None:
        outside = q[~((q >= 0) & (q <= 1))]
        if len(outside):
            self.notes.warn(
                f"quantile value should be between 0 and 1, got {format_float(float(outside[0]))}"
            )


_COUNTER_FUNCTIONS: Final = frozenset({"rate", "increase"})
_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")
_CHOOSING: Final = frozenset({"bottomk", "limitk", "topk"})
_PARAMETRIC: Final[dict[str, Callable[..., Matrix]]] = {
    "bottomk": lambda vector, groups, k: selections.top(vector, groups, k, largest=False),
    "limit_ratio": selections.limit_ratio,
    "limitk": selections.limit,
    "quantile": aggregations.quantile,
    "topk": lambda vector, groups, k: selections.top(vector, groups, k, largest=True),
}


def _names(labels: tuple[Labels, ...]) -> list[str]:
    return [label_value(row, METRIC_NAME) for row in labels]


def _negate(value: Value) -> Value:
    if isinstance(value, Matrix):
        return unique(drop_names(replace(value, values=-value.values)))
    return -as_scalar(value)


def _repeat(value: Value, node: Repeat) -> Value:
    if isinstance(value, Matrix):
        return on_grid(value, node.grid)
    if isinstance(value, np.ndarray):
        return np.broadcast_to(value, len(node.grid))
    return value


def _ragged(vector: Matrix) -> RaggedSamples:
    counts = vector.present.sum(axis=1)
    times = np.broadcast_to(vector.grid.times_ms(), vector.values.shape)
    return RaggedSamples(
        labels=vector.labels,
        offsets=np.concatenate(([0], np.cumsum(counts))),
        timestamps_ms=times[vector.present],
        values=vector.values[vector.present],
    )


def _absent_labels(call: Call) -> Labels:
    """Return the labels that an absent series would surely have: its equality matchers."""
    selector = unwrap(call.args[0])
    selector = getattr(selector, "selector", selector)
    if not isinstance(selector, VectorSelector):
        return ()
    names = [matcher.name for matcher in selector.matchers]
    return to_labels(
        (matcher.name, matcher.value)
        for matcher in selector.matchers
        if matcher.op is MatchOp.EQUAL
        and matcher.name != METRIC_NAME
        and names.count(matcher.name) == 1
    )
