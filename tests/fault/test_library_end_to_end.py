import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery import Exporter, ExportOptions, LogRecord
from veriscope.signals import InvalidInputError, UnavailableError

pytestmark = pytest.mark.fault


def rows(server: Any, table: str) -> int:
    """Return how many rows the server's store has in *table*."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = re.search(rf'^veriscope_store_rows{{table="{table}"}} (\S+)$', text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def test_a_real_server_that_is_killed_gets_everything_after_its_restart(
    run_server: Callable[..., Any],
    tmp_path: Path,
    free_port: int,
    export: Callable[..., Exporter],
) -> None:
    """Metrics, spans and records of before, during and after the outage are in the store."""
    listen = ("--listen", f"127.0.0.1:{free_port}")
    server = run_server(tmp_path, *listen)
    exporter = export(server.url, batch_interval_s=0.02)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(exporter.span_processor())
    tracer = provider.get_tracer("shop")

    def produce(phase: str) -> None:
        for number in range(20):
            tracer.start_span(f"{phase} {number}").end()
            exporter.add_log(LogRecord(time.time_ns(), 9, "INFO", f"{phase} {number}"))
            exporter.add_sample("orders", {"phase": phase, "number": str(number)}, number)

    produce("before")
    assert exporter.flush(60)
    server.stop(signal.SIGKILL)
    produce("during")
    assert not exporter.flush(0.5)
    server = run_server(tmp_path, *listen)
    produce("after")
    assert exporter.flush(60)
    counts = {
        labels["phase"]: value
        for labels, value in exporter.client.query("count by (phase) (orders)")
    }
    assert counts == {"before": 20, "during": 20, "after": 20}
    deadline = time.monotonic() + 60  # the figure is some seconds old
    while rows(server, "spans") < 60 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert rows(server, "spans") == rows(server, "logs") == 60


def test_the_client_asks_a_real_server(
    run_server: Callable[..., Any], tmp_path: Path, export: Callable[..., Exporter]
) -> None:
    """Vectors and scalars are answered; each other end is a typed error that says why."""
    server = run_server(tmp_path)
    exporter = export(server.url)
    exporter.add_sample("depth", {"queue": "a"}, 4)
    assert exporter.flush(60)
    client = exporter.client
    labels = {"__name__": "depth", "queue": "a", "job": "shop"}
    [(found, value)] = client.query("depth", time.time() + 1.5)
    assert labels.items() <= found.items()
    assert value == 4
    assert client.query("1 + 1") == [({}, 2.0)]
    assert client.query("no_such_metric") == []
    with pytest.raises(InvalidInputError, match="unclosed left parenthesis"):
        client.query("sum(")
    with pytest.raises(InvalidInputError, match="gives a matrix"):
        client.query("depth[5m]")
    with pytest.raises(InvalidInputError, match="there is nothing at"):
        client.send_json("POST", "/api/veriscope/v1/no-such-thing", {})
    server.stop()
    with pytest.raises(UnavailableError, match=re.escape(server.url)):
        client.query("1")


def test_certificate_and_token_of_a_real_server_are_checked(
    run_server: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With both it delivers; a stranger's certificate is a failure, a wrong token a refusal."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    (tmp_path / "token").write_text("sesame\n")
    config = tmp_path / "config.yml"
    config.write_text("server: {token_file: token, tls: {cert_file: cert.pem, key_file: key.pem}}")
    server = run_server(tmp_path / "data", "--config", str(config))

    def deliver(token: str, ca_file: Path | None, patience_s: float = 60) -> bool:
        options = ExportOptions(service_name="shop", ca_file=str(ca_file) if ca_file else None)
        exporter = Exporter(server.url, options, token=token, registry=CollectorRegistry())
        delivered = exporter.flush(patience_s)
        exporter.shutdown(0)
        return delivered

    caplog.set_level("INFO")
    assert deliver("sesame", certificate)
    assert not deliver("sesame", None, patience_s=2)
    assert "certificate verify failed" in caplog.text
    assert not deliver("wrong", certificate)
    assert "the server needs a valid token: set VERISCOPE_TOKEN" in caplog.text
