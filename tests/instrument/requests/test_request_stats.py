import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.instrument.requests import RequestStats
from veriscope.signals import InvalidInputError, ManualClock


def served(stats: RequestStats, seconds: float, status: int = 200) -> None:
    """Let a request begin and end."""
    stats.begin()
    stats.end(seconds, status)


def test_a_window_forgets_what_is_older() -> None:
    """A response time counts for 50 to 60 seconds, and then no more."""
    clock = ManualClock(1_000_000)
    stats = RequestStats(clock=clock)
    served(stats, 0.25)
    clock.advance(ms=49_999)
    assert stats.response_times().p50_s == pytest.approx(0.25, rel=0.01)
    clock.advance(ms=10_001)
    assert stats.response_times().count == 0
    assert math.isnan(stats.response_times().p99_s)
    assert stats.total == 1


@given(st.lists(st.integers(min_value=0, max_value=30_000), max_size=30))
def test_a_window_holds_the_requests_of_its_steps(gaps_ms: list[int]) -> None:
    """Whatever the gaps, exactly the requests of the newest six steps are in the window."""
    clock = ManualClock(0)
    stats, ended_ms = RequestStats(clock=clock), []
    for gap_ms in gaps_ms:
        clock.advance(ms=gap_ms)
        served(stats, 0.1)
        ended_ms.append(clock.now_ms())
    oldest = clock.now_ms() // 10_000 - 5
    assert stats.response_times().count == sum(ms // 10_000 >= oldest for ms in ended_ms)


def test_response_times_are_close() -> None:
    """Percentiles of a known spread are within one percent; mean and maximum are exact."""
    stats = RequestStats(clock=ManualClock())
    for milliseconds in range(1, 1001):
        served(stats, milliseconds / 1000, 500 if milliseconds > 990 else 200)
    found = stats.response_times()
    assert found.p50_s == pytest.approx(0.5, rel=0.011)
    assert found.p95_s == pytest.approx(0.95, rel=0.011)
    assert found.p99_s == pytest.approx(0.99, rel=0.011)
    assert found.mean_s == pytest.approx(0.5005)
    assert found.max_s == 1.0
    assert (stats.total, stats.errors) == (1000, 10)
    assert stats.quantiles([1.0]) == [1.0]


def test_what_runs_and_what_waits_is_counted() -> None:
    """A request is in flight until it ends, and queued while it waits for a limiter."""
    stats = RequestStats()
    stats.begin()
    with stats.waiting():
        assert (stats.in_flight, stats.queued) == (1, 1)
    stats.end(0.1, 200)
    assert (stats.in_flight, stats.queued) == (0, 0)


def test_64_threads_lose_nothing() -> None:
    """Requests of many threads are all counted."""
    stats = RequestStats()

    def serve() -> None:
        for _ in range(200):
            served(stats, 0.001)

    threads = [threading.Thread(target=serve) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.total == 64 * 200
    assert stats.response_times().count == 64 * 200
    assert stats.in_flight == 0


def test_the_default_is_one_for_the_process() -> None:
    """Whoever asks for the default gets the same."""
    assert RequestStats.default() is RequestStats.default()


def test_a_window_without_length_is_refused() -> None:
    """A window needs at least one step of some length."""
    with pytest.raises(InvalidInputError, match="slots"):
        RequestStats(slots=0)
    with pytest.raises(InvalidInputError, match="slot_s"):
        RequestStats(slot_s=0)


def test_a_forked_child_starts_from_nothing(run_python: Callable[..., Any]) -> None:
    """The child counts its own requests, even where a thread of the parent held the lock."""
    told = run_python("""
import os
from veriscope.instrument.requests import RequestStats
stats = RequestStats.default()
stats.begin(); stats.end(0.5, 200); stats.begin()
stats._lock.acquire()
if (child := os.fork()) == 0:
    before = (stats.in_flight, stats.total)
    stats.begin(); stats.end(0.25, 500)
    slowest = stats.response_times().max_s
    print(before, stats.in_flight, stats.total, stats.errors, slowest, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
stats._lock.release()
print(stats.in_flight, stats.total)
""").out
    assert told.splitlines() == ["(0, 0) 0 1 1 0.25", "1 1"]
