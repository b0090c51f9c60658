"""PromQL as plainly as it can be written: one step at a time, one series at a time."""

import itertools
import math
import statistics
import struct
from collections.abc import Callable
from typing import Any

import pytest

from veriscope.query.promql import parse
from veriscope.query.promql.ast import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
)
from veriscope.signals import METRIC_NAME, STALE_BITS, Labels, label_value, to_labels

Sample = tuple[int, float]
Vector = dict[Labels, float]
LOOKBACK_MS = 300_000
SUBQUERY_STEP_MS = 60_000


class RefusedError(Exception):
    """The expression has no answer on this data."""


def is_stale(value: float) -> bool:
    """Tell the stale marker from every other NaN."""
    return struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS


def nameless(labels: Labels) -> Labels:
    """Return *labels* less the metric name."""
    return tuple(pair for pair in labels if pair[0] != METRIC_NAME)


def divided(left: float, right: float) -> float:
    """Divide as IEEE 754 does."""
    if right == 0:
        negative = math.copysign(1, left) * math.copysign(1, right) < 0
        return math.nan if left == 0 or math.isnan(left) else -math.inf if negative else math.inf
    return left / right


def power(left: float, right: float) -> float:
    """Raise as IEEE 754 does."""
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        if left == 0:
            return -math.inf if math.copysign(1, left) < 0 and right % 2 == 1 else math.inf
        return math.nan


def remainder(left: float, right: float) -> float:
    """Return the rest of a division, with the sign of *left*."""
    if math.isinf(left) or right == 0:
        return math.nan
    return math.fmod(left, right)


OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": divided,
    "%": remainder,
    "^": power,
    "atan2": math.atan2,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def quantile(q: float, values: list[float]) -> float:
    """Return the *q*-quantile, linear between ranks; NaN sorts first."""
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    ordered = sorted(values, key=lambda v: (not math.isnan(v), v))
    rank = q * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    weight = rank - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


def total(values: list[float]) -> float:
    """Return the exact sum, which compensated summation comes near."""
    if any(math.isnan(v) or math.isinf(v) for v in values):
        return sum(values)
    try:
        return math.fsum(values)
    except OverflowError:
        return sum(values)


def mean(values: list[float]) -> float:
    """Return the mean, also where the sum is too large for a float."""
    if math.isinf(found := total(values)) and all(map(math.isfinite, values)):
        return math.fsum(value / len(values) for value in values)
    return found / len(values)


def variance(values: list[float]) -> float:
    """Return the population variance."""
    if not all(map(math.isfinite, values)):
        return math.nan
    return float(statistics.pvariance(values))


def best(values: list[float], better: Callable[[float, float], bool]) -> float:
    """Return the best value; NaN only where there is nothing else."""
    found = values[0]
    for value in values[1:]:
        if better(value, found) or math.isnan(found):
            found = value
    return found


def extrapolated(window: list[Sample], start: int, end: int, *, counter: bool) -> float | None:
    """Prometheus 3's extrapolatedRate."""
    if len(window) < 2:
        return None
    (first_ms, first), (last_ms, last) = window[0], window[-1]
    gained = last - first
    if counter:
        for (_, before), (_, after) in itertools.pairwise(window):
            if after < before:
                gained += before
    to_start, to_end = (first_ms - start) / 1000, (end - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (len(window) - 1)
    if to_start >= gap * 1.1:
        to_start = gap / 2
    if counter and gained > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / gained))
    if to_end >= gap * 1.1:
        to_end = gap / 2
    return gained * ((sampled + to_start + to_end) / sampled)


def instant_change(window: list[Sample], *, counter: bool) -> tuple[float, float] | None:
    """Return what the last two samples differ by, and the seconds between them."""
    if len(window) < 2:
        return None
    (before_ms, before), (after_ms, after) = window[-2:]
    gained = after if counter and after < before else after - before
    return gained, (after_ms - before_ms) / 1000


