import itertools
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from veriscope.instrument.delivery import Exporter, LogRecord
from veriscope.signals import ManualClock

pytestmark = pytest.mark.fault


def test_sixty_four_threads_lose_nothing(sink: Any, export: Callable[..., Exporter]) -> None:
    """All items of all threads arrive, each once, while others flush at the same time."""
    exporter = export(sink.url, batch_interval_s=0.01, metrics_interval_s=0.02)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    tracer, start = provider.get_tracer("shop"), threading.Barrier(64)

    def work(thread: int) -> None:
        start.wait()
        for number in range(50):
            name = f"{thread} {number}"
            tracer.start_span(name).end()
            exporter.add_log(LogRecord(time.time_ns(), 9, "INFO", name))
            exporter.add_sample("work", {"thread": str(thread), "number": str(number)}, number)
        exporter.flush(60)

    threads = [threading.Thread(target=work, args=(each,)) for each in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exporter.flush(60)
    names = sorted(f"{thread} {number}" for thread in range(64) for number in range(50))
    assert sorted(span.name for _, span in sink.spans) == names
    assert sorted(each.body.string_value for _, _, each in sink.logs) == names
    assert len(sink.values("work")) == 64 * 50


def test_sixty_four_threads_that_ask_first_get_one_exporter(
    sink: Any, run_python: Callable[..., Any]
) -> None:
    """The environment is read once, however many threads come first."""
    script = """
import threading
from veriscope.instrument.delivery import current
start, found = threading.Barrier(64), []

def ask():
    start.wait()
    found.append(current())

threads = [threading.Thread(target=ask) for _ in range(64)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(found) == 64 and None not in found and len(set(map(id, found))) == 1
assert sum(thread.name == "veriscope-export" for thread in threading.enumerate()) == 1
"""
    ended = run_python(script, sink.url)
    assert (ended.code, ended.err) == (0, "")


def test_a_clock_that_steps_back_keeps_its_own_times(
    sink: Any, export: Callable[..., Exporter]
) -> None:
    """Each reading has the wall clock's time, no two the same, and none is left out or late."""
    clock = ManualClock(1_700_000_000_000)
    exporter = export(sink.url, clock=clock)
    assert exporter.flush(60)
    clock.advance(ms=5000)
    assert exporter.flush(60)
    clock.advance(ms=-3_600_000)
    assert exporter.flush(60)
    assert exporter.flush(60)
    times = [
        when
        for labels, when, _ in sink.samples
        if labels["__name__"] == "veriscope_export_queue_bytes" and labels["signal"] == "logs"
    ]
    assert times == [
        1_700_000_000_000,
        1_700_000_005_000,
        1_699_996_405_000,
        1_699_996_405_001,
    ]


def test_readings_go_on_while_the_clock_runs_backwards(
    sink: Any, export: Callable[..., Exporter]
) -> None:
    """Intervals are those of the monotonic clock: a step of hours stops nothing."""

    class Backwards:
        def __init__(self) -> None:
            self.now = 1_700_000_000_000

        def now_ms(self) -> int:
            self.now -= 3_600_000
            return self.now

        def monotonic_s(self) -> float:
            return time.monotonic()

    export(sink.url, clock=Backwards(), metrics_interval_s=0.02, batch_interval_s=0.02)
    sink.wait_for(lambda: len(sink.values("veriscope_export_queue_bytes")) >= 15)


def test_a_signal_handler_may_log_and_end_spans(sink: Any, export: Callable[..., Exporter]) -> None:
    """Whatever line of ours a handler interrupts, it does not hang and nothing is lost."""
    exporter = export(sink.url, batch_interval_s=0.01, max_waiting_items=100_000)
    numbers = itertools.count()

    def handle(*_: object) -> None:
        exporter.add_log(LogRecord(1, 9, "INFO", "handled"))
        exporter.add_sample("handled", {"number": str(next(numbers))}, 1)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
    try:
        for _ in range(20_000):
            exporter.add_log(LogRecord(1, 9, "INFO", "plain"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    handled = next(numbers)
    assert handled
    assert exporter.flush(60)
    bodies = [each.body.string_value for _, _, each in sink.logs]
    assert (bodies.count("plain"), bodies.count("handled")) == (20_000, handled)
    assert len(sink.values("handled")) == handled
