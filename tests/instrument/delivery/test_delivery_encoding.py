import gzip
import re
import socket
import threading
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, Counter, Gauge

from veriscope.instrument.delivery.http import Answer, Channel, Endpoint, failure_of
from veriscope.instrument.delivery.metrics import LooseSample, MetricEncoder
from veriscope.instrument.delivery.otlp import LogEncoder, SpanEncoder
from veriscope.instrument.delivery.records import LogRecord
from veriscope.instrument.delivery.tally import Reason, Signal, Tally
from veriscope.signals import SampleBatch, UnavailableError, to_labels

NOW_S = 1_700_000_000.0


def encoder(tally: Tally | None = None) -> MetricEncoder:
    """Return an encoder of an empty registry."""
    return MetricEncoder(CollectorRegistry(), {"job": "shop"}, tally or Tally())


@given(
    st.text(),
    st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none(), st.booleans())),
    st.one_of(st.floats(), st.integers(), st.text()),
)
def test_any_name_tag_and_value_is_sent_or_counted(
    name: str, tags: dict[str, object], value: object
) -> None:
    """Whatever an application hands over, the names are Prometheus' and nothing raises."""
    tally = Tally()
    sample = LooseSample(name, tuple(tags.items()), value, 1)  # type: ignore[arg-type]
    requests = list(encoder(tally).samples([sample]))
    sent = sum(request.items for request in requests)
    assert sent + tally.dropped_items(Signal.METRICS) == 1