def over_window(name: str, window: list[Sample], start: int, end: int) -> float | None:  # noqa: C901, PLR0911, PLR0912 - one arm for each function
    """Return range function *name* of the samples of one window, not empty."""
    values = [value for _, value in window]
    pairs = list(itertools.pairwise(values))
    match name:
        case "rate":
            found = extrapolated(window, start, end, counter=True)
            return None if found is None else found / ((end - start) / 1000)
        case "increase":
            return extrapolated(window, start, end, counter=True)
        case "delta":
            return extrapolated(window, start, end, counter=False)
        case "irate":
            changed = instant_change(window, counter=True)
            return None if changed is None else changed[0] / changed[1]
        case "idelta":
            changed = instant_change(window, counter=False)
            return None if changed is None else changed[0]
        case "sum_over_time":
            return total(values)
        case "avg_over_time":
            return mean(values)
        case "min_over_time":
            return best(values, lambda value, found: value < found)
        case "max_over_time":
            return best(values, lambda value, found: value > found)
        case "count_over_time":
            return float(len(values))
        case "last_over_time":
            return values[-1]
        case "first_over_time":
            return values[0]
        case "present_over_time":
            return 1.0
        case "stdvar_over_time":
            return variance(values)
        case "stddev_over_time":
            return math.sqrt(variance(values))
        case "changes":
            return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairs))
        case "resets":
            return float(sum(after < before for before, after in pairs))
        case "ts_of_first_over_time":
            return window[0][0] / 1000
        case "ts_of_last_over_time":
            return window[-1][0] / 1000
    raise AssertionError(name)


UNARY: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": lambda v: float(math.ceil(v)) if math.isfinite(v) else v,
    "floor": lambda v: float(math.floor(v)) if math.isfinite(v) else v,
    "sgn": lambda v: v if math.isnan(v) or v == 0 else math.copysign(1.0, v),
}


