"""OTLP as fast as it is accepted: items a second of each signal, CPU and bytes on disk of each."""

import argparse
import http.client
import json
import random
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Status

import server_process
import write_load
from veriscope.store import Store, StoreOptions

_SERVICES = 8
_SPANS_A_TRACE = 8
_POINTS_A_METRIC = 64


@dataclass(frozen=True, slots=True)
class Kind:
    """A signal to measure: its path, table and message, how one is made and a loop reads it."""

    name: str
    path: str
    table: str
    message: type[Any]
    make: Callable[[random.Random, int, int, int], bytes]
    read: Callable[[Any], list[tuple[Any, ...]]]
    count: str = ""
    """PromQL that counts the items, where the table holds what others write too."""


def attributes(pairs: Any, number: int) -> None:
    """Add the eight attributes of a served request."""
    for key, value in (
        ("http.request.method", "GET"),
        ("url.path", f"/inference/{number % 100}"),
        ("server.address", f"10.0.0.{number % 7}"),
        ("gen_ai.request.model", f"small-{number % 3}"),
    ):
        pairs.add(key=key).value.string_value = value
    pairs.add(key="http.response.status_code").value.int_value = 200
    pairs.add(key="gen_ai.usage.output_tokens").value.int_value = number % 1_000
    pairs.add(key="ratio").value.double_value = number / 7
    pairs.add(key="cache.hit").value.bool_value = number % 2 == 0


def resource(message: Any, number: int) -> None:
    """Describe one of the services."""
    for key, value in (
        ("service.name", f"service-{number % _SERVICES}"),
        ("service.version", "1.2.3"),
        ("service.instance.id", f"instance-{number % _SERVICES}"),
        ("host.name", f"host-{number % _SERVICES}"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.45.0"),
    ):
        message.attributes.add(key=key).value.string_value = value


def make_traces(chance: random.Random, number: int, size: int, start_ns: int) -> bytes:
    """Return a request of *size* spans, eight a trace."""
    request = ExportTraceServiceRequest()
    of = request.resource_spans.add()
    resource(of.resource, number)
    scoped = of.scope_spans.add()
    scoped.scope.name, scoped.scope.version = "benchmark", "1"
    trace_id = parent = b""
    for index in range(size):
        if index % _SPANS_A_TRACE == 0:
            trace_id, parent = chance.randbytes(16), b""
        span = scoped.spans.add(
            trace_id=trace_id,
            span_id=chance.randbytes(8),
            parent_span_id=parent,
            name=f"operation {index % 20}",
            kind=2,
            start_time_unix_nano=start_ns + index * 20_000,
            end_time_unix_nano=start_ns + index * 20_000 + chance.randrange(10_000_000),
        )
        parent = span.span_id
        if index % 50 == 0:
            span.status.code = Status.STATUS_CODE_ERROR
        attributes(span.attributes, index)
    return request.SerializeToString()


def make_logs(chance: random.Random, number: int, size: int, start_ns: int) -> bytes:
    """Return a request of *size* records, eight of each trace."""
    request = ExportLogsServiceRequest()
    of = request.resource_logs.add()
    resource(of.resource, number)
    scoped = of.scope_logs.add()
    scoped.scope.name = "benchmark"
    trace_id = span_id = b""
    for index in range(size):
        if index % _SPANS_A_TRACE == 0:
            trace_id, span_id = chance.randbytes(16), chance.randbytes(8)
        record = scoped.log_records.add(
            time_unix_nano=start_ns + index * 20_000,
            observed_time_unix_nano=start_ns + index * 20_000 + 500,
            severity_number=9,
            severity_text="INFO",
            trace_id=trace_id,
            span_id=span_id,
        )
        took = chance.randrange(1_000)
        record.body.string_value = f"request {index} of user {index % 50} took {took} ms"
        attributes(record.attributes, index)
    return request.SerializeToString()


def make_metrics(chance: random.Random, number: int, size: int, start_ns: int) -> bytes:
    """Return a request of *size* points: counters and gauges, 64 series each."""
    request = ExportMetricsServiceRequest()
    of = request.resource_metrics.add()
    resource(of.resource, number)
    scoped = of.scope_metrics.add()
    scoped.scope.name = "benchmark"
    metric: Any = None
    for index in range(size):
        if index % _POINTS_A_METRIC == 0:
            metric = scoped.metrics.add(name=f"requests.{index // _POINTS_A_METRIC}", unit="1")
            if index // _POINTS_A_METRIC % 2:
                metric.sum.is_monotonic = True
                metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        points = metric.sum if metric.HasField("sum") else metric.gauge
        point = points.data_points.add(time_unix_nano=start_ns, start_time_unix_nano=1)
        if metric.HasField("sum"):
            point.as_int = number * 1_000 + chance.randrange(1_000)
        else:
            point.as_double = chance.randrange(10_000) / 100
        attributes(point.attributes, index)
    return request.SerializeToString()


def read_spans(request: Any) -> list[tuple[Any, ...]]:
    """Return the fields of each span."""
    return [
        (
            *(span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind),
            *(span.start_time_unix_nano, span.end_time_unix_nano, span.status.code),
            *(texts(span.attributes), texts(part.resource.attributes)),
        )
        for part in request.resource_spans
        for scoped in part.scope_spans
        for span in scoped.spans
    ]


def read_logs(request: Any) -> list[tuple[Any, ...]]:
    """Return the fields of each record."""
    return [
        (
            *(record.time_unix_nano, record.severity_number, record.severity_text),
            *(record.body.string_value, record.trace_id, record.span_id),
            *(texts(record.attributes), texts(part.resource.attributes)),
        )
        for part in request.resource_logs
        for scoped in part.scope_logs
        for record in scoped.log_records
    ]


def read_metrics(request: Any) -> list[tuple[Any, ...]]:
    """Return the fields of each point."""
    return [
        (
            *(metric.name, metric.unit, point.time_unix_nano, point.as_double or point.as_int),
            *(texts(point.attributes), texts(part.resource.attributes)),
        )
        for part in request.resource_metrics
        for scoped in part.scope_metrics
        for metric in scoped.metrics
        for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points
    ]


def texts(attributes: Any) -> dict[str, str]:
    """Return *attributes* as text."""
    return {
        pair.key: str(getattr(pair.value, pair.value.WhichOneof("value"))) for pair in attributes
    }


KINDS = (
    Kind("spans", "/v1/traces", "spans", ExportTraceServiceRequest, make_traces, read_spans),
    Kind("log records", "/v1/logs", "logs", ExportLogsServiceRequest, make_logs, read_logs),
    Kind(
        *("data points", "/v1/metrics", "samples", ExportMetricsServiceRequest),
        *(make_metrics, read_metrics),
        count='sum(count_over_time({__name__=~"requests_.+"}[1h]))',
    ),
)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--size", type=int, default=8_192, help="items a request")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", choices=[kind.name for kind in KINDS], help="one signal")
    options = parser.parse_args()
    for kind in KINDS:
        if options.only in {None, kind.name}:
            measure(kind, options.requests, options.size, options.connections)


