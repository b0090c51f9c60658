"""What searches of spans promise."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from veriscope.query import traces
from veriscope.signals import FetchLimits
from veriscope.signals.evidence import TraceExample
from veriscope.signals.predicates import AllOf
from veriscope.signals.searches import Figure, Groups, Search, Tally
from veriscope.store import Store

LIMITS = FetchLimits()
NOON_MS = 1_700_000_000_000
DAY_MS = 86_400_000
EVERYTHING = AllOf(())


@dataclass(frozen=True)
class Span:
    """One span as it is stored."""

    start_ms: int
    duration_ms: float = 1
    service: str = "chat"
    name: str = "generate"
    status: str = "unset"
    trace: int = 1


def add(store: Store, spans: list[Span]) -> None:
    """Store *spans*; their ids are their places."""
    columns = {
        "service_name": pa.array([span.service for span in spans]),
        "start_time": pa.array([span.start_ms for span in spans], pa.timestamp("ms", tz="UTC")),
        "trace_id": pa.array([span.trace.to_bytes(16) for span in spans], pa.binary(16)),
        "span_id": pa.array([place.to_bytes(8) for place in range(len(spans))], pa.binary(8)),
        "name": pa.array([span.name for span in spans]),
        "kind": pa.array(["server"] * len(spans)),
        "duration_ns": pa.array([round(span.duration_ms * 1e6) for span in spans], pa.int64()),
        "status_code": pa.array([span.status for span in spans]),
    }
    store._engine.insert_arrow("spans", pa.table(columns))


def tally(store: Store, figure: Figure, text: str = "*", *by: str) -> Groups:
    """Return *figure* of the minute until noon."""
    search = Search(traces.parse(text), NOON_MS - 60_000, NOON_MS)
    fields = tuple(traces.group_field(name)[0] for name in by)
    return store.span_search.tally(Tally(search, figure, fields), LIMITS)


def test_figures_are_those_of_the_durations(any_store: Store) -> None:
    """Seconds; percentiles lie between two spans as NumPy puts them; retries count once."""
    durations = [3.0, 10.0, 250.0, 1_000.0, 2_500.0, 40.5, 7.0]
    spans = [
        Span(NOON_MS - 5_000 + place, duration, status="error" if place < 2 else "ok")
        for place, duration in enumerate(durations)
    ]
    for _ in range(2):
        add(any_store, spans)
    expected = {
        Figure.COUNT: 7.0,
        Figure.ERROR_RATE: 2 / 7,
        Figure.MEAN: float(np.mean(durations)) / 1e3,
        **{
            figure: float(np.percentile(durations, percent)) / 1e3
            for figure, percent in (
                (Figure.P50, 50),
                (Figure.P90, 90),
                (Figure.P95, 95),
                (Figure.P99, 99),
            )
        },
    }
    found = {figure: float(tally(any_store, figure).values[0]) for figure in Figure}
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_search_narrows_and_groups(store: Store) -> None:
    """By service, name, status, kind and duration."""
    add(
        store,
        [
            Span(NOON_MS - 10, 5, status="error"),
            Span(NOON_MS - 10, 5, "image"),
            Span(NOON_MS - 3_000, 2_000, "image", "resize"),
        ],
    )
    by_name = tally(store, Figure.COUNT, "*", "service", "name")
    assert by_name.keys == (("chat", "generate"), ("image", "generate"), ("image", "resize"))
    assert tally(store, Figure.COUNT, "status:error", "status").keys == (("error",),)
    assert tally(store, Figure.COUNT, "duration:>1s").values.tolist() == [1.0]
    assert tally(store, Figure.COUNT, "RESIZE AND kind:server").values.tolist() == [1.0]
    assert tally(store, Figure.COUNT, "name:RESIZE").values.tolist() == [0.0]


def test_nothing_has_a_count_and_no_latency(store: Store) -> None:
    """There is no share and no percentile of no spans."""
    assert tally(store, Figure.COUNT).values.tolist() == [0.0]
    for figure in set(Figure) - {Figure.COUNT}:
        assert tally(store, figure).keys == ()


@pytest.mark.parametrize(
    ("start_ms", "duration_ms", "counted"),
    [
        (-60_001, 2, True),
        (-60_001, 1, False),
        (-1, 1, True),
        (-1, 2, False),
        (-10 * 3_600_000, 10 * 3_600_000 - 1, True),
        (-DAY_MS - 60_000, DAY_MS + 59_999, False),
        (-1, -5, True),
    ],
    ids=["ended", "at start", "at end", "still runs", "ten hours", "too long", "clock went back"],
)
def test_a_span_is_of_the_window_that_it_ended_in(
    store: Store, start_ms: int, duration_ms: int, *, counted: bool
) -> None:
    """However long it took, to a day: what is slow is not missed."""
    add(store, [Span(NOON_MS + start_ms, duration_ms)])
    assert tally(store, Figure.COUNT).values.tolist() == [float(counted)]


def test_examples_are_the_slowest_of_each_trace(any_store: Store) -> None:
    """One span of each trace, and the slowest trace first."""
    at = NOON_MS - 1_000
    add(
        any_store,
        [
            Span(at, 50, trace=1),
            Span(at, 70, trace=1, name="db", status="error"),
            Span(at, 60, trace=2),
            Span(at, 1, trace=3),
        ],
    )
    found = any_store.span_search.examples(Search(EVERYTHING, at, NOON_MS), 2, LIMITS)
    assert found == [
        TraceExample(f"{1:032x}", "chat", "db", at, 70.0, is_error=True),
        TraceExample(f"{2:032x}", "chat", "generate", at, 60.0, is_error=False),
    ]