class Reference:
    """Evaluates expressions on *series* at single moments."""

    def __init__(self, series: dict[Labels, list[Sample]], satisfies: Callable[..., bool]) -> None:
        self.series = series
        self.satisfies = satisfies
        self.start = self.end = 0

    def ask(self, text: str, times: list[int]) -> dict[Labels, list[float | None]]:
        """Return the points of each series on all *times*; raise where any has no answer."""
        expr = parse(text)
        self.start, self.end = times[0], times[-1]
        found: dict[Labels, list[float | None]] = {}
        for place, at in enumerate(times):
            value = self.value(expr, at)
            vector = value if isinstance(value, dict) else {(): value}
            for labels, point in vector.items():
                found.setdefault(labels, [None] * len(times))[place] = point
        return found

    def value(self, expr: Expr, at: int) -> Any:  # noqa: PLR0911 - one arm for each kind
        """Return a number or a vector."""
        match expr:
            case NumberLiteral(value=value):
                return value
            case Paren(expr=inner):
                return self.value(inner, at)
            case Unary(expr=inner, op=op):
                return self.unary(self.value(inner, at), op)
            case VectorSelector():
                return self.newest(expr, at)
            case Call():
                return self.call(expr, at)
            case Aggregate():
                return self.aggregate(expr, at)
            case Binary():
                return self.binary(expr, at)
        raise AssertionError(expr)

    def moment(self, expr: VectorSelector | Subquery, at: int) -> int:
        """Return the time of the data that *expr* means at *at*."""
        pinned = expr.at
        if pinned is not None:
            at = pinned if isinstance(pinned, int) else 0
            if not isinstance(pinned, int):
                at = self.start if pinned.value == "start()" else self.end
        return at - expr.offset_ms

    def selected(self, expr: VectorSelector) -> dict[Labels, list[Sample]]:
        """Return the series that satisfy all matchers."""
        return {
            labels: samples
            for labels, samples in self.series.items()
            if all(self.satisfies(matcher, labels) for matcher in expr.matchers)
        }

    def newest(self, expr: VectorSelector, at: int) -> Vector:
        """Return the newest samples within the look-back."""
        at = self.moment(expr, at)
        found = {}
        for labels, samples in self.selected(expr).items():
            window = [value for t, value in samples if at - LOOKBACK_MS < t <= at]
            if window and not is_stale(window[-1]):
                found[labels] = window[-1]
        return found

    def windows(self, expr: Expr, at: int) -> tuple[dict[Labels, list[Sample]], int, int]:
        """Return the samples of a range, its start and its end."""
        if isinstance(expr, MatrixSelector):
            end = self.moment(expr.selector, at)
            start = end - expr.range_ms
            found = {
                labels: [s for s in samples if start < s[0] <= end and not is_stale(s[1])]
                for labels, samples in self.selected(expr.selector).items()
            }
            return found, start, end
        assert isinstance(expr, Subquery)
        end = self.moment(expr, at)
        start, step = end - expr.range_ms, expr.step_ms or SUBQUERY_STEP_MS
        points: dict[Labels, list[Sample]] = {}
        for moment in range(start // step * step + step, end + 1, step):
            for labels, value in self.value(expr.expr, moment).items():
                points.setdefault(labels, []).append((moment, value))
        return points, start, end

    def call(self, expr: Call, at: int) -> Any:  # noqa: PLR0911 - one arm for each kind of function
        """Return the value of a function."""
        name, args = expr.function, expr.args
        if name == "time":
            return at / 1000
        if name == "vector":
            return {(): self.value(args[0], at)}
        if name == "scalar":
            vector = self.value(args[0], at)
            return next(iter(vector.values())) if len(vector) == 1 else math.nan
        if name in UNARY:
            vector = self.value(args[0], at)
            return self.renamed({k: UNARY[name](v) for k, v in vector.items()})
        if name == "absent":
            return {} if self.value(args[0], at) else {(): 1.0}
        if name == "clamp_min":
            least = self.value(args[1], at)
            raised = lambda v: v if math.isnan(v) or v >= least else least  # noqa: E731
            return self.renamed({k: raised(v) for k, v in self.value(args[0], at).items()})
        return self.over_time(name, args, at)

    def over_time(self, name: str, args: tuple[Expr, ...], at: int) -> Vector:
        """Return a function of a range."""
        ranged = args[-1]
        windows, start, end = self.windows(ranged, at)
        found: Vector = {}
        for labels, window in windows.items():
            if not window:
                continue
            if name == "quantile_over_time":
                value: float | None = quantile(
                    self.value(args[0], at), [value for _, value in window]
                )
            else:
                value = over_window(name, window, start, end)
            if value is not None:
                found[labels] = value
        return found if name in {"last_over_time", "first_over_time"} else self.renamed(found)

    def renamed(self, vector: Vector) -> Vector:
        """Return *vector* without metric names; two may not become the same."""
        found: Vector = {}
        for labels, value in vector.items():
            if nameless(labels) in found:
                raise RefusedError(labels)
            found[nameless(labels)] = value
        return found

    def unary(self, value: Any, op: str) -> Any:
        """Return a signed value."""
        if op == "+":
            return value
        if isinstance(value, dict):
            return self.renamed({k: -v for k, v in value.items()})
        return -value

    def aggregate(self, expr: Aggregate, at: int) -> Vector:
        """Return an aggregation over series."""
        names, groups = set(expr.grouping.names), {}
        for labels, value in sorted(self.value(expr.expr, at).items()):
            if expr.grouping.without:
                key = tuple(p for p in nameless(labels) if p[0] not in names)
            else:
                key = tuple(p for p in labels if p[0] in names)
            groups.setdefault(key, []).append((labels, value))
        if expr.op == "topk":
            k = int(self.value(expr.param, at))
            rank = lambda pair: (math.isnan(pair[1]), -pair[1])  # noqa: E731
            return {
                labels: value
                for members in groups.values()
                for labels, value in sorted(members, key=rank)[: max(k, 0)]
            }
        return {key: self.folded(expr, at, [v for _, v in row]) for key, row in groups.items()}

    def folded(  # noqa: PLR0911 - one arm for each operator
        self, expr: Aggregate, at: int, values: list[float]
    ) -> float:
        """Return the aggregate of one group."""
        match expr.op:
            case "sum":
                return total(values)
            case "avg":
                return mean(values)
            case "min":
                return best(values, lambda value, found: value < found)
            case "max":
                return best(values, lambda value, found: value > found)
            case "count":
                return float(len(values))
            case "group":
                return 1.0
            case "stddev":
                return math.sqrt(variance(values))
            case "stdvar":
                return variance(values)
            case "quantile":
                return quantile(self.value(expr.param, at), values)
        raise AssertionError(expr.op)

    def binary(self, expr: Binary, at: int) -> Any:
        """Return a binary operation."""
        left, right = self.value(expr.left, at), self.value(expr.right, at)
        if expr.op in SET_OPERATORS:
            return self.sets(expr, left, right)
        if isinstance(left, dict) and isinstance(right, dict):
            return self.matched(expr, left, right)
        if not isinstance(left, dict) and not isinstance(right, dict):
            return float(OPERATIONS[expr.op](left, right))
        found = {}
        vector, flipped = (left, False) if isinstance(left, dict) else (right, True)
        for labels, value in vector.items():
            sides = (left, value) if flipped else (value, right)
            result = OPERATIONS[expr.op](*sides)
            if expr.op not in COMPARISONS or expr.return_bool:
                found[labels] = float(result)
            elif result:
                found[labels] = value
        filters = expr.op in COMPARISONS and not expr.return_bool
        return found if filters else self.renamed(found)

    def signature(self, expr: Binary, labels: Labels) -> Labels:
        """Return what two series must have in common to meet."""
        names = set(expr.matching.names)
        if expr.matching.on:
            return tuple(pair for pair in labels if pair[0] in names)
        return tuple(pair for pair in nameless(labels) if pair[0] not in names)

    def sets(self, expr: Binary, left: Vector, right: Vector) -> Vector:
        """Return a set operation."""
        ours = {self.signature(expr, labels) for labels in left}
        theirs = {self.signature(expr, labels) for labels in right}
        if expr.op == "and":
            return {k: v for k, v in left.items() if self.signature(expr, k) in theirs}
        if expr.op == "unless":
            return {k: v for k, v in left.items() if self.signature(expr, k) not in theirs}
        added = {k: v for k, v in right.items() if self.signature(expr, k) not in ours}
        if left.keys() & added.keys():
            raise RefusedError
        return left | added

    def matched(self, expr: Binary, left: Vector, right: Vector) -> Vector:
        """Return an operation of the series that meet."""
        matching = expr.matching
        flipped = matching.cardinality is Cardinality.ONE_TO_MANY
        many, one = (right, left) if flipped else (left, right)
        if not many:
            return {}
        partners: dict[Labels, Labels] = {}
        for labels in one:
            if self.signature(expr, labels) in partners:
                raise RefusedError(labels)
            partners[self.signature(expr, labels)] = labels
        found: Vector = {}
        seen: set[Any] = set()
        for labels, value in many.items():
            key = self.signature(expr, labels)
            if key not in partners:
                continue
            other = partners[key]
            sides = (one[other], value) if flipped else (value, one[other])
            result = OPERATIONS[expr.op](*sides)
            filters = expr.op in COMPARISONS and not expr.return_bool
            if filters and not result:
                continue
            name = self.result_labels(expr, labels, other, named=filters)
            mark = key if matching.cardinality is Cardinality.ONE_TO_ONE else (key, name)
            if mark in seen or name in found:
                raise RefusedError(labels)
            seen.add(mark)
            found[name] = sides[0] if filters else float(result)
        return found

    def result_labels(self, expr: Binary, many: Labels, one: Labels, *, named: bool) -> Labels:
        """Return what a result is called."""
        matching = expr.matching
        labels = many if named else nameless(many)
        if matching.cardinality is Cardinality.ONE_TO_ONE:
            if matching.on:
                return tuple(pair for pair in labels if pair[0] in matching.names)
            return tuple(pair for pair in labels if pair[0] not in matching.names)
        return to_labels(
            {**dict(labels), **{name: label_value(one, name) for name in matching.include}}
        )


@pytest.fixture(scope="session")
def reference() -> type[Reference]:
    """Return the maker of references."""
    return Reference


@pytest.fixture(scope="session")
def refused() -> type[RefusedError]:
    """Return the error of what has no answer."""
    return RefusedError
