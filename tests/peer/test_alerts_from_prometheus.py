"""Debian's Prometheus sends its alerts to Veriscope as to an Alertmanager."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peer.served_alerting import served_alerting

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Debian's prometheus is not installed"
    ),
]

RULES = """
groups:
  - name: group
    interval: 1s
    rules:
      - alert: Always
        expr: vector(1) > 0
        labels: {severity: page}
        annotations: {summary: 'the value is {{ $value }}'}
"""


@pytest.fixture(params=["", "/alertmanager"], ids=["root", "prefix"])
def veriscope(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Serve alerting, have Prometheus send to it, and give the address of the API."""
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: team}\nreceivers: [{name: team}]\n")
    (tmp_path / "rules.yml").write_text(RULES)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with served_alerting(config) as url:
        (tmp_path / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"external_labels": {"cluster": "eu"}},
                    "rule_files": [str(tmp_path / "rules.yml")],
                    "alerting": {
                        "alertmanagers": [
                            {
                                "path_prefix": request.param,
                                "static_configs": [{"targets": [url.removeprefix("http://")]}],
                            }
                        ]
                    },
                }
            )
        )
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.external-url=http://prometheus.example",
                "--rules.alert.resend-delay=1s",  # the first is sent before it knows to whom
                "--log.level=error",
            ]
        )
        try:
            yield url + request.param
        finally:
            prometheus.terminate()
            prometheus.wait(30)


def alerts(url: str) -> Any:
    """Return the alerts that are known."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        return json.load(answer)


def test_its_alerts_arrive_whole(veriscope: str) -> None:
    """With labels, outside labels, annotations and where they came from, until they end."""
    deadline = time.monotonic() + 30
    while not (found := alerts(veriscope)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [alert] = found
    assert alert["labels"] == {"alertname": "Always", "cluster": "eu", "severity": "page"}
    assert alert["annotations"] == {"summary": "the value is 1"}
    assert alert["generatorURL"].startswith("http://prometheus.example/graph?g0.expr=vector")
    assert alert["status"]["state"] == "active"
    assert alert["receivers"] == [{"name": "team"}]
    assert alert["startsAt"] < alert["endsAt"]
