"""OTLP over HTTP: what is accepted is found, and every kind of bad request has its answer."""

import gzip
import json
import time
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    SpanKind,
    StatusCode,
    format_trace_id,
    set_span_in_context,
)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACE = "0123456789abcdef0123456789abcdef"
NOW_NS = time.time_ns()
SPANS_JSON = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "lib", "version": "1.0"},
                    "spans": [
                        {
                            "traceId": TRACE.upper(),
                            "spanId": "eee19b7ec3c1b174",
                            "parentSpanId": "eee19b7ec3c1b173",
                            "name": "buy",
                            "startTimeUnixNano": str(NOW_NS),
                            "endTimeUnixNano": NOW_NS + 1_000,
                            "kind": 2,
                            "attributes": [
                                {"key": "n", "value": {"intValue": "9223372036854775807"}},
                                {"key": "traceId", "value": {"stringValue": "left alone"}},
                            ],
                            "links": [{"traceId": TRACE, "spanId": "00000000000000aa"}],
                            "unknownField": {"is": "left out"},
                        }
                    ],
                }
            ],
        }
    ]
}
LOGS_JSON = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "timeUnixNano": str(NOW_NS),
                            "severityNumber": 9,
                            "severityText": "INFO",
                            "body": {"stringValue": "sold"},
                            "traceId": TRACE,
                            "spanId": "eee19b7ec3c1b174",
                        }
                    ]
                }
            ],
        }
    ]
}


def traces(trace_id: bytes = bytes.fromhex(TRACE), name: str = "op") -> bytes:
    """Return a request of one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, b"12345678", name
    span.start_time_unix_nano, span.end_time_unix_nano = NOW_NS, NOW_NS + 5
    return request.SerializeToString()


def logs(body: str = "hello") -> bytes:
    """Return a request of one record."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = NOW_NS
    record.body.string_value = body
    return request.SerializeToString()


async def _post(
    web: Any, path: str, body: bytes, content_type: str = PROTOBUF, **headers: str
) -> tuple[int, bytes, Any]:
    sent = {"Content-Type": content_type, **headers}
    async with web.post(path, data=body, headers=sent) as answer:
        return answer.status, await answer.read(), answer.headers


async def _get(web: Any, path: str) -> Any:
    async with web.get(path) as answer:
        return await answer.json()


def _status(body: bytes) -> tuple[int, str]:
    """Read a google.rpc.Status: its code (one byte) and its message."""
    assert body[0] == 0x08
    assert body[2] == 0x12
    start = 4 if body[3] < 0x80 else 5
    return body[1], body[start:].decode()


