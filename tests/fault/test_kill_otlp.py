"""A server that takes spans and logs, killed for real."""

import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.fault

_ITEMS: Final = 50
_NOW_NS: Final = time.time_ns()


def _traces(number: int) -> bytes:
    """Return request *number*: a trace of 50 spans of a service of its own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = f"s{number}"
    scoped = resource.scope_spans.add()
    for item in range(_ITEMS):
        scoped.spans.add(
            trace_id=(number + 1).to_bytes(16),
            span_id=(item + 1).to_bytes(8),
            name="op",
            start_time_unix_nano=_NOW_NS + item,
            end_time_unix_nano=_NOW_NS + item + 1,
        )
    return request.SerializeToString()


def _logs(number: int) -> bytes:
    """Return request *number*: 50 equal records of a service of its own."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = f"s{number}"
    scoped = resource.scope_logs.add()
    for _ in range(_ITEMS):
        scoped.log_records.add(time_unix_nano=_NOW_NS).body.string_value = "same"
    return request.SerializeToString()


def _post(url: str, path: str, body: bytes) -> int:
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/x-protobuf"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


class _Clients:
    """Clients that post requests as fast as they are accepted, until the server is gone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = iter(range(10_000))
        self._lock = threading.Lock()
        self.acknowledged: dict[str, set[int]] = {"/v1/traces": set(), "/v1/logs": set()}
        self.sent: set[int] = set()
        self.threads = [threading.Thread(target=self._work) for _ in range(8)]
        for thread in self.threads:
            thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers)
                self.sent.add(number)
            try:
                for path, body in (("/v1/traces", _traces(number)), ("/v1/logs", _logs(number))):
                    if _post(self._url, path, body) == 200:
                        self.acknowledged[path].add(number)
            except (urllib.error.URLError, ConnectionError):
                return


def _counts(server: Any, signal_name: str) -> dict[str, int]:
    services = server.get("/api/veriscope/v1/services")["data"]
    return {service["name"]: service[signal_name] for service in services}


def test_kill_during_pushes_loses_nothing_acknowledged(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """After `kill -9` every acknowledged span and record is there; sending again adds none."""
    server = run_server(tmp_path)
    clients = _Clients(server.url)
    deadline = time.monotonic() + 60
    while len(clients.acknowledged["/v1/logs"]) < 60 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    for thread in clients.threads:
        thread.join()
    assert clients.acknowledged["/v1/logs"]
    assert clients.sent > clients.acknowledged["/v1/logs"], "the kill was not amid pushes"

    server = run_server(tmp_path)
    for path, name in (("/v1/traces", "spans"), ("/v1/logs", "logs")):
        counts = _counts(server, name)
        lost = {n for n in clients.acknowledged[path] if counts.get(f"s{n}") != _ITEMS}
        assert not lost

    # A client that got no answer sends again, and that stores nothing twice.
    again = sorted(clients.sent)[-12:]
    for number in again:
        assert _post(server.url, "/v1/traces", _traces(number)) == 200
        assert _post(server.url, "/v1/logs", _logs(number)) == 200
    for name in ("spans", "logs"):
        counts = _counts(server, name)
        assert max(counts.values()) == _ITEMS
        assert all(counts[f"s{number}"] == _ITEMS for number in again)
    assert server.stop() == 0
