"""A slow, obvious source of series, and the `load`/`eval` language that fills and asks it."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import promql_parser
import pytest
import re2
from prometheus_client import CollectorRegistry

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine, parse
from veriscope.query.promql.ast import VectorSelector
from veriscope.signals import (
    METRIC_NAME,
    STALE_BITS,
    STALE_NAN,
    Aggregation,
    FetchLimits,
    Grid,
    GridFetch,
    GridFunction,
    Labels,
    LimitExceededError,
    ManualClock,
    Matcher,
    MatchOp,
    Matrix,
    RaggedSamples,
    RawFetch,
    Reduction,
    label_value,
    to_labels,
)

Sample = tuple[int, float]


def is_stale_marker(value: float) -> bool:
    """Tell the stale marker from every other float."""
    return int(np.array(value).view(np.uint64)) == STALE_BITS


def satisfies(matcher: Matcher, labels: Labels) -> bool:
    """Tell whether *labels* satisfy *matcher*."""
    value = label_value(labels, matcher.name)
    if matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}:
        return (value == matcher.value) == (matcher.op is MatchOp.EQUAL)
    found = re2.fullmatch(f"(?s:{matcher.value})", value) is not None
    return found == (matcher.op is MatchOp.REGEX)


def extrapolate(samples: list[Sample], end: int, window: int, *, counter: bool) -> float | None:
    """Prometheus 3's extrapolatedRate, one window at a time; None where there is no point."""
    if len(samples) < 2:
        return None
    (first_ms, first), (last_ms, last) = samples[0], samples[-1]
    result = last - first
    if counter:
        for (_, before), (_, after) in itertools.pairwise(samples):
            if after < before:
                result += before
    to_start = (first_ms - (end - window)) / 1000
    to_end = (end - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (len(samples) - 1)
    if to_start >= gap * 1.1:
        to_start = gap / 2
    if counter and result > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / result))
    if to_end >= gap * 1.1:
        to_end = gap / 2
    return result * ((sampled + to_start + to_end) / sampled)


def instantly(samples: list[Sample], *, counter: bool) -> tuple[float, float] | None:
    """Return the difference of the last two samples and the seconds between them."""
    if len(samples) < 2:
        return None
    (before_ms, before), (after_ms, after) = samples[-2:]
    gained = after if counter and after < before else after - before
    return gained, (after_ms - before_ms) / 1000


def least(values: list[float], better: Callable[[float, float], bool]) -> float:
    """Return the best value as Prometheus' loops find it: NaN gives way to anything."""
    best = values[0]
    for value in values[1:]:
        if better(value, best) or math.isnan(best):
            best = value
    return best


def careful_sum(values: list[float]) -> float:
    """Neumaier's sum, as Prometheus' kahanSumInc."""
    total = correction = 0.0
    for value in values:
        new = total + value
        if math.isinf(new):
            correction = 0.0
        elif abs(total) >= abs(value):
            correction += (total - new) + value
        else:
            correction += (value - new) + total
        total = new
    return total if math.isinf(total) else total + correction


