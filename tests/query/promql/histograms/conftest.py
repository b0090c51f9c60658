"""
Native histograms as dicts of buckets, the slow and obvious way, and Prometheus' literals.

Besides: the `load`/`eval` language with histograms in it, over a source that holds them.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import re2

from veriscope.query.promql import PromqlEngine, parse
from veriscope.query.promql.ast import VectorSelector
from veriscope.query.promql.histograms.buckets import exponential_bounds
from veriscope.query.promql.lexer import duration_ms
from veriscope.query.promql.result import QueryResult
from veriscope.signals import (
    STALE_NAN,
    FetchLimits,
    Grid,
    Labels,
    LabelSets,
    Matcher,
    MatchOp,
    Matrix,
    RaggedSamples,
    RawFetch,
    Segment,
    label_value,
    to_labels,
)
from veriscope.signals.histograms import CUSTOM_BUCKETS, Buckets, Histograms, Runs
from veriscope.signals.matrix import HistogramSamples

UNKNOWN, YES, NO, GAUGE = range(4)
_HINTS = {"unknown": UNKNOWN, "reset": YES, "not_reset": NO, "gauge": GAUGE}
_FIELD = re.compile(r"(\w+):(\[[^\]]*\]|\S+)")


@dataclass(frozen=True)
class Plain:
    """One native histogram: buckets by index."""

    schema: int = 0
    hint: int = UNKNOWN
    count: float = 0.0
    sum: float = 0.0
    threshold: float = 0.0
    zero: float = 0.0
    positive: dict[int, float] = field(default_factory=dict)
    negative: dict[int, float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()

    @property
    def custom(self) -> bool:
        """Whether the bounds are listed."""
        return self.schema == CUSTOM_BUCKETS

    def bound(self, index: int) -> float:
        """Return the upper bound of bucket *index*."""
        if self.custom:
            if index < 0:
                return -math.inf
            return self.bounds[index] if index < len(self.bounds) else math.inf
        # As Prometheus rounds it: test_histogram_peer.py compares the table with its answers.
        return float(exponential_bounds(np.array([index]), np.array([self.schema], np.int8))[0])

    def intervals(self) -> list[tuple[float, float, float]]:
        """Return lower bound, upper bound and count of every bucket from below."""
        below = [
            (-self.bound(i), min(-self.bound(i - 1), -self.threshold), n)
            for i, n in sorted(self.negative.items(), reverse=True)
        ]
        zero = [(-self.threshold, self.threshold, self.zero)] if self.zero > 0 else []
        floor = -math.inf if self.custom else self.threshold
        above = [
            (max(self.bound(i - 1), floor), self.bound(i), n)
            for i, n in sorted(self.positive.items())
        ]
        return below + zero + above

    def compact(self) -> "Plain":
        """Return the histogram without empty buckets."""
        return replace(
            self,
            positive={i: n for i, n in self.positive.items() if n},
            negative={i: n for i, n in self.negative.items() if n},
        )

    def scaled(self, factor: float) -> "Plain":
        """Return every number of observations, and their sum, times *factor*."""
        return replace(
            self,
            hint=GAUGE if factor < 0 else self.hint,
            count=self.count * factor,
            sum=self.sum * factor,
            zero=self.zero * factor,
            positive={i: n * factor for i, n in self.positive.items()},
            negative={i: n * factor for i, n in self.negative.items()},
        )

    def at_schema(self, schema: int) -> "Plain":
        """Return the histogram at a lower resolution."""
        if self.custom or schema >= self.schema:
            return self
        shift = self.schema - schema
        return replace(
            self,
            schema=schema,
            positive=_gathered({i: ((i - 1) >> shift) + 1 for i in self.positive}, self.positive),
            negative=_gathered({i: ((i - 1) >> shift) + 1 for i in self.negative}, self.negative),
        )

    def at_threshold(self, threshold: float) -> "Plain":
        """Return the histogram with a zero bucket of at least *threshold*, cutting no bucket."""
        while True:
            cut = [
                self.bound(i)
                for side in (self.positive, self.negative)
                for i, n in side.items()
                if n and self.bound(i - 1) < threshold < self.bound(i)
            ]
            if not cut:
                break
            threshold = max(cut)
        inside = [
            n
            for side in (self.positive, self.negative)
            for i, n in side.items()
            if self.bound(i - 1) < threshold
        ]
        return replace(
            self,
            threshold=threshold,
            zero=self.zero + math.fsum(inside),
            positive={i: n for i, n in self.positive.items() if self.bound(i - 1) >= threshold},
            negative={i: n for i, n in self.negative.items() if self.bound(i - 1) >= threshold},
        )

    def at_bounds(self, bounds: Sequence[float]) -> "Plain":
        """Return the histogram with only *bounds*, which it has."""
        target = {
            i: next((k for k, bound in enumerate(bounds) if bound >= self.bound(i)), len(bounds))
            for i in self.positive
        }
        return replace(self, positive=_gathered(target, self.positive), bounds=tuple(bounds))


def _gathered(target: dict[int, int], counts: dict[int, float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for index, count in counts.items():
        found[target[index]] = found.get(target[index], 0.0) + count
    return found


def reconciled(left: Plain, right: Plain) -> tuple[Plain, Plain]:
    """Return both with the same schema, zero threshold and bounds."""
    if left.custom:
        common = [bound for bound in left.bounds if bound in right.bounds]
        return left.at_bounds(common), right.at_bounds(common)
    threshold = max(left.threshold, right.threshold)
    while left.threshold != threshold or right.threshold != threshold:
        if left.threshold != threshold:
            left = left.at_threshold(threshold)
        if right.threshold != left.threshold:
            right = right.at_threshold(left.threshold)
        threshold = max(left.threshold, right.threshold)
    schema = min(left.schema, right.schema)
    return left.at_schema(schema), right.at_schema(schema)


def added(left: Plain, right: Plain) -> Plain:
    """Return the sum of two histograms, less its empty buckets."""
    left, right = reconciled(left, right)
    hints = {left.hint, right.hint}
    return replace(
        left,
        hint=left.hint if len(hints) == 1 else (GAUGE if GAUGE in hints else UNKNOWN),
        count=left.count + right.count,
        sum=left.sum + right.sum,
        zero=left.zero + right.zero,
        positive=_merged(left.positive, right.positive),
        negative=_merged(left.negative, right.negative),
    ).compact()


def _merged(left: dict[int, float], right: dict[int, float]) -> dict[int, float]:
    return {i: left.get(i, 0.0) + right.get(i, 0.0) for i in sorted({*left, *right})}


def was_reset(now: Plain, before: Plain) -> bool:
    """Tell whether a counter was reset between two histograms."""
    if now.hint in {YES, NO}:
        return now.hint == YES
    if now.custom != before.custom or now.count < before.count:
        return True
    if now.custom:
        now, before = reconciled(now, before)
    elif now.schema > before.schema or now.threshold < before.threshold:
        return True
    else:
        before = before.at_threshold(now.threshold) if now.threshold > before.threshold else before
        if before.threshold != now.threshold or now.zero < before.zero:
            return True
        before = before.at_schema(now.schema)
    return any(
        mine.get(i, 0.0) < n
        for mine, theirs in ((now.positive, before.positive), (now.negative, before.negative))
        for i, n in theirs.items()
    )


def literal(text: str) -> Plain:
    """Read `{{schema:1 count:3 sum:4 z_bucket:1 z_bucket_w:0.5 buckets:[1 2] n_offset:1 …}}`."""
    words = dict(_FIELD.findall(text.strip().removeprefix("{{").removesuffix("}}")))
    numbers = {
        name: [float(word) for word in value[1:-1].split()]
        for name, value in words.items()
        if value.startswith("[")
    }
    offset, n_offset = int(words.get("offset", 0)), int(words.get("n_offset", 0))
    return Plain(
        schema=int(words.get("schema", 0)),
        hint=_HINTS[words.get("counter_reset_hint", "unknown")],
        count=float(words.get("count", 0)),
        sum=float(words.get("sum", 0)),
        threshold=float(words.get("z_bucket_w", 0)),
        zero=float(words.get("z_bucket", 0)),
        positive={offset + i: n for i, n in enumerate(numbers.get("buckets", []))},
        negative={n_offset + i: n for i, n in enumerate(numbers.get("n_buckets", []))},
        bounds=tuple(numbers.get("custom_values", [])),
    )


def histograms(plain: Sequence[Plain]) -> Histograms:
    """Return histograms in columns."""

    def buckets(sides: Sequence[dict[int, float]]) -> Buckets:
        cells = [cell for side in sides for cell in sorted(side.items())]
        return Buckets(
            np.cumsum([0, *map(len, sides)], dtype=np.int64),
            np.array([index for index, _ in cells], dtype=np.int32),
            np.array([count for _, count in cells], dtype=np.float64),
        )

    return Histograms(
        schema=np.array([h.schema for h in plain], dtype=np.int8),
        reset_hint=np.array([h.hint for h in plain], dtype=np.int8),
        count=np.array([h.count for h in plain], dtype=np.float64),
        sum=np.array([h.sum for h in plain], dtype=np.float64),
        zero_threshold=np.array([h.threshold for h in plain], dtype=np.float64),
        zero_count=np.array([h.zero for h in plain], dtype=np.float64),
        positive=buckets([h.positive for h in plain]),
        negative=buckets([h.negative for h in plain]),
        bounds=Runs(
            np.cumsum([0, *(len(h.bounds) for h in plain)], dtype=np.int64),
            np.array([bound for h in plain for bound in h.bounds], dtype=np.float64),
        ),
    )


def plain(found: Histograms) -> list[Plain]:
    """Return histograms one by one."""

    def side(buckets: Buckets, row: int) -> dict[int, float]:
        begin, end = buckets.offsets[row : row + 2].tolist()
        return dict(
            zip(buckets.index[begin:end].tolist(), buckets.count[begin:end].tolist(), strict=True)
        )

    return [
        Plain(
            schema=int(found.schema[row]),
            hint=int(found.reset_hint[row]),
            count=float(found.count[row]),
            sum=float(found.sum[row]),
            threshold=float(found.zero_threshold[row]),
            zero=float(found.zero_count[row]),
            positive=side(found.positive, row),
            negative=side(found.negative, row),
            bounds=tuple(found.bounds.values[slice(*found.bounds.offsets[row : row + 2])].tolist()),
        )
        for row in range(len(found))
    ]


def assert_close(found: Plain, wanted: Plain, *, hint: bool = False) -> None:
    """Compare all numbers but for rounding, and the layout exactly; hints only if asked to."""
    assert (found.schema, found.bounds) == (wanted.schema, wanted.bounds)
    assert set(found.positive) == set(wanted.positive), (found, wanted)
    assert set(found.negative) == set(wanted.negative), (found, wanted)
    if hint:
        assert found.hint == wanted.hint
    ours, theirs = (
        [
            *(h.count, h.sum, h.threshold, h.zero),
            *(h.positive[i] for i in sorted(h.positive)),
            *(h.negative[i] for i in sorted(h.negative)),
        ]
        for h in (found, wanted)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=str((found, wanted)))


class Reference:
    """The functions of this module, for tests that may not import it."""

    Plain = Plain
    literal = staticmethod(literal)
    histograms = staticmethod(histograms)
    plain = staticmethod(plain)
    added = staticmethod(added)
    was_reset = staticmethod(was_reset)
    assert_close = staticmethod(assert_close)


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Return the slow, obvious histograms."""
    return Reference()


