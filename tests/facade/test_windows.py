import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.facade.windows import WindowedBuffer
from veriscope.signals import ManualClock


class SteppingClock:
    """A clock whose wall time can be set without time passing."""

    def __init__(self) -> None:
        self.wall_ms = 1_700_000_000_000
        self.passed_s = 50.0

    def now_ms(self) -> int:
        """Return the wall clock."""
        return self.wall_ms

    def monotonic_s(self) -> float:
        """Return the seconds that really passed."""
        return self.passed_s

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.wall_ms += int(seconds * 1000)
        self.passed_s += seconds


@dataclass
class Stamped:
    """An entry with a time of its own."""

    timestamp: datetime


@pytest.mark.parametrize("step_s", [-3600, 3600, -86_400 * 400])
def test_a_step_of_the_wall_clock_changes_no_age(step_s: int) -> None:
    """What was appended ten seconds ago is ten seconds old, wherever the clock was set."""
    clock = SteppingClock()
    buffer: WindowedBuffer[str] = WindowedBuffer(10, clock)
    buffer.append("old")
    clock.wait(10)
    clock.wall_ms += step_s * 1000
    buffer.append("new")
    clock.wait(1)
    assert buffer.recent(12) == ["old", "new"]
    assert buffer.recent(5) == ["new"]
    assert buffer.recent(0.5) == []


@pytest.mark.parametrize("zone", [None, UTC])
def test_an_entry_may_be_older_than_its_append(zone: object) -> None:
    """A timestamp in the past, naive or not, and a stated age count; the future is now."""
    clock = SteppingClock()
    now = datetime.fromtimestamp(clock.wall_ms / 1000, tz=zone)  # type: ignore[arg-type]
    buffer: WindowedBuffer[object] = WindowedBuffer(10, clock)
    early, late = Stamped(now - timedelta(seconds=400)), Stamped(now + timedelta(days=1))
    buffer.extend([early, late])
    buffer.append("stated", age_s=100)
    assert buffer.recent(300) == [late, "stated"]
    assert buffer.recent(50) == [late]
    assert buffer.recent(401) == [early, late, "stated"]


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=5))
def test_it_holds_what_a_deque_would(numbers: list[int], maxlen: int) -> None:
    """Length, iteration, indices, slices and bound are those of a deque; drops are counted."""
    buffer: WindowedBuffer[int] = WindowedBuffer(maxlen)
    buffer.extend(numbers)
    kept = numbers[-maxlen:]
    assert list(buffer) == kept
    assert (len(buffer), bool(buffer), buffer.maxlen) == (len(kept), bool(kept), maxlen)
    assert buffer[1:] == kept[1:]
    assert buffer.dropped == len(numbers) - len(kept)
    if kept:
        assert (buffer[0], buffer[-1]) == (kept[0], kept[-1])
        assert kept[0] in buffer
    buffer.clear()
    assert (list(buffer), buffer.dropped) == ([], 0)


def test_taking_out_is_no_drop() -> None:
    """Entries that a reader took are not counted as dropped."""
    buffer: WindowedBuffer[int] = WindowedBuffer(3)
    buffer.extend(range(5))
    assert [buffer.popleft(), buffer.popleft()] == [2, 3]
    assert (list(buffer), buffer.dropped) == ([4], 2)
    buffer.popleft()
    with pytest.raises(IndexError):
        buffer.popleft()


def test_an_index_out_of_range_is_an_error() -> None:
    """An empty buffer has no last entry."""
    with pytest.raises(IndexError):
        WindowedBuffer[int](3)[-1]
    assert repr(WindowedBuffer[int](3)) == "WindowedBuffer([], maxlen=3)"


def test_readers_and_64_writers_do_not_disturb_each_other() -> None:
    """Appends of many threads are all there, while others read."""
    buffer: WindowedBuffer[int] = WindowedBuffer(100_000, ManualClock())
    failures: list[Exception] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - told to the test
                failures.append(error)

        return run

    def write() -> None:
        for number in range(500):
            buffer.append(number)

    def read() -> None:
        for _ in range(50):
            assert len(buffer.recent(1)) <= 64 * 500
            assert sum(1 for _ in buffer) <= 64 * 500

    works = [write] * 64 + [read] * 2
    threads = [threading.Thread(target=guarded(work)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(buffer) == 64 * 500
    assert sum(buffer) == 64 * sum(range(500))
