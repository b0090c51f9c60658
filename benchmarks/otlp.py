"""OTLP as fast as it is accepted: spans and log records a second, CPU and bytes on disk of each."""

import argparse
import http.client
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

import server_process
import write_load
from veriscope.store import Store, StoreOptions

_SERVICES = 8
_SPANS_A_TRACE = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """A signal to measure: its path, table and message, and how a request is made."""

    name: str
    path: str
    table: str
    message: type[Any]
    make: Callable[[random.Random, int, int, int], bytes]


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


KINDS = (
    Kind("spans", "/v1/traces", "spans", ExportTraceServiceRequest, make_traces),
    Kind("log records", "/v1/logs", "logs", ExportLogsServiceRequest, make_logs),
)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--size", type=int, default=8_192, help="spans or records a request")
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    for kind in KINDS:
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
        stored, disk = after_merges(data, kind.table)
    cpu_us = (loaded - before) / items * 1e6
    print(f"{requests} requests of {size} {kind.name}, {connections} connections")
    print(f"  accepted          {done.accepted} requests, refused {done.refused}")
    print(f"  {kind.name}/s     {items / done.seconds:,.0f}")
    print(f"  CPU               {cpu_us:.1f} µs each until acknowledged")
    print(f"  CPU               {(settled - before) / items * 1e6:.1f} µs each with merges")
    print(f"  Python upb loop   {loop_us:.1f} µs each; {cpu_us / loop_us:.2f} of that is used")
    print(f"  peak RSS          {peak / 2**20:,.0f} MiB")
    print(f"  bytes on disk     {disk:.1f} each after merges")
    print(f"  stored            {stored:,} of {(requests + connections) * size:,}")
    if stored != (requests + connections) * size or done.refused:
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


def python_loop_us(kind: Kind, bodies: list[bytes], size: int) -> float:
    """Return the microseconds of an item that is parsed by upb and read field by field."""
    begun = time.process_time()
    for body in bodies:
        rows = []
        request = kind.message.FromString(body)
        parts = request.resource_spans if kind.table == "spans" else request.resource_logs
        for part in parts:
            of = {pair.key: pair.value.string_value for pair in part.resource.attributes}
            scopes = part.scope_spans if kind.table == "spans" else part.scope_logs
            for scoped in scopes:
                items = scoped.spans if kind.table == "spans" else scoped.log_records
                rows += [_row(item, of) for item in items]
    return (time.process_time() - begun) / (len(bodies) * size) * 1e6


def _row(item: Any, of: dict[str, str]) -> tuple[Any, ...]:
    given = {
        pair.key: str(getattr(pair.value, pair.value.WhichOneof("value")))
        for pair in item.attributes
    }
    if hasattr(item, "body"):
        words = (item.time_unix_nano, item.severity_number, item.severity_text)
        return (*words, item.body.string_value, item.trace_id, item.span_id, given, of)
    ids = (item.trace_id, item.span_id, item.parent_span_id)
    times = (item.start_time_unix_nano, item.end_time_unix_nano)
    return (*ids, item.name, item.kind, *times, item.status.code, given, of)


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