async def test_spans_are_stored_when_they_are_answered(web: Any) -> None:
    """200 means that the trace is found; the answer is an empty response message."""
    status, body, headers = await _post(web, "/v1/traces", traces())
    assert (status, headers["Content-Type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(body) == ExportTraceServiceResponse()
    [span] = (await _get(web, f"/api/veriscope/v1/traces/{TRACE}"))["data"]
    assert (span["name"], span["duration_nano"]) == ("op", 5)
    assert span["start_time_unix_nano"] == str(NOW_NS)


async def test_records_are_stored_when_they_are_answered(web: Any) -> None:
    """The last records of a service are found by name."""
    status, body, _ = await _post(web, "/v1/logs", gzip.compress(logs()), PROTOBUF)
    assert status == 400
    status, body, _ = await _post(
        web, "/v1/logs", gzip.compress(logs()), **{"Content-Encoding": "gzip"}
    )
    assert status == 200
    assert ExportLogsServiceResponse.FromString(body) == ExportLogsServiceResponse()
    [record] = (await _get(web, "/api/veriscope/v1/logs?service=unknown_service"))["data"]
    assert (record["body"], record["time_unix_nano"]) == ("hello", str(NOW_NS))
    assert (await _get(web, "/api/veriscope/v1/logs?service=other"))["data"] == []
    services = (await _get(web, "/api/veriscope/v1/services"))["data"]
    assert services == [{"name": "unknown_service", "spans": 0, "logs": 1}]


async def test_json_is_read_as_otlp_spells_it(web: Any) -> None:
    """Ids are hexadecimal, 64-bit numbers strings, unknown fields left out."""
    status, body, headers = await _post(web, "/v1/traces", json.dumps(SPANS_JSON).encode(), JSON)
    assert (status, json.loads(body), headers["Content-Type"]) == (200, {}, JSON)
    [span] = (await _get(web, f"/api/veriscope/v1/traces/{TRACE}"))["data"]
    assert (span["trace_id"], span["parent_span_id"]) == (TRACE, "eee19b7ec3c1b173")
    assert span["attributes"] == {"n": 2**63 - 1, "traceId": "left alone"}
    assert span["links"][0]["span_id"] == "00000000000000aa"
    assert (span["service_name"], span["kind"]) == ("shop", "server")
    packed = gzip.compress(json.dumps(LOGS_JSON).encode())
    status, _, _ = await _post(web, "/v1/logs", packed, JSON, **{"Content-Encoding": "gzip"})
    assert status == 200
    [record] = (await _get(web, "/api/veriscope/v1/logs?service=shop&limit=5&since=1h"))["data"]
    assert (record["body"], record["trace_id"]) == ("sold", TRACE)


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
async def test_an_empty_request_is_fine(web: Any, path: str) -> None:
    """A client with nothing to say is not at fault."""
    assert (await _post(web, path, b""))[0] == 200
    assert (await _post(web, path, b"{}", JSON))[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (traces()[:-1], 400, "well-formed protobuf"),
        (b"no protobuf at all", 400, "well-formed protobuf"),
        (b"\x3a\x03abc", 400, "not an ExportTraceServiceRequest"),
        (traces(b"short"), 400, "a span has no valid ids"),
        (logs(), 400, "a span has no valid ids"),
        (traces(name="name").replace(b"name", b"\xff\xffme"), 400, "not valid UTF-8"),
        (bytes(100_001), 413, "100,000 allowed"),
    ],
)
async def test_a_bad_body_is_refused_with_its_reason(
    web: Any, body: bytes, status: int, reason: str
) -> None:
    """Each fault has a 4xx and words in a google.rpc.Status, and harms no other request."""
    found_status, answer, headers = await _post(web, "/v1/traces", body)
    assert (found_status, headers["Content-Type"]) == (status, PROTOBUF), answer
    code, text = _status(answer)
    assert reason in text
    assert code == (3 if status == 400 else 8)
    assert (await _post(web, "/v1/traces", traces(name="after")))[0] == 200
    [span] = (await _get(web, f"/api/veriscope/v1/traces/{TRACE}"))["data"]
    assert span["name"] == "after"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "not an object"),
        (b"{", "truncated"),
        (b"[" * 100_00, "JSON"),
        (b'{"resourceSpans": 5}', "JSON"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}', "write it as hex"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":5}]}]}]}', "write it as hex"),
    ],
)
async def test_json_that_is_not_otlp_is_refused_in_json(web: Any, body: bytes, reason: str) -> None:
    """The answer has the encoding of the request."""
    status, answer, headers = await _post(web, "/v1/traces", body, JSON)
    assert (status, headers["Content-Type"]) == (400, JSON)
    found = json.loads(answer)
    assert found["code"] == 3
    assert reason in found["message"]


async def test_a_gzip_bomb_is_stopped(web: Any) -> None:
    """No more is unpacked than a message may have."""
    bomb = gzip.compress(bytes(50_000_000))
    status, answer, _ = await _post(web, "/v1/traces", bomb, **{"Content-Encoding": "gzip"})
    assert status == 413
    assert "more than 200,000 bytes (ingest.max_message_bytes)" in _status(answer)[1]
    for broken in (b"", b"\x1f\x8b", gzip.compress(traces())[:-3], b"plain"):
        status, answer, _ = await _post(web, "/v1/traces", broken, **{"Content-Encoding": "gzip"})
        assert status == 400
        assert "gzip" in _status(answer)[1]


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "zstd"}],
)
async def test_another_format_is_refused_as_such(web: Any, headers: dict[str, str]) -> None:
    """415 names what is read instead."""
    sent = {"Content-Type": JSON, **headers}
    async with web.post("/v1/logs", data=b"{}", headers=sent) as answer:
        assert answer.status == 415
        assert "send" in (await answer.json())["message"]


async def test_bad_questions_are_told_apart(web: Any) -> None:
    """An unknown trace is 404, what is no trace id or no duration 400."""
    for path, status in (
        (f"traces/{TRACE}", 404),
        ("traces/xyz", 400),
        ("logs?since=yesterday", 400),
        ("logs?limit=10001", 400),
    ):
        async with web.get(f"/api/veriscope/v1/{path}") as answer:
            assert answer.status == status, path