# --- the test language ------------------------------------------------------------------------

Point = float | Plain | None
_WORD = re.compile(r"(?:\{\{.*?\}\})(?:\+\{\{.*?\}\})?(?:x\d+)?|\S+")
_STEPS = re.compile(r"(?P<start>\{\{.*?\}\})(?:\+(?P<step>\{\{.*?\}\}))?(?:x(?P<times>\d+))?")
_FLOATS = re.compile(r"(?P<start>-?[\d.]+(?:e[+-]?\d+)?)(?P<step>[+-][\d.]+)?x(?P<times>\d+)")


def expand(words: str) -> list[Point]:
    """Read Prometheus' series notation: `1 _ stale 0+10x5 {{count:1}} {{}}+{{count:1}}x5`."""
    points: list[Point] = []
    for word in _WORD.findall(words):
        if found := _STEPS.fullmatch(word):
            value = literal(found["start"])
            points.append(value)
            for _ in range(int(found["times"] or 0)):
                if found["step"]:
                    value = added(value, literal(found["step"]))
                points.append(value)
        elif found := _FLOATS.fullmatch(word):
            start, step = float(found["start"]), float(found["step"] or 0)
            points += [start + step * i for i in range(int(found["times"]) + 1)]
        elif word.startswith("_"):
            points += [None] * int(word[2:] or 1)
        else:
            points.append(STALE_NAN if word == "stale" else float(word))
    return points


