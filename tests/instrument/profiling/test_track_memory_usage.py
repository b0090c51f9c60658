import asyncio
import errno
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from veriscope.instrument.profiling import track_memory_usage

MB = 1 << 20


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Promise of each test: tracing is as it was before."""
    assert not tracemalloc.is_tracing()
    yield
    assert not tracemalloc.is_tracing()


def test_a_block_is_measured_and_logged() -> None:
    """The event has the keys of the guide, and the figures are of the block."""
    with capture_logs() as logs, track_memory_usage() as usage:
        kept = bytearray(4 * MB)
        passing = bytearray(16 * MB)
        del passing
    assert 4 * MB <= usage.current_traced < 5 * MB
    assert 20 * MB <= usage.peak_traced < 21 * MB
    assert usage.rss_peak >= max(usage.rss_start, usage.rss_end)
    assert usage.rss_delta == usage.rss_end - usage.rss_start
    (event,) = logs
    assert event["event"] == "Memory usage"
    assert event["log_level"] == "info"
    for key in ("current_traced", "peak_traced", "rss_start", "rss_end", "rss_delta", "rss_peak"):
        assert event[key] == getattr(usage, key)
    assert len(kept) == 4 * MB


def test_the_resident_peak_is_seen(run_python: Callable[..., Any]) -> None:
    """Memory that was touched and given back within the block is in the resident peak."""
    # A new process: in one that was large before, 128 MB more are no new height.
    ended = run_python(
        """
        from veriscope.instrument.profiling import track_memory_usage

        with track_memory_usage() as usage:
            touched = b"x" * (128 << 20)
            del touched
        print(usage.rss_peak - usage.rss_start)
        """
    )
    assert int(ended.out) > 100 * MB, ended


def test_the_largest_sites_come_first() -> None:
    """`top` lists the lines that hold most, and this test's is the first."""
    with track_memory_usage(top=2) as usage:
        kept = [bytes(1000) for _ in range(2000)]
    assert len(usage.top) <= 2
    assert usage.top[0].file == __file__
    assert usage.top[0].size_bytes >= 2_000_000
    assert usage.top[0].blocks >= 2000
    assert len(kept) == 2000


def test_sites_can_be_left_out() -> None:
    """With `top=0` no sites are looked for."""
    with track_memory_usage(top=0) as usage:
        kept = bytearray(MB)
    assert usage.top == ()
    assert len(kept) == MB


def test_blocks_nest() -> None:
    """An inner block has its own peak, and does not lower that of the outer one."""
    with track_memory_usage() as outer:
        first = bytearray(32 * MB)
        del first
        with track_memory_usage() as inner:
            second = bytearray(8 * MB)
            del second
        assert tracemalloc.is_tracing()
        third = bytearray(2 * MB)
    assert 32 * MB <= outer.peak_traced < 33 * MB
    assert 8 * MB <= inner.peak_traced < 9 * MB
    assert inner.current_traced < MB
    assert 2 * MB <= outer.current_traced < 3 * MB
    assert len(third) == 2 * MB


def test_a_peak_within_an_inner_block_is_the_outer_ones_too() -> None:
    """What the inner block allocates counts for the outer one."""
    with track_memory_usage(top=0) as outer, track_memory_usage(top=0):
        held = bytearray(16 * MB)
        del held
    assert 16 * MB <= outer.peak_traced < 17 * MB


def test_an_inner_block_lists_only_its_own_sites() -> None:
    """What was allocated before a nested block is not in its list."""
    with track_memory_usage(top=0):
        before = bytearray(8 * MB)
        with track_memory_usage(top=5) as inner:
            kept = bytearray(MB)
    assert max(site.size_bytes for site in inner.top) < 2 * MB
    assert len(before) + len(kept) == 9 * MB


def test_tracing_of_the_application_goes_on() -> None:
    """Where the application traces already, tracing is not stopped."""
    tracemalloc.start()
    try:
        with track_memory_usage() as usage:
            kept = bytearray(MB)
        assert tracemalloc.is_tracing()
        assert MB <= usage.current_traced < 2 * MB
        assert len(kept) == MB
    finally:
        tracemalloc.stop()


def test_functions_wear_it() -> None:
    """As a decorator, with and without brackets, it logs once a call and returns the result."""

    @track_memory_usage
    def plain(number: int) -> int:
        """Return it."""
        return number

    @track_memory_usage(top=1)
    def named(number: int) -> int:
        return plain(number)

    with capture_logs() as logs:
        assert named(3) == 3
    assert len(logs) == 2
    assert plain.__doc__ == "Return it."


def test_coroutines_wear_it() -> None:
    """A coroutine function stays one, and is measured until it ends."""

    @track_memory_usage
    async def generate() -> int:
        kept = bytearray(4 * MB)
        await asyncio.sleep(0)
        return len(kept)

    async def run() -> list[int]:
        return await asyncio.gather(generate(), generate())

    with capture_logs() as logs:
        assert asyncio.run(run()) == [4 * MB, 4 * MB]
    assert all(event["peak_traced"] >= 4 * MB for event in logs)


def test_exceptions_pass_and_are_measured() -> None:
    """A block that raises is logged, and its exception comes out."""
    with capture_logs() as logs, pytest.raises(LookupError), track_memory_usage():
        raise LookupError
    assert len(logs) == 1


def test_threads_may_overlap() -> None:
    """Blocks of several threads begin and end in any order; the last one stops tracing."""

    def work() -> None:
        for _ in range(5):
            with track_memory_usage(top=0):
                bytearray(MB)

    run_all([threading.Thread(target=work) for _ in range(8)])


def test_a_forked_child_is_not_traced() -> None:
    """A child made within a block is not slowed down by it, and may end the block."""
    with track_memory_usage(top=0):
        child = os.fork()
        if child == 0:
            os._exit(tracemalloc.is_tracing())
        assert os.waitpid(child, 0)[1] == 0


def run_all(threads: list[threading.Thread]) -> None:
    """Start the threads and wait for all of them."""
    actions: list[Callable[[], None]] = [thread.start for thread in threads]
    for action in [*actions, *(thread.join for thread in threads)]:
        action()


def test_looking_for_sites_does_not_count() -> None:
    """What an inner block needs to find its lines is not in the outer block's peak."""
    with track_memory_usage(top=0) as outer:
        many = [object() for _ in range(30_000)]
        before = tracemalloc.get_traced_memory()[0]
        with track_memory_usage(top=5):
            pass
    assert outer.peak_traced < 1.2 * before
    assert len(many) == 30_000


def test_generators_are_refused() -> None:
    """A generator function cannot be tracked as a whole, and says so where it is decorated."""

    def generate() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        track_memory_usage(generate)


def test_a_process_at_its_limits_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor to read by, or a thread, the block runs and Python's part is known."""

    def exhausted(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("psutil.Process.memory_info", exhausted)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    with track_memory_usage() as usage:
        kept = bytearray(1_000_000)
    assert usage.current_traced >= len(kept)
    assert "peak_traced=" in repr(usage)
    assert not tracemalloc.is_tracing()


def test_a_negative_top_is_refused() -> None:
    """A number of sites below zero is refused where it is written."""
    with pytest.raises(ValueError, match="top"):
        track_memory_usage(top=-1)