def window_value(  # noqa: C901, PLR0911, PLR0912 - one arm for each function
    function: GridFunction, samples: list[Sample], end: int, window: int
) -> float | None:
    """Return *function* of the samples in one window; None where it gives no point."""
    if function is GridFunction.LATEST:
        return samples[-1][1] if samples and not is_stale_marker(samples[-1][1]) else None
    samples = [sample for sample in samples if not is_stale_marker(sample[1])]
    if not samples:
        return None
    values = [value for _, value in samples]
    pairs = list(itertools.pairwise(values))
    match function:
        case GridFunction.RATE:
            grown = extrapolate(samples, end, window, counter=True)
            return None if grown is None else grown / (window / 1000)
        case GridFunction.INCREASE:
            return extrapolate(samples, end, window, counter=True)
        case GridFunction.DELTA:
            return extrapolate(samples, end, window, counter=False)
        case GridFunction.IRATE:
            last_two = instantly(samples, counter=True)
            return None if last_two is None else last_two[0] / last_two[1]
        case GridFunction.IDELTA:
            last_two = instantly(samples, counter=False)
            return None if last_two is None else last_two[0]
        case GridFunction.SUM:
            return careful_sum(values)
        case GridFunction.AVG:
            total = careful_sum(values)
            if math.isinf(total):
                return math.fsum(value / len(values) for value in values)
            return total / len(values)
        case GridFunction.MIN:
            return least(values, lambda value, best: value < best)
        case GridFunction.MAX:
            return least(values, lambda value, best: value > best)
        case GridFunction.COUNT:
            return float(len(values))
        case GridFunction.LAST:
            return values[-1]
        case GridFunction.PRESENT:
            return 1.0
        case GridFunction.CHANGES:
            return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairs))
        case GridFunction.RESETS:
            return float(sum(after < before for before, after in pairs))
    raise AssertionError(function)


def reduced(  # noqa: PLR0911 - one arm for each reduction
    reduction: Reduction, values: list[float]
) -> float:
    """Fold the values of one group at one step."""
    match reduction:
        case Reduction.SUM:
            return careful_sum(values)
        case Reduction.AVG:
            total = careful_sum(values)
            if math.isinf(total):
                return math.fsum(value / len(values) for value in values)
            return total / len(values)
        case Reduction.MIN:
            return least(values, lambda value, best: value < best)
        case Reduction.MAX:
            return least(values, lambda value, best: value > best)
        case Reduction.COUNT:
            return float(len(values))
        case Reduction.GROUP:
            return 1.0


def group_labels(aggregation: Aggregation, labels: Labels) -> Labels:
    """Return the labels by which *aggregation* groups a series."""
    if aggregation.without:
        dropped = {*aggregation.names, METRIC_NAME}
        return tuple(pair for pair in labels if pair[0] not in dropped)
    return tuple(pair for pair in labels if pair[0] in aggregation.names)