@dataclass
class NativeSource:
    """Series of floats and histograms as a dict of lists."""

    series: dict[Labels, list[tuple[int, float | Plain]]] = field(default_factory=dict)
    changes: int = 0

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """See `SeriesSource`."""
        del limits
        found = [row for row in self.series if all(_fits(m, row) for m in fetch.matchers)]
        samples = [
            [s for s in self.series[row] if fetch.start_ms < s[0] <= fetch.end_ms] for row in found
        ]
        floats = [[s for s in row if not isinstance(s[1], Plain)] for row in samples]
        native = [
            (row, time, value)
            for row, column in enumerate(samples)
            for time, value in column
            if isinstance(value, Plain)
        ]
        stops = np.cumsum([len(row) for row in floats], dtype=np.int64)
        segment = Segment(
            starts=stops - np.array([len(row) for row in floats], dtype=np.int64),
            stops=stops,
            timestamps_ms=np.array([t for row in floats for t, _ in row], dtype=np.int64),
            values=np.array([v for row in floats for _, v in row], dtype=np.float64),
            histograms=HistogramSamples(
                np.array([row for row, _, _ in native], dtype=np.int64),
                np.array([time for _, time, _ in native], dtype=np.int64),
                histograms([value for _, _, value in native]),
            ),
        )
        return RaggedSamples(LabelSets(found), (segment,))

    def version(self) -> int:
        """See `SeriesSource`."""
        return self.changes

    def first_ms_since(self, version: int) -> int | None:
        """See `SeriesSource`."""
        return None if version == self.changes else -(2**62)