@pytest.mark.parametrize("series", [0, 1, 4095, 4096, 4097, 9000])
def test_large_batches_leave_in_several_requests(series: int) -> None:
    """Each series is in one of them, and the samples add up."""
    labels = tuple(to_labels({"__name__": "m", "n": str(number)}) for number in range(series))
    requests = list(encoder().batch(SampleBatch.at(labels, np.zeros(series), 1)))
    assert sum(request.items for request in requests) == series
    assert len(requests) == max(1, -(-series // 4096))


@pytest.mark.parametrize(
    "labels",
    [
        {"prompt": "p" * 65_536},
        {"prompt": "é" * 40_000},
        {"n" * 1025: "x"},
        {f"n{number}": "x" for number in range(128)},
    ],
)
def test_a_series_that_no_server_takes_costs_no_other(labels: dict[str, str]) -> None:
    """It is left out and counted at each reading, where a refusal would lose all."""
    registry, tally = CollectorRegistry(), Tally()
    Gauge("fine", "Stays.", registry=registry).inc()
    Gauge("bad", "Goes.", list(labels), registry=registry).labels(**labels).inc()
    encode = MetricEncoder(registry, {"job": "shop"}, tally)
    for number in (1, 2):
        sent = sum(request.items for request in encode.reading(number))
        assert sent == 1
        assert tally.dropped_items(Signal.METRICS) == number
    samples = [LooseSample("load", (), 1, 1), LooseSample("load", tuple(labels.items()), 1, 1)]
    assert sum(request.items for request in encode.samples(samples)) == 1
    assert tally.dropped_items(Signal.METRICS) == 3


def test_samples_of_ever_new_series_are_not_remembered() -> None:
    """Labels that come once, such as a user's id, take no memory after they were sent."""
    encode = encoder()
    for number in range(200):
        samples = [LooseSample("load", (("user", f"{number}-{n}"),), 1, 1) for n in range(10)]
        assert sum(request.items for request in encode.samples(samples)) == 10
    assert encode._completed.cache_info().currsize == 0


@pytest.mark.parametrize(
    "unfit", [{"attributes": {"k" * 1025: 1}}, {"start_time": 0}, {"start_time": 1 << 62}]
)
def test_a_span_that_no_server_takes_costs_no_other(unfit: dict[str, Any]) -> None:
    """It is left out and counted, where a refusal would lose all of its request."""
    tally, spans = Tally(), []
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    for arguments in ({}, unfit, {"attributes": {"k" * 1024: 1}}):
        span = tracer.start_span("work", **arguments)
        span.end()
        spans.append(span)
    (request,) = SpanEncoder({"process.pid": "1"}, tally)(spans)
    assert request.items == 2
    assert tally.dropped_items(Signal.SPANS) == 1


def test_the_key_of_an_attribute_is_cut() -> None:
    """No server takes a key of more than 1,024 bytes."""
    record = LogRecord(1, 9, "INFO", "x", {"é" * 5000: {"é" * 5000: 1}}, logger="shop")
    (request,) = LogEncoder({"process.pid": "1"}, Tally())([record])
    message = ExportLogsServiceRequest.FromString(gzip.decompress(request.content))
    (pair,) = message.resource_logs[0].scope_logs[0].log_records[0].attributes
    assert len(pair.key.encode()) < 1024
    assert len(pair.value.kvlist_value.values[0].key.encode()) < 1024


def test_a_registry_that_grows_costs_memory_by_series() -> None:
    """Readings share the label sets of the series that they have in common."""
    registry = CollectorRegistry()
    orders = Counter("orders", "What customers want.", ["shop"], registry=registry)
    encode = MetricEncoder(registry, {"job": "shop"}, Tally())
    for number in range(20):
        orders.labels(str(number)).inc()
        list(encode.reading(number))
    tracemalloc.start()
    try:
        for number in range(20, 120):
            orders.labels(str(number)).inc()
            list(encode.reading(number))
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # A few KiB for each of 100 orders and its `_created`; a copy of every reading takes megabytes.
    assert grown < 100 * 8192


def test_small_batches_leave_together() -> None:
    """Collectors that read ten times a second do not send ten requests a second."""
    labels = tuple(to_labels({"__name__": "m", "n": str(number)}) for number in range(200))
    batches = [SampleBatch.at(labels, np.zeros(200), now_ms) for now_ms in range(30)]
    requests = list(encoder().batches(batches))
    assert [request.items for request in requests] == [4000, 2000]


def test_what_metrics_mean_is_told_again_after_a_loss() -> None:
    """Metadata travels once, unless samples were dropped since."""
    registry, tally = CollectorRegistry(), Tally()
    Counter("orders", "What customers want.", registry=registry)
    encode = MetricEncoder(registry, {}, tally)
    sizes = [len(next(iter(encode.reading(number))).content) for number in (1, 2)]
    tally.dropped(Signal.METRICS, Reason.QUEUE_FULL, 1)
    sizes.append(len(next(iter(encode.reading(3))).content))
    assert sizes[0] == sizes[2] > sizes[1]


def test_a_large_group_of_records_leaves_in_several_requests() -> None:
    """No request is larger than servers take."""
    records = [LogRecord(1, 9, "INFO", "x" * 60_000, logger="shop")] * 200
    requests = list(LogEncoder({"process.pid": "1"}, Tally())(records))
    assert len(requests) > 4
    assert sum(request.items for request in requests) == 200


def test_what_is_no_http_is_told_in_one_short_printable_line() -> None:
    """Whatever listens there must not write into the application's logs as it likes."""
    garbage = b"\x1b[31m\x07" + b"z" * 50_000 + b"\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1 << 16)
                peer.sendall(garbage)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UnavailableError) as caught:
            Channel(Endpoint.parse(url, None, None)).exchange("POST", "/", timeout_s=10)
        thread.join()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_an_answer_that_never_ends_is_given_up() -> None:
    """A byte now and then does not hold the queue up for hours."""
    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1 << 16)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n")
                while not given_up.wait(0.02):
                    peer.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        channel = Channel(Endpoint.parse(url, None, None))
        begun_s = time.monotonic()
        with pytest.raises(UnavailableError, match="does not end in time"):
            channel.exchange("POST", "/", timeout_s=0.3)
        assert time.monotonic() - begun_s < 10
        given_up.set()
        thread.join()


@pytest.mark.parametrize(
    ("status", "is_settled", "is_suspect"),
    [
        (301, True, False),
        (400, True, False),
        (401, True, False),
        (408, False, False),
        (413, True, False),
        (425, False, False),
        (429, False, False),
        (500, False, True),
        (501, False, True),
        (502, False, False),
        (503, False, False),
        (504, False, False),
    ],
)
def test_answers_mean_what_the_protocols_say(
    status: int,
    is_settled: bool,  # noqa: FBT001 - a table
    is_suspect: bool,  # noqa: FBT001
) -> None:
    """Some refusals are final, some come later, some are the server's own failure."""
    failure = failure_of(Answer(status, "Why", {}, b"be\x00cause"), NOW_S)
    assert failure is not None
    assert (failure.is_settled, failure.is_suspect) == (is_settled, is_suspect)
    assert re.match(rf"HTTP {status} Why: be cause", failure.text)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_success_is_one(status: int) -> None:
    """Servers differ in how they say yes."""
    assert failure_of(Answer(status, "", {}, b""), NOW_S) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("99999999", 600.0),
    ],
)
def test_retry_after_is_read(text: str, seconds: float) -> None:
    """Seconds or a date (RFC 9110), at most ten minutes; nonsense is none."""
    failure = failure_of(Answer(429, "", {"Retry-After": text}, b""), NOW_S)
    assert failure is not None
    assert failure.retry_after_s == seconds
