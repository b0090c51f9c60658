import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from veriscope.instrument.delivery import Exporter, LogRecord

pytestmark = pytest.mark.fault

SIGNALS = ("metrics", "spans", "logs")


def count(exporter: Exporter, name: str, **labels: str) -> int:
    """Return the sum of one of the exporter's own counters over the labels not given."""
    return int(
        sum(
            sample.value
            for family in exporter.registry.collect()
            for sample in family.samples
            if sample.name == f"veriscope_export_{name}" and labels.items() <= sample.labels.items()
        )
    )


def record(body: str) -> LogRecord:
    """Return a log record."""
    return LogRecord(time.time_ns(), 9, "INFO", body, logger="shop")


def produce(exporter: Exporter, number: int) -> float:
    """Add one item of each signal; return the longest that one call took, in seconds."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    tracer, slowest = provider.get_tracer("shop"), 0.0
    for each in range(number):
        span = tracer.start_span(f"span {each}")
        for call in (
            span.end,
            lambda each=each: exporter.add_log(record(f"record {each}")),
            lambda each=each: exporter.add_sample("sample", {"number": str(each)}, each),
        ):
            begun = time.perf_counter()
            call()
            slowest = max(slowest, time.perf_counter() - begun)
    return slowest


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something has happened, and fail where it does not."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_data_of_an_outage_arrives_after_it(
    start_sink: Callable[..., Any], free_port: int, export: Callable[..., Exporter]
) -> None:
    """While the server is away nothing blocks; when it is back all is there, with its own times."""
    exporter = export(
        f"http://127.0.0.1:{free_port}", metrics_interval_s=0.05, batch_interval_s=0.02
    )
    begun_ms = time.time_ns() // 1_000_000
    slowest = produce(exporter, 300)
    wait_until(lambda: all(count(exporter, "failures_total", signal=each) > 12 for each in SIGNALS))
    back_ms = time.time_ns() // 1_000_000
    sink = start_sink(free_port)
    sink.wait_for(lambda: len(sink.spans) == len(sink.logs) == len(sink.values("sample")) == 300)
    assert exporter.flush(60)
    readings = {
        when
        for labels, when, _ in sink.samples
        if labels["__name__"] == "veriscope_export_queue_bytes" and when < back_ms
    }
    assert len(readings) > 3
    assert min(readings) >= begun_ms
    assert count(exporter, "dropped_items_total") == 0
    # A call is some microseconds; a request that nobody takes lasts until its time-out.
    assert slowest < exporter.options.timeout_s / 5


def test_an_outage_leaves_few_requests(
    start_sink: Callable[..., Any], free_port: int, export: Callable[..., Exporter]
) -> None:
    """What comes while a request waits travels together: a long outage is soon caught up."""
    exporter = export(f"http://127.0.0.1:{free_port}", batch_interval_s=0.01)
    produce(exporter, 1)
    wait_until(lambda: count(exporter, "failures_total", signal="spans") > 0)
    for _ in range(30):
        produce(exporter, 1)
        time.sleep(0.02)  # each would have been a request of its own
    sink = start_sink(free_port)
    sink.wait_for(lambda: len(sink.spans) == len(sink.logs) == 31)
    assert sink.requests["/v1/traces"] <= 4
    assert sink.requests["/v1/logs"] <= 4


def test_one_signal_that_waits_makes_no_small_requests_of_the_others(
    sink: Any, export: Callable[..., Exporter], reply: Any
) -> None:
    """Samples that a server will not take yet wake the encoder; spans and logs still gather."""
    sink.always = lambda path: reply(503 if path == "/api/v1/write" else 200)
    exporter = export(sink.url, max_waiting_items=400, batch_interval_s=0.5)
    wait_until(lambda: count(exporter, "failures_total", signal="metrics") > 0)
    begun = time.monotonic()
    for _ in range(200):
        produce(exporter, 1)
        time.sleep(0.005)
    sink.wait_for(lambda: len(sink.spans) == len(sink.logs) == 200)
    intervals = (time.monotonic() - begun) / 0.5
    assert sink.requests["/v1/traces"] <= 4 + intervals
    assert sink.requests["/v1/logs"] <= 4 + intervals


def test_small_bounds_lose_nothing_in_an_outage(
    start_sink: Callable[..., Any], free_port: int, export: Callable[..., Exporter]
) -> None:
    """What gathers behind a request that waits becomes one before its inbox is full."""
    exporter = export(f"http://127.0.0.1:{free_port}", max_waiting_items=40, batch_interval_s=0.01)
    produce(exporter, 1)
    wait_until(lambda: count(exporter, "failures_total", signal="spans") > 0)
    for _ in range(100):
        produce(exporter, 3)
        time.sleep(0.01)
    assert count(exporter, "dropped_items_total") == 0
    sink = start_sink(free_port)
    sink.wait_for(lambda: len(sink.spans) == len(sink.logs) == len(sink.values("sample")) == 301)


def test_a_slow_server_gets_large_requests(
    sink: Any, export: Callable[..., Exporter], reply: Any
) -> None:
    """Where each answer takes longer than a batch gathers, requests grow and none piles up."""

    def answer_slowly(_path: str) -> Any:
        time.sleep(0.1)
        return reply(200)

    sink.always = answer_slowly
    exporter = export(sink.url, batch_interval_s=0.005)
    for _ in range(300):
        produce(exporter, 1)
        time.sleep(0.005)
    assert exporter.flush(60)
    assert len(sink.logs) == len(sink.spans) == 300
    assert sink.requests["/v1/logs"] <= 150


def test_a_server_that_never_answers_blocks_nobody(
    sink: Any, export: Callable[..., Exporter]
) -> None:
    """Calls return at once, each signal waits for itself, and what was sent arrives in the end."""
    sink.answers.clear()
    exporter = export(sink.url, timeout_s=4.0, batch_interval_s=0.02)
    # A call is some microseconds, but a busy machine may rest in it; blocked, it would last 4 s.
    assert produce(exporter, 1000) < 2
    assert not exporter.flush(0.1)
    sink.answers.set()
    assert exporter.flush(60)
    assert {span.name for _, span in sink.spans} == {f"span {number}" for number in range(1000)}
    assert count(exporter, "sent_items_total", signal="spans") == 1000
    assert count(exporter, "sent_items_total", signal="logs") == 1000


def test_one_slow_signal_holds_up_no_other(
    sink: Any, export: Callable[..., Exporter], reply: Any
) -> None:
    """While traces are refused for now, metrics and logs arrive."""
    sink.always = lambda path: reply(503 if path == "/v1/traces" else 200)
    exporter = export(sink.url)
    produce(exporter, 10)
    assert not exporter.flush(0.5)
    sink.wait_for(lambda: len(sink.logs) == len(sink.values("sample")) == 10)
    assert not sink.spans


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:7070", "http://127.0.0.1:{port}"])
def test_a_server_that_cannot_be_found_costs_nothing(
    url: str, free_port: int, export: Callable[..., Exporter]
) -> None:
    """No name, or nobody there: failures are counted, data waits, the end comes at once."""
    exporter = export(url.format(port=free_port), batch_interval_s=0.02)
    assert produce(exporter, 100) < exporter.options.timeout_s / 5
    wait_until(lambda: count(exporter, "failures_total", signal="spans") > 0)
    assert count(exporter, "dropped_items_total") == 0
    assert count(exporter, "queue_bytes") > 0
    begun = time.monotonic()
    assert not exporter.shutdown(10)
    assert time.monotonic() - begun < 8
    assert count(exporter, "dropped_items_total", reason="shutdown", signal="spans") == 100
    assert count(exporter, "queue_bytes") == 0


@pytest.mark.parametrize("status", [400, 401, 404, 413, 301])
def test_what_is_refused_is_dropped_once_and_said_once(
    sink: Any,
    export: Callable[..., Exporter],
    reply: Any,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """A refusal is not repeated; it is counted, and the log says so once, not each time."""
    sink.always = lambda _path: reply(status, body=b"not so")
    exporter = export(sink.url)
    for number in range(3):
        exporter.add_log(record(str(number)))
        assert not exporter.flush(60)
    assert sink.requests["/v1/logs"] == 3
    assert count(exporter, "dropped_items_total", signal="logs", reason="refused") == 3
    said = [each.getMessage() for each in caplog.records if "cannot export logs" in each.message]
    assert len(said) == 1
    assert f"HTTP {status}" in said[0]
    assert ("VERISCOPE_TOKEN" in said[0]) == (status == 401)
    sink.always = lambda _path: reply()
    exporter.add_log(record("taken"))
    assert exporter.flush(60)


@pytest.mark.parametrize("status", [429, 502, 503, 504, 408])
def test_what_is_wanted_later_is_sent_again(
    sink: Any, export: Callable[..., Exporter], reply: Any, status: int
) -> None:
    """Overload loses nothing, however often it is answered."""
    sink.always = lambda path: reply(status if sink.requests[path] < 8 else 200)
    exporter = export(sink.url)
    produce(exporter, 5)
    wait_until(lambda: exporter.flush(1))
    assert len(sink.spans) == len(sink.logs) == len(sink.values("sample")) == 5
    assert count(exporter, "failures_total", signal="logs") == 7


def test_retry_after_is_honoured(sink: Any, export: Callable[..., Exporter], reply: Any) -> None:
    """The next try comes no earlier than the server asked for, not even for a flush."""
    sink.replies.append(reply(429, {"Retry-After": "1"}))
    exporter = export(sink.url, batch_interval_s=0.01)
    exporter.add_log(record("patient"))
    sink.wait_for(lambda: sink.requests["/v1/logs"] == 1)
    begun = time.monotonic()
    assert exporter.flush(60)
    assert time.monotonic() - begun > 0.8


def test_a_request_at_which_the_server_fails_is_given_up(
    sink: Any, export: Callable[..., Exporter], reply: Any
) -> None:
    """A body that always gives 500 does not hold up what comes after it."""
    sink.always = lambda path: reply(
        500 if path == "/v1/logs" and sink.requests[path] <= 5 else 200
    )
    exporter = export(sink.url, batch_interval_s=0.01)
    exporter.add_log(record("poison"))
    sink.wait_for(lambda: sink.requests["/v1/logs"] == 5)
    exporter.add_log(record("fine"))
    sink.wait_for(lambda: len(sink.logs) == 1)
    assert sink.logs[0][2].body.string_value == "fine"
    wait_until(lambda: count(exporter, "dropped_items_total", reason="failed") == 1)


def test_an_overflowing_queue_is_counted_exactly(
    start_sink: Callable[..., Any], free_port: int, export: Callable[..., Exporter]
) -> None:
    """The oldest give way, memory stays within the bound, and sent + dropped = produced."""
    bound = 20_000
    exporter = export(
        f"http://127.0.0.1:{free_port}", max_queue_bytes=bound, batch_interval_s=0.005
    )
    for number in range(50):
        for each in range(100):
            exporter.add_log(record(f"{number} {each} {number * each**3}"))
        time.sleep(0.01)
        for signal in SIGNALS:
            assert count(exporter, "queue_bytes", signal=signal) <= bound
    wait_until(
        lambda: count(exporter, "dropped_items_total", signal="logs", reason="queue_full") > 0
    )
    sink = start_sink(free_port)
    exporter.flush(60)
    sent = count(exporter, "sent_items_total", signal="logs")
    dropped = count(exporter, "dropped_items_total", signal="logs")
    assert sent == len(sink.logs)
    assert sent + dropped == 5000
    assert 0 < sent < 5000
    newest = max(int(each.body.string_value.split()[0]) for _, _, each in sink.logs)
    assert newest == 49


def test_items_that_come_faster_than_they_are_encoded_are_counted_exactly(
    sink: Any, export: Callable[..., Exporter]
) -> None:
    """Past `max_waiting_items` new items are refused, and each is counted, from any thread."""
    exporter = export(sink.url, max_waiting_items=100)
    encoder_rests = exporter.hold(5)
    assert encoder_rests is not None

    def work() -> None:
        for number in range(500):
            exporter.add_log(record(str(number)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    encoder_rests()
    exporter.flush(60)
    dropped = count(exporter, "dropped_items_total", signal="logs", reason="inbox_full")
    assert len(sink.logs) + dropped == 4000
    assert 100 <= len(sink.logs) <= 108


def test_a_connection_that_the_server_closed_is_opened_anew(
    sink: Any, start_sink: Callable[..., Any], export: Callable[..., Exporter]
) -> None:
    """A server that was started anew meanwhile costs no failure."""
    exporter = export(sink.url)
    exporter.add_log(record("one"))
    assert exporter.flush(60)
    sink.close()
    again = start_sink(sink.port)
    exporter.add_log(record("two"))
    assert exporter.flush(60)
    assert [each.body.string_value for _, _, each in again.logs] == ["two"]
