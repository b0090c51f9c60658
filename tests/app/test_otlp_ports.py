"""OTLP's own ports: taken where they are free, left out where they are not, or as told."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub

from veriscope.app import ConfigError, otlp_ports
from veriscope.app.config import ServerOptions
from veriscope.app.otlp_ports import take_otlp_ports
from veriscope.signals import UnavailableError


@pytest.fixture
def taken() -> Any:
    """Return the address of a port on which somebody else listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_the_usual_ports_are_taken_where_they_are_free(
    monkeypatch: pytest.MonkeyPatch, taken: str, free_port: int
) -> None:
    """One that another program has is left out without an error."""
    monkeypatch.setattr(otlp_ports, "_GRPC", f"127.0.0.1:{free_port}")
    monkeypatch.setattr(otlp_ports, "_HTTP", taken)
    ports = take_otlp_ports(ServerOptions())
    assert (ports.grpc, ports.http) == (f"127.0.0.1:{free_port}", None)


def test_a_port_that_was_asked_for_must_be_free(taken: str) -> None:
    """Or the server would not be where its user looks for it."""
    for name in ("otlp_grpc_listen", "otlp_http_listen"):
        other = {"otlp_grpc_listen": "off", "otlp_http_listen": "off", name: taken}
        with pytest.raises(UnavailableError, match=f"cannot listen .* with server.{name}$"):
            take_otlp_ports(ServerOptions(**other))


def test_no_port_is_taken_where_none_is_wanted() -> None:
    """`off` says so."""
    ports = take_otlp_ports(ServerOptions(otlp_grpc_listen="off", otlp_http_listen="off"))
    assert (ports.grpc, ports.http) == (None, None)


def test_other_machines_need_a_token() -> None:
    """As on the server's own address."""
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        take_otlp_ports(ServerOptions(otlp_grpc_listen="0.0.0.0:0", otlp_http_listen="off"))


def test_metrics_come_in_by_grpc(
    run_server: Callable[..., Any], tmp_path: Path, free_port: int
) -> None:
    """A served process stores what it answers, and ends when it is told to."""
    config = tmp_path / "veriscope.yml"
    config.write_text(
        f"server: {{otlp_grpc_listen: '127.0.0.1:{free_port}', otlp_http_listen: 'off'}}\n"
        "otlp: {translation_strategy: NoTranslation}\n"
    )
    server = run_server(tmp_path / "data", "--config", str(config))
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="a.b")
    metric.gauge.data_points.add(as_int=7, time_unix_nano=time.time_ns())
    with grpc.insecure_channel(f"127.0.0.1:{free_port}") as channel:
        answer = MetricsServiceStub(channel).Export(request, timeout=60)
    assert not answer.HasField("partial_success")
    assert [each["value"][1] for each in server.query('{"a.b"}')] == ["7"]
    assert server.stop() == 0
