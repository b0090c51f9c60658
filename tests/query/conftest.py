"""A slow, obvious source of series, and engines over it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import re2
from prometheus_client import CollectorRegistry

from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine, parse
from veriscope.query.promql.ast import VectorSelector
from veriscope.signals import (
    FetchLimits,
    Labels,
    LimitExceededError,
    ManualClock,
    Matcher,
    MatchOp,
    RaggedSamples,
    RawFetch,
    label_value,
    to_labels,
)

Sample = tuple[int, float]


def satisfies(matcher: Matcher, labels: Labels) -> bool:
    """Tell whether *labels* satisfy *matcher*."""
    value = label_value(labels, matcher.name)
    if matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}:
        return (value == matcher.value) == (matcher.op is MatchOp.EQUAL)
    found = re2.fullmatch(f"(?s:{matcher.value})", value) is not None
    return found == (matcher.op is MatchOp.REGEX)


@dataclass
class MemorySource:
    """Series as a dict, and each fetch as the plainest loop that can answer it."""

    series: dict[Labels, list[Sample]] = field(default_factory=dict)
    fetches: list[RawFetch] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)

    def add(self, labels: Labels | Mapping[str, str] | str, samples: Iterable[Sample]) -> None:
        """Add samples (time in ms, value) to a series, named as PromQL spells it."""
        if isinstance(labels, str):
            selector = parse(labels)
            assert isinstance(selector, VectorSelector)
            labels = to_labels((m.name, m.value) for m in selector.matchers)
        elif isinstance(labels, Mapping):
            labels = to_labels(labels)
        added = dict(samples)
        merged = dict(self.series.get(labels, [])) | added
        self.series[labels] = sorted(merged.items())
        if added:
            self.changes.append(min(added))

    def version(self) -> int:
        """See `SeriesSource`."""
        return len(self.changes)

    def first_ms_since(self, version: int) -> int | None:
        """See `SeriesSource`."""
        return min(self.changes[version:], default=None)

    def select(self, matchers: tuple[Matcher, ...]) -> list[Labels]:
        """Return the series that satisfy all *matchers*."""
        return [row for row in self.series if all(satisfies(m, row) for m in matchers)]

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """See `SeriesSource`."""
        self.fetches.append(fetch)
        labels = self.select(fetch.matchers)
        if len(labels) > limits.max_series:
            raise LimitExceededError("query.max_series")
        columns = [self._between(row, fetch.start_ms, fetch.end_ms) for row in labels]
        flat = [sample for column in columns for sample in column]
        if len(flat) > limits.max_samples:
            raise LimitExceededError("query.max_samples")
        return RaggedSamples.of(
            labels,
            np.cumsum([0, *map(len, columns)]),
            np.array([time for time, _ in flat], dtype=np.int64),
            np.array([value for _, value in flat], dtype=np.float64),
        )

    def _between(self, labels: Labels, after: int, until: int) -> list[Sample]:
        return [sample for sample in self.series[labels] if after < sample[0] <= until]


def make_engine(source: MemorySource, **options: int) -> PromqlEngine:
    """Return an engine over *source* with its own registry."""
    return PromqlEngine(source, QueryOptions(**options), ManualClock(), CollectorRegistry())


@pytest.fixture(scope="session")
def satisfied() -> Callable[[Matcher, Labels], bool]:
    """Return what tells whether labels satisfy a matcher."""
    return satisfies


@pytest.fixture(scope="session")
def make_source() -> Callable[[], MemorySource]:
    """Return the maker of empty sources."""
    return MemorySource


@pytest.fixture
def source() -> MemorySource:
    """Return an empty source."""
    return MemorySource()


@pytest.fixture
def engine(source: MemorySource) -> PromqlEngine:
    """Return an engine over `source`."""
    return make_engine(source)


@pytest.fixture(scope="session")
def engine_over() -> Callable[..., PromqlEngine]:
    """Return the maker of engines."""
    return make_engine