def _fits(matcher: Matcher, labels: Labels) -> bool:
    value = label_value(labels, matcher.name)
    if matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}:
        return (value == matcher.value) == (matcher.op is MatchOp.EQUAL)
    found = re2.fullmatch(f"(?s:{matcher.value})", value) is not None
    return found == (matcher.op is MatchOp.REGEX)


@dataclass
class NativeScript:
    """
    Runs Prometheus' test language on series with native histograms.

    `load STEP`, `clear`, `eval instant at TIME EXPR`, `eval range from TIME to TIME step TIME
    EXPR`; below an `eval`, the series and lines `expect no_warn`, `expect no_info`, `expect
    warn|info [msg: TEXT]`. A hint of an expected histogram is compared if it is given.
    """

    source: NativeSource
    engine: PromqlEngine

    def run(self, text: str) -> None:
        """Run all commands of *text*."""
        blocks: list[list[str]] = []
        for line in text.splitlines():
            if line.strip() and not line.strip().startswith("#"):
                if line.startswith(("load", "eval", "clear")):
                    blocks.append([])
                blocks[-1].append(line.strip())
        for head, *lines in blocks:
            self._command(head, lines)

    def _command(self, head: str, lines: list[str]) -> None:
        self.source.changes += 1
        if head == "clear":
            self.source.series.clear()
        elif head.startswith("load"):
            step = _milliseconds(head.split()[1])
            for line in lines:
                labels, points = _series(line)
                self.source.series[labels] = [
                    (i * step, point) for i, point in enumerate(points) if point is not None
                ]
        else:
            self._evaluate(head, lines)

    def _evaluate(self, head: str, lines: list[str]) -> None:
        if found := re.fullmatch(r"eval instant at (\w+) (.*)", head):
            grid, expr = Grid.instant(_milliseconds(found[1])), found[2]
            result = self.engine.instant_query(expr, grid.start_ms)
        else:
            found = re.fullmatch(r"eval range from (\w+) to (\w+) step (\w+) (.*)", head)
            assert found, head
            grid, expr = Grid(*map(_milliseconds, found.groups()[:3])), found[4]
            result = self.engine.range_query(expr, grid)
        _check_notes(expr, "warn", result.warnings, lines)
        _check_notes(expr, "info", result.infos, lines)
        assert isinstance(result.value, Matrix), expr
        wanted = dict(_series(line) for line in lines if not line.startswith("expect"))
        cells = _points(result.value)
        assert set(cells) == set(wanted), (expr, cells)
        for labels, points in wanted.items():
            padded = points + [None] * (len(grid) - len(points))
            for ours, theirs in zip(cells[labels], padded, strict=True):
                _check_point(expr, ours, theirs)


