"""Evaluate a plan: fetch what it names, combine whole arrays."""

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, TypeAlias

import numpy as np

from veriscope.query.errors import ExecutionError
from veriscope.query.options import RollupUse
from veriscope.query.promql import blocks
from veriscope.query.promql.ast import (
    Binary,
    Call,
    Edges,
    Matching,
    VectorSelector,
    unwrap,
)
from veriscope.query.promql.blocks import in_blocks, joined_blocks, plain_read
from veriscope.query.promql.budget import Budget
from veriscope.query.promql.doubts import doubt_counters, doubt_quantile
from veriscope.query.promql.functions.invocation import (
    Invocation,
    Notes,
    Scalar,
    Value,
    as_scalar,
    as_vector,
)
from veriscope.query.promql.functions.table import INSTANT_FUNCTIONS
from veriscope.query.promql.histograms import ranges
from veriscope.query.promql.histograms.annotations import At
from veriscope.query.promql.histograms.operators import negated
from veriscope.query.promql.histograms.points import floats_only
from veriscope.query.promql.histograms.windows import as_samples, has_histograms
from veriscope.query.promql.information import enriched, information_matchers
from veriscope.query.promql.nodes import (
    Absent,
    AggregateNode,
    BinaryNode,
    Constant,
    Information,
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
from veriscope.query.promql.operators import aggregations
from veriscope.query.promql.operators.aggregate import aggregated
from veriscope.query.promql.operators.binary import combined
from veriscope.query.promql.ranges.newest import newest, newest_seconds
from veriscope.query.promql.ranges.table import NAME_KEEPING, RANGE_FUNCTIONS
from veriscope.query.promql.ranges.windows import Windows
from veriscope.query.promql.rolled import (
    RollupSource,
    points,
    rolled,
    side_by_side,
)
from veriscope.query.promql.samples import edged_samples, fresh_samples
from veriscope.query.promql.source import SeriesSource
from veriscope.query.promql.vectors import (
    drop_names,
    empty,
    merged,
    on_grid,
    single,
    unique,
    without_empty,
)
from veriscope.signals import (
    METRIC_NAME,
    Labels,
    LabelSets,
    MatchOp,
    Matrix,
    RaggedSamples,
    RawFetch,
    to_labels,
)

Result: TypeAlias = Value | RaggedSamples


@dataclass(slots=True)
class Evaluation:
    """One query's way through its plan; for use by a single thread."""

    source: SeriesSource
    budget: Budget
    lookback_ms: int = 300_000
    rollups: RollupSource | None = None
    rollup_use: RollupUse = RollupUse.EXACT
    notes: Notes = field(default_factory=Notes)
    _raw: dict[RawFetch, RaggedSamples] = field(default_factory=dict)

    def run(self, plan: Node) -> Result:
        """
        Return what *plan* evaluates to.

        Raises `QueryError`, or what the source raises. The samples of a range vector at the
        top of a plan are those of its window.
        """
        with np.errstate(all="ignore"):
            if isinstance(plan, SamplesRead):
                return self._only_window(plan)
            if isinstance(plan, SubqueryRead):
                return self._points(plan)
            return self._value(plan)

    def _value(self, node: Node) -> Value:
        self.budget.limits()
        value = self._evaluate(node)
        if isinstance(value, Matrix):
            self.budget.check_vector(value)
        return value

    def _evaluate(self, node: Node) -> Value:  # noqa: C901, PLR0911 - an arm for each node
        match node:
            case Constant(grid, value):
                return np.full(len(grid), value)
            case Text(value=text):
                return text
            case Newest():
                return self._newest(node)
            case RangeCall():
                return self._range_call(node)
            case InstantCall(grid, call, args):
                values = tuple([self._value(arg) for arg in args])
                spans = tuple([arg.span for arg in call.args])
                invocation = Invocation(grid, values, self.notes, spans)
                return INSTANT_FUNCTIONS[call.function](invocation)
            case Absent():
                return self._absent(node)
            case AggregateNode():
                return self._aggregate(node)
            case BinaryNode():
                return self._operators(node)
            case Information():
                return self._information(node)
            case NegationNode(inner=inner):
                return _negate(self._value(inner))
            case Repeat(grid, inner):
                return _repeat(self._value(inner), node)
            case SamplesRead() | SubqueryRead():
                raise ExecutionError("a range vector has no value of its own")

    @property
    def _counting(self) -> bool:
        """Whether samples are counted for each step, which costs more than their sum."""
        return self.budget.samples_per_step is not None

    def _vector(self, node: Node) -> Matrix:
        return as_vector(self._value(node))

    def _scalar(self, node: Node) -> Scalar:
        return as_scalar(self._value(node))

    def _operators(self, node: BinaryNode) -> Value:
        value = self._value(node.first)
        for matching, group in groupby(node.applied, _union_matching):
            applied = list(group)
            if matching is not None:
                values = [value, *[self._value(right) for _, right in applied]]
                value = self._united(applied[0][0], values)
                continue
            for binary, right in applied:
                value = self._combined(binary, value, self._value(right))
        return value

    def _united(self, union: Binary, values: list[Value]) -> Value:
        """Return `value or value or …`, by halves: what is generated may have thousands."""
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            unpaired = values[len(values) - len(values) % 2 :]
            values = [*[self._combined(union, *pair) for pair in pairs], *unpaired]
        return values[0]

    def _combined(self, binary: Binary, left: Value, right: Value) -> Value:
        value = combined(binary, left, right, self.budget.options.max_samples, self.notes)
        if isinstance(value, Matrix):
            self.budget.check_vector(value)
        return value

    # --- fetching -------------------------------------------------------------------------

    def _samples(self, fetch: RawFetch) -> RaggedSamples:
        fetched = self._raw.get(fetch)
        if fetched is None:
            fetched = self.source.fetch(fetch, self.budget.limits())
            self._raw[fetch] = fetched
            self.budget.fetched(fetched.samples)
        return fetched

    def _points(self, node: SubqueryRead) -> RaggedSamples:
        """Return the points of a subquery's inner expression as samples."""
        if node.inner is None:
            return as_samples(empty(node.grid))
        value = self._value(node.inner)
        if isinstance(value, np.ndarray):
            value = single((), node.inner.grid, value)
        return as_samples(as_vector(value))

    def _windows(self, node: SamplesRead | SubqueryRead) -> Windows:
        if isinstance(node, SamplesRead):
            raw, edges = self._samples(node.fetch), node.edges
        else:
            raw, edges = self._points(node), Edges.PLAIN
        self.budget.check(len(raw.labels) * len(node.grid))
        if edges is not Edges.PLAIN and has_histograms(raw):
            raise ExecutionError(
                "smoothed and anchored modifiers do not work with native histograms"
            )
        return Windows(raw, node.ends, node.length_ms, node.grid, edges, self.lookback_ms)

    def _only_window(self, node: SamplesRead) -> RaggedSamples:
        """Return the samples of the only window, less stale markers and empty series."""
        found = fresh_samples(self._windows(node).samples)
        if node.edges is not Edges.PLAIN:
            start_ms, end_ms = node.ends.last_ms - node.length_ms, node.ends.last_ms
            smoothed = node.edges is Edges.SMOOTHED
            found = edged_samples(found, start_ms, end_ms, smoothed=smoothed)
        self.budget.looked_at(np.array([found.samples]), pinned=node.pinned)
        return found

    # --- combining ------------------------------------------------------------------------

    def _newest(self, node: Newest) -> Matrix:
        windows = self._windows(node.samples)
        values, present = (newest_seconds if node.timestamps else newest)(windows)
        if self._counting:
            self.budget.looked_at(present.sum(axis=0), pinned=node.samples.pinned)
        vector = Matrix(windows.labels, node.grid, values, present)
        if has_histograms(windows.samples):
            add = ranges.newest_seconds if node.timestamps else ranges.newest
            vector = add(windows.samples, node.samples.ends, node.samples.length_ms, vector)
        return unique(drop_names(vector)) if node.timestamps else without_empty(vector)

    def _range_call(self, node: RangeCall) -> Matrix:
        vector = without_empty(self._from_rollups(node) or self._from_samples(node))
        if node.function in _COUNTER_FUNCTIONS:
            counters = without_empty(floats_only(vector)).labels
            doubt_counters(self.notes, counters, node.samples.span)
        return unique(vector if node.function in NAME_KEEPING else drop_names(vector))

    def _from_rollups(self, node: RangeCall) -> Matrix | None:
        if self.rollups is None or self._counting:
            return None
        part = rolled(node, self.rollups, self.rollup_use)
        if part is None or (found := self.rollups.fetch(part.fetch, self.budget.limits())) is None:
            return None
        self.budget.fetched(len(found.ends_ms))
        self.budget.check(len(found.labels) * len(node.grid))
        first = points(part, found)
        if part.rest is None:
            return first
        return side_by_side(first, self._from_samples(part.rest), node.grid)

    def _from_samples(self, node: RangeCall) -> Matrix:
        windows = self._windows(node.samples)
        params = [self._scalar(param) for param in node.params]
        if self._counting:
            counts, _ = RANGE_FUNCTIONS["count_over_time"](windows)
            self.budget.looked_at(counts.sum(axis=0), pinned=node.samples.pinned)
        values, present = RANGE_FUNCTIONS[node.function](windows, *params)
        if node.function == "quantile_over_time":
            doubt_quantile(self.notes, params[0][present.any(axis=0)], node.spans[0])
        vector = Matrix(windows.labels, node.grid, values, present)
        if not has_histograms(windows.samples):
            return vector
        return ranges.with_histograms(
            node.function,
            windows.samples,
            node.samples.ends,
            node.samples.length_ms,
            vector=vector,
            remarks=At(self.notes, node.samples.span),
        )

    def _absent(self, node: Absent) -> Matrix:
        missing = np.logical_not(self._vector(node.inner).present.any(axis=0))[None, :]
        labels = LabelSets([_absent_labels(node.call)])
        return without_empty(Matrix(labels, node.grid, np.ones(missing.shape), missing))

    def _aggregate(self, node: AggregateNode) -> Matrix:
        aggregate, inner = node.aggregate, node.inner
        given = None if node.param is None else self._value(node.param)
        parts = self._blocks(inner) if aggregate.op in aggregations.FOLDS else []
        if not parts:
            return aggregated(aggregate, self._vector(inner), given, self.notes)
        folded = [aggregated(aggregate, self._vector(part), given, self.notes) for part in parts]
        return joined_blocks(folded)

    def _blocks(self, node: Node) -> list[Node]:
        """Return *node* cut into some steps each, where it is too large to have all at once."""
        read = plain_read(node)
        if read is None or self._counting:
            return []
        raw = self._samples(read.fetch)
        points = len(raw.labels) * len(node.grid)
        self.budget.check(points)
        if points <= blocks.BLOCK_POINTS or has_histograms(raw):
            return []
        return in_blocks(node, read, len(raw.labels))

    def _information(self, node: Information) -> Matrix:
        base = self._vector(node.inner)
        selector = () if node.selector is None else node.selector.matchers
        matchers = information_matchers(base.labels, selector)
        if matchers is None:
            return enriched(base, None, selector)
        ends, length_ms = node.ends, self.lookback_ms
        fetch = RawFetch(matchers, ends.start_ms - length_ms, ends.last_ms)
        told = self._samples(fetch)
        if has_histograms(told):
            raise ExecutionError("info metrics must have float samples, not native histograms")
        windows = Windows(told, ends, length_ms, node.grid)
        seconds, present = newest_seconds(windows)
        found = without_empty(Matrix(windows.labels, node.grid, seconds, present))
        return enriched(base, found, selector)


_COUNTER_FUNCTIONS: Final = frozenset({"rate", "increase"})


def _union_matching(applied: tuple[Binary, Node]) -> Matching | None:
    """Return by what an `or` tells series apart; None for other operators."""
    binary, _ = applied
    return binary.matching if binary.op == "or" else None


def _negate(value: Value) -> Value:
    if isinstance(value, Matrix):
        opposite = replace(value, values=-value.values, histograms=negated(value.histograms))
        return merged(drop_names(opposite))
    return -as_scalar(value)


def _repeat(value: Value, node: Repeat) -> Value:
    if isinstance(value, Matrix):
        return on_grid(value, node.grid)
    if isinstance(value, np.ndarray):
        return np.broadcast_to(value, len(node.grid))
    return value


def _absent_labels(call: Call) -> Labels:
    """Return the labels that an absent series would have: those of equality matchers."""
    selector = unwrap(call.args[0])
    selector = getattr(selector, "selector", selector)
    if not isinstance(selector, VectorSelector):
        return ()
    given: dict[str, str] = {}
    for matcher in selector.matchers:
        # As in Prometheus, a matcher after an equality makes its label doubtful, one before not.
        if matcher.op is MatchOp.EQUAL and matcher.name not in given:
            given[matcher.name] = matcher.value
        elif matcher.name in given:
            given[matcher.name] = ""
    return to_labels({**given, METRIC_NAME: ""})