def measure(kind: Kind, requests: int, size: int, connections: int) -> None:
    """Print the figures of one signal."""
    chance, now_ns = random.Random(7), time.time_ns()  # noqa: S311 - it makes up data
    bodies = [
        kind.make(chance, number, size, now_ns + number * size * 20_000)
        for number in range(requests + connections)
    ]
    items = requests * size
    loop_us = python_loop_us(kind, bodies[:20], size)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with server_process.running("server", data) as server:
            post(server, kind, bodies[requests:], connections)
            server.wait_until_idle()
            before = server.cpu_seconds()
            done = post(server, kind, bodies[:requests], connections)
            loaded = server.cpu_seconds()
            server.wait_until_idle()
            settled, peak = server.cpu_seconds(), server.memory_bytes("VmHWM")
            counted = count(server, kind.count, now_ns) if kind.count else 0
        rows, disk = after_merges(data, kind.table)
    cpu_us = (loaded - before) / items * 1e6
    print(f"{requests} requests of {size} {kind.name}, {connections} connections")
    print(f"  accepted          {done.accepted} requests, refused {done.refused}")
    print(f"  {kind.name}/s     {items / done.seconds:,.0f}")
    print(f"  CPU               {cpu_us:.1f} µs each until acknowledged")
    print(f"  CPU               {(settled - before) / items * 1e6:.1f} µs each with merges")
    print(f"  Python upb loop   {loop_us:.1f} µs each; {cpu_us / loop_us:.2f} of that is used")
    print(f"  peak RSS          {peak / 2**20:,.0f} MiB")
    print(f"  bytes on disk     {disk:.1f} each after merges")
    stored, sent = counted or rows, (requests + connections) * size
    print(f"  stored            {stored:,} of {sent:,}")
    if stored != sent or done.refused:
        raise SystemExit("not everything was stored once")


def post(
    server: server_process.ServerProcess, kind: Kind, bodies: list[bytes], connections: int
) -> write_load.LoadResult:
    """Post *bodies* as fast as they are accepted."""

    def send(connection: http.client.HTTPConnection, body: bytes) -> int:
        connection.request("POST", kind.path, body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return write_load.post_all(server.host, server.port, bodies, connections, post=send)


def count(server: server_process.ServerProcess, promql: str, now_ns: int) -> int:
    """Return the value of *promql* a minute after *now_ns*."""
    asked = urllib.parse.urlencode({"query": promql, "time": now_ns / 1e9 + 60})
    [found] = json.loads(server.get(f"/api/v1/query?{asked}"))["data"]["result"]
    return int(found["value"][1])


def python_loop_us(kind: Kind, bodies: list[bytes], size: int) -> float:
    """Return the microseconds of an item that is parsed by upb and read field by field."""
    begun = time.process_time()
    for body in bodies:
        kind.read(kind.message.FromString(body))
    return (time.process_time() - begun) / (len(bodies) * size) * 1e6


def after_merges(data: Path, table: str) -> tuple[int, float]:
    """Return the rows of *table* and the bytes of each, once everything is merged."""
    store = Store.open(StoreOptions(url=f"chdb://{data / 'store'}"))
    try:
        store.compact()
        [found] = [health for health in store.health().tables if health.table == table]
    finally:
        store.close()
    return found.rows, found.bytes_on_disk / found.rows


if __name__ == "__main__":
    main()