async def test_what_the_sdk_encodes_is_read_as_it_was_recorded(web: Any) -> None:
    """Spans and a record made and encoded by OpenTelemetry's own SDK."""
    resource = Resource.create({"service.name": "sdk", "numbers": [1, 2]})
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("library", "2.0", attributes={"scoped": True})
    with tracer.start_as_current_span("outer", kind=SpanKind.CLIENT) as outer:
        outer.add_event("token", {"index": 3})
        outer.set_attributes({"names": ("a", "b"), "share": 0.25})
        with tracer.start_as_current_span("inner", links=[Link(outer.get_span_context())]) as inner:
            inner.set_status(StatusCode.ERROR, "broke")
            context = set_span_in_context(inner)
    provider.shutdown()
    body = encode_spans(exporter.get_finished_spans()).SerializeToString()
    assert (await _post(web, "/v1/traces", body))[0] == 200
    trace_id = format_trace_id(outer.get_span_context().trace_id)
    spans = (await _get(web, f"/api/veriscope/v1/traces/{trace_id}"))["data"]
    found = {span["name"]: span for span in spans}
    assert found["inner"]["parent_span_id"] == found["outer"]["span_id"]
    assert found["inner"]["links"][0]["span_id"] == found["outer"]["span_id"]
    assert found["inner"]["status"] == {"code": "error", "message": "broke"}
    assert found["outer"]["kind"] == "client"
    assert found["outer"]["attributes"] == {"names": ["a", "b"], "share": 0.25}
    assert found["outer"]["events"][0]["attributes"] == {"index": 3}
    assert found["outer"]["scope"]["attributes"] == {"scoped": True}
    assert found["outer"]["resource"]["numbers"] == [1, 2]

    records = InMemoryLogRecordExporter()
    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
    loggers.get_logger("library").emit(
        timestamp=NOW_NS,
        body={"said": ["hello"]},
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        attributes={"user": "é"},
        context=context,
    )
    loggers.shutdown()
    body = encode_logs(records.get_finished_logs()).SerializeToString()
    assert (await _post(web, "/v1/logs", body))[0] == 200
    [record] = (await _get(web, "/api/veriscope/v1/logs?service=sdk"))["data"]
    assert (record["body"], record["severity_number"]) == ({"said": ["hello"]}, 13)
    assert (record["attributes"], record["trace_id"]) == ({"user": "é"}, trace_id)


def metrics(*values: float, name: str = "requests", at_ns: int = NOW_NS) -> bytes:
    """Return a request of a gauge with so many points."""
    request = ExportMetricsServiceRequest()
    of = request.resource_metrics.add()
    for key, value in (("service.name", "shop"), ("service.instance.id", "a"), ("host.name", "h")):
        of.resource.attributes.add(key=key).value.string_value = value
    metric = of.scope_metrics.add().metrics.add(name=name, unit="By", description="What.")
    for number, value in enumerate(values):
        point = metric.gauge.data_points.add(time_unix_nano=at_ns, as_double=value)
        point.attributes.add(key="n").value.int_value = number
    return request.SerializeToString()


async def _query(
    web: Any, text: str, time_s: float = NOW_NS / 1e9 + 1
) -> list[tuple[dict[str, str], str]]:
    async with web.get("/api/v1/query", params={"query": text, "time": time_s}) as answer:
        found = (await answer.json())["data"]["result"]
    return [(each["metric"], each["value"][1]) for each in found]


async def test_metrics_are_stored_when_they_are_answered(web: Any) -> None:
    """The series are found under Prometheus' names, with their target and what is known of it."""
    status, body, headers = await _post(web, "/v1/metrics", metrics(1.5, 2.5))
    assert (status, body, headers["Content-Type"]) == (200, b"", PROTOBUF)
    found = await _query(web, "requests_bytes")
    target = {"job": "shop", "instance": "a"}
    assert found == [
        ({"__name__": "requests_bytes", **target, "n": "0"}, "1.5"),
        ({"__name__": "requests_bytes", **target, "n": "1"}, "2.5"),
    ]
    [(labels, value)] = await _query(web, "target_info")
    assert (labels["host_name"], labels["job"], value) == ("h", "shop", "1")
    known = (await _get(web, "/api/v1/metadata?metric=requests_bytes"))["data"]
    assert known == {"requests_bytes": [{"type": "gauge", "help": "What.", "unit": "bytes"}]}


async def test_json_metrics_are_read_as_otlp_spells_them(web: Any) -> None:
    """64-bit numbers may be strings; ids of exemplars are hexadecimal."""
    point = {"timeUnixNano": str(NOW_NS), "asInt": "7", "exemplars": [{"traceId": TRACE}]}
    total = {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True}
    document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "n", "sum": total}]}]}]}
    packed = gzip.compress(json.dumps(document).encode())
    status, body, _ = await _post(web, "/v1/metrics", packed, JSON, **{"Content-Encoding": "gzip"})
    assert (status, json.loads(body)) == (200, {})
    assert await _query(web, "n_total") == [({"__name__": "n_total"}, "7")]