def _check_notes(expr: str, kind: str, said: Sequence[str], lines: list[str]) -> None:
    for line in lines:
        if line.startswith(f"expect no_{kind}"):
            assert not said, (expr, said)
        elif found := re.match(rf"expect {kind}(?: msg: ?(.*))?$", line):
            assert said, expr
            if found[1]:
                assert any(text.startswith(found[1]) for text in said), (expr, said)


def _check_point(expr: str, ours: Point, theirs: Point) -> None:
    assert type(ours) is type(theirs), (expr, ours, theirs)
    if isinstance(ours, Plain) and isinstance(theirs, Plain):
        assert_close(ours.compact(), theirs.compact(), hint=theirs.hint != UNKNOWN)
    elif ours is not None:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=expr)


def _points(value: Matrix) -> dict[Labels, list[Point]]:
    cells: list[list[Point]] = [
        [v if p else None for v, p in zip(row, there, strict=True)]
        for row, there in zip(value.values.tolist(), value.present.tolist(), strict=True)
    ]
    if value.histograms is not None:
        places = zip(value.histograms.rows.tolist(), value.histograms.steps.tolist(), strict=True)
        for (row, step), made in zip(places, plain(value.histograms.values), strict=True):
            assert cells[row][step] is not None, "a histogram that is not present"
            cells[row][step] = made
    return dict(zip(value.labels, cells, strict=True))


def _series(line: str) -> tuple[Labels, list[Point]]:
    found = re.match(r'([\w:]*(?:\{(?:[^{}"]|"[^"]*")*\})?)\s+(.*)', line)
    assert found, line
    if found[1] == "{}":
        return (), expand(found[2])
    selector = parse(found[1])
    assert isinstance(selector, VectorSelector)
    return to_labels((m.name, m.value) for m in selector.matchers), expand(found[2])


def _milliseconds(duration: str) -> int:
    return 0 if duration == "0" else duration_ms(duration, duration, 0)


@pytest.fixture
def native_engine(engine_over: Callable[[Any], PromqlEngine]) -> tuple[NativeSource, PromqlEngine]:
    """Return an empty source and an engine over it."""
    source = NativeSource()
    return source, engine_over(source)


@pytest.fixture
def native_script(
    native_engine: tuple[NativeSource, PromqlEngine],
) -> Callable[[str], None]:
    """Return what runs the test language with histograms in it."""
    return NativeScript(*native_engine).run


@pytest.fixture
def ask(native_engine: tuple[NativeSource, PromqlEngine]) -> Callable[..., QueryResult]:
    """Return what asks the engine: `(expr, time)` or `(expr, start, end, step)`."""
    engine = native_engine[1]

    def query(expr: str, *times_ms: int) -> QueryResult:
        if len(times_ms) == 1:
            return engine.instant_query(expr, times_ms[0])
        return engine.range_query(expr, Grid(*times_ms))

    return query