@dataclass
class MemorySource:
    """Series as a dict, and each fetch as the plainest loop that can answer it."""

    series: dict[Labels, list[Sample]] = field(default_factory=dict)
    fetches: list[GridFetch | RawFetch] = field(default_factory=list)

    def add(self, labels: Labels | Mapping[str, str] | str, samples: Iterable[Sample]) -> None:
        """Add samples (time in ms, value) to a series, named as PromQL spells it."""
        if isinstance(labels, str):
            selector = parse(labels)
            assert isinstance(selector, VectorSelector)
            labels = to_labels((m.name, m.value) for m in selector.matchers)
        elif isinstance(labels, Mapping):
            labels = to_labels(labels)
        merged = dict(self.series.get(labels, [])) | dict(samples)
        self.series[labels] = sorted(merged.items())

    def select(self, matchers: tuple[Matcher, ...]) -> list[Labels]:
        """Return the series that satisfy all *matchers*."""
        return [row for row in self.series if all(satisfies(m, row) for m in matchers)]

    def fetch_grid(self, fetch: GridFetch, limits: FetchLimits) -> Matrix:
        """See `SeriesSource`."""
        self.fetches.append(fetch)
        rows: dict[Labels, list[list[float]]] = {}
        steps = fetch.grid.times_ms().tolist()
        for labels in self._checked(fetch.matchers, limits):
            key = labels if fetch.aggregation is None else group_labels(fetch.aggregation, labels)
            cells = rows.setdefault(key, [[] for _ in steps])
            for cell, end in zip(cells, steps, strict=True):
                window = self._between(labels, end - fetch.window_ms, end)
                value = window_value(fetch.function, window, end, fetch.window_ms)
                if value is not None:
                    cell.append(value)
        fold = fetch.aggregation and fetch.aggregation.reduction
        values = np.array(
            [
                [reduced(fold, cell) if fold and cell else (cell or [0.0])[0] for cell in cells]
                for cells in rows.values()
            ]
        ).reshape(len(rows), len(steps))
        present = np.array(
            [[bool(cell) for cell in cells] for cells in rows.values()], dtype=np.bool_
        ).reshape(len(rows), len(steps))
        return Matrix(tuple(rows), fetch.grid, values, present)

    def fetch_raw(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """See `SeriesSource`."""
        self.fetches.append(fetch)
        labels = self._checked(fetch.matchers, limits)
        columns = [self._between(row, fetch.start_ms, fetch.end_ms) for row in labels]
        flat = [sample for column in columns for sample in column]
        if len(flat) > limits.max_samples:
            raise LimitExceededError("query.max_samples")
        return RaggedSamples(
            labels=tuple(labels),
            offsets=np.cumsum([0, *map(len, columns)]),
            timestamps_ms=np.array([time for time, _ in flat], dtype=np.int64),
            values=np.array([value for _, value in flat], dtype=np.float64),
        )

    def _checked(self, matchers: tuple[Matcher, ...], limits: FetchLimits) -> list[Labels]:
        found = self.select(matchers)
        if len(found) > limits.max_series:
            raise LimitExceededError("query.max_series")
        return found

    def _between(self, labels: Labels, after: int, until: int) -> list[Sample]:
        return [sample for sample in self.series[labels] if after < sample[0] <= until]


_EXPANSION = re.compile(r"(?P<start>-?[\d.]+(?:e[+-]?\d+)?)(?P<step>[+-][\d.]+)?x(?P<times>\d+)")


def expand(words: str) -> list[float | None]:
    """Read Prometheus' series notation: `1 _ NaN stale 0+10x5 _x3`."""
    values: list[float | None] = []
    for word in words.split():
        if word == "_":
            values.append(None)
        elif word == "stale":
            values.append(STALE_NAN)
        elif word.startswith("_x"):
            values.extend([None] * int(word[2:]))
        elif found := _EXPANSION.fullmatch(word):
            start, step = float(found["start"]), float(found["step"] or 0)
            values.extend(start + step * index for index in range(int(found["times"]) + 1))
        else:
            values.append(float(word))
    return values


def milliseconds(duration: str) -> int:
    """Read a PromQL duration."""
    if duration in {"0", "0s"}:
        return 0
    return int(promql_parser.parse_duration(duration).total_seconds() * 1000)


@dataclass
class Script:
    """
    Runs Prometheus' test language.

    `load STEP` with lines `SERIES VALUES…`; `eval instant at TIME EXPR` and
    `eval range from TIME to TIME step TIME EXPR` with lines `SERIES VALUES…` (or one number
    for a scalar); `eval_ordered instant …`; `eval_fail … ` with an optional line of the error's
    text. Every evaluation is made with and without pushdown.
    """

    source: MemorySource
    engines: tuple[PromqlEngine, ...]

    def run(self, text: str) -> None:
        """Run all commands of *text*."""
        blocks: list[list[str]] = []
        for line in text.splitlines():
            if not line.strip() or line.strip().startswith("#"):
                continue
            if line.startswith(("load", "eval", "clear")):
                blocks.append([line.strip()])
            else:
                blocks[-1].append(line.strip())
        for head, *lines in blocks:
            self._command(head, lines)

    def _command(self, head: str, lines: list[str]) -> None:
        if head == "clear":
            self.source.series.clear()
            return
        if head.startswith("load"):
            step = milliseconds(head.split()[1])
            for line in lines:
                series, values = split_series(line)
                points = enumerate(expand(values))
                self.source.add(
                    series, [(i * step, value) for i, value in points if value is not None]
                )
            return
        instant = re.fullmatch(r"eval(_ordered|_fail)? instant at (\w+) (.*)", head)
        ranged = re.fullmatch(r"eval(_fail)? range from (\w+) to (\w+) step (\w+) (.*)", head)
        for engine in self.engines:
            if instant:
                mode, at, expr = instant.groups()
                grid = Grid.instant(milliseconds(at))
            else:
                assert ranged, head
                mode, start, end, step, expr = ranged.groups()
                grid = Grid(milliseconds(start), milliseconds(end), milliseconds(step))
            self._check(engine, expr, grid, lines, mode or "", instant=bool(instant))

    def _check(
        self,
        engine: PromqlEngine,
        expr: str,
        grid: Grid,
        lines: list[str],
        mode: str,
        *,
        instant: bool,
    ) -> None:
        ask = (
            (lambda: engine.instant_query(expr, grid.start_ms))
            if instant
            else (lambda: engine.range_query(expr, grid))
        )
        if mode == "_fail":
            with pytest.raises(Exception, match=re.escape(" ".join(lines))):
                ask()
            return
        value = ask().value
        if isinstance(value, str):
            assert lines == [value], expr
            return
        if not isinstance(value, Matrix):
            (expected,) = lines
            np.testing.assert_allclose(value, [float(expected)], rtol=1e-12, err_msg=expr)
            return
        found = {
            labels: [v if p else None for v, p in zip(row, there, strict=True)]
            for labels, row, there in zip(
                value.labels, value.values.tolist(), value.present.tolist(), strict=True
            )
        }
        wanted = {}
        for line in lines:
            series, values = split_series(line)
            points = expand(values)
            wanted[series_labels(series)] = points + [None] * (len(grid) - len(points))
        assert set(found) == set(wanted), f"{expr}: {sorted(found)}"
        if mode == "_ordered":
            assert list(found) == list(wanted), expr
        for labels, points in wanted.items():
            absent = [point is None for point in points]
            assert [point is None for point in found[labels]] == absent, (expr, found[labels])
            np.testing.assert_allclose(
                [point for point in found[labels] if point is not None],
                [point for point in points if point is not None],
                rtol=1e-12,
                atol=1e-300,
                err_msg=f"{expr} {labels}",
            )


def split_series(line: str) -> tuple[str, str]:
    """Split a line into the series and its values."""
    end = line.rfind("}") + 1 if "{" in line else line.index(" ")
    return line[:end].strip(), line[end:].strip()


def series_labels(series: str) -> Labels:
    """Read a series as PromQL spells it; `{}` has no labels."""
    if series == "{}":
        return ()
    selector = parse(series)
    assert isinstance(selector, VectorSelector)
    return to_labels((m.name, m.value) for m in selector.matchers)


def commands(table: str) -> list[str]:
    """Split a table into its commands, each with its lines."""
    found: list[str] = []
    for line in table.splitlines():
        if line.startswith("eval"):
            found.append(line)
        elif line.strip() and not line.startswith("#"):
            found[-1] += "\n" + line
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes `command` each command of its module's `TABLE`."""
    if "command" in metafunc.fixturenames:
        rows = commands(metafunc.module.TABLE)
        metafunc.parametrize("command", rows, ids=[row.splitlines()[0] for row in rows])


def make_engine(source: MemorySource, *, pushdown: bool = True, **options: int) -> PromqlEngine:
    """Return an engine over *source* with its own registry."""
    return PromqlEngine(
        source, QueryOptions(**options), ManualClock(), CollectorRegistry(), pushdown=pushdown
    )


@pytest.fixture
def source() -> MemorySource:
    """Return an empty source."""
    return MemorySource()


@pytest.fixture
def engine(source: MemorySource) -> PromqlEngine:
    """Return an engine over `source`."""
    return make_engine(source)


@pytest.fixture
def engine_over() -> Callable[..., PromqlEngine]:
    """Return the maker of engines."""
    return make_engine


@pytest.fixture
def script(source: MemorySource) -> Callable[[str], None]:
    """Return what runs the test language, every question with and without pushdown."""
    engines = make_engine(source), make_engine(source, pushdown=False)
    return Script(source, engines).run