async def test_points_that_cannot_be_stored_are_counted_in_the_answer(web: Any) -> None:
    """The others are stored; the answer has the encoding of the request."""
    late = metrics(1, name="late", at_ns=5 * 10**18)
    status, body, _ = await _post(web, "/v1/metrics", metrics(1.0) + late)
    partial = ExportMetricsServiceResponse.FromString(body).partial_success
    assert (status, partial.rejected_data_points) == (200, 1)
    assert partial.error_message == (
        "1 dropped: a data point has no time between 1970 and 2100; send Unix nanoseconds"
        " (metric 'late')"
    )
    assert len(await _query(web, "requests_bytes")) == 1
    document = {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [{}]}}]}]}
        ]
    }
    status, body, _ = await _post(web, "/v1/metrics", json.dumps(document).encode(), JSON)
    found = json.loads(body)["partialSuccess"]
    assert (status, found["rejectedDataPoints"]) == (200, "1")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (metrics(1.0)[:-1], 400, "well-formed protobuf"),
        (b"\x3a\x03abc", 400, "not an ExportMetricsServiceRequest"),
        (bytes(100_001), 413, "100,000 allowed"),
    ],
)
async def test_bad_metrics_are_refused_as_a_whole(
    web: Any, body: bytes, status: int, reason: str
) -> None:
    """Each fault has its words, and harms no other request."""
    found_status, answer, _ = await _post(web, "/v1/metrics", body)
    assert found_status == status
    assert reason in _status(answer)[1]
    assert (await _post(web, "/v1/metrics", metrics(3.0)))[0] == 200
    assert [value for _, value in await _query(web, "requests_bytes")] == ["3"]


async def test_metrics_of_the_sdk_are_read_as_they_were_recorded(web: Any) -> None:
    """Every instrument, made and encoded by OpenTelemetry's own SDK."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource.create({"service.name": "sdk"}))
    meter = provider.get_meter("library")
    counter = meter.create_counter("http.requests", "{request}")
    counter.add(2, {"route": "/"})
    counter.add(3, {"route": "/"})
    meter.create_up_down_counter("queue.size").add(-4)
    histogram = meter.create_histogram("latency", "s", explicit_bucket_boundaries_advisory=[0.5, 1])
    for value in (0.2, 0.7, 3):
        histogram.record(value)
    meter.create_gauge("load", "1").set(0.25)
    body = encode_metrics(reader.get_metrics_data()).SerializeToString()
    provider.shutdown()
    status, answer, _ = await _post(web, "/v1/metrics", body)
    assert (status, answer) == (200, b"")

    async def values(query: str) -> dict[str, str]:
        found = await _query(web, query, time.time())
        return {labels.get("le", ""): value for labels, value in found}

    assert await values('http_requests_total{route="/"}') == {"": "5"}
    assert await values("queue_size") == {"": "-4"}
    assert await values("load_ratio") == {"": "0.25"}
    assert await values("latency_seconds_bucket") == {"+Inf": "3", "0.5": "1", "1": "2"}
    assert await values("latency_seconds_sum") == {"": "3.9"}
    assert await values('target_info{telemetry_sdk_name="opentelemetry"}') == {"": "1"}


async def test_exponential_histograms_and_exemplars_are_found(web: Any) -> None:
    """A native histogram answers its quantiles, an exemplar leads to its trace."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="t", unit="s")
    metric.exponential_histogram.aggregation_temporality = 2
    point = metric.exponential_histogram.data_points.add(
        time_unix_nano=NOW_NS, count=4, sum=6.0, scale=0
    )
    point.positive.offset = 0
    point.positive.bucket_counts.extend([2, 2])
    point.exemplars.add(time_unix_nano=NOW_NS, as_double=3.0, trace_id=bytes.fromhex(TRACE))
    assert (await _post(web, "/v1/metrics", request.SerializeToString()))[0] == 200
    found = await _query(web, "histogram_count(t_seconds) + histogram_sum(t_seconds)")
    assert [value for _, value in found] == ["10"]
    assert [value for _, value in await _query(web, "histogram_quantile(1, t_seconds)")] == ["4"]
    span = {"start": NOW_NS / 1e9 - 1, "end": NOW_NS / 1e9 + 1}
    asked = {"query": "t_seconds", **span}
    async with web.get("/api/v1/query_exemplars", params=asked) as answer:
        [series] = (await answer.json())["data"]
    assert series["exemplars"][0]["labels"] == {"trace_id": TRACE}
