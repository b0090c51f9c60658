import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.alert import AlertGroup
from veriscope.alert.notify import load_receivers

pytestmark = pytest.mark.peer
BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@pytest.fixture
def alertmanager(tmp_path: Path, receiver: Any) -> Iterator[str]:
    """Run a real Alertmanager that posts to *receiver*; return its address."""
    if BINARY is None:
        pytest.skip("Alertmanager is not installed")
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        "route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n"
        "receivers:\n"
        f"- name: hook\n  webhook_configs: [{{url: '{receiver.url}/real'}}]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(BINARY, f"--config.file={config}", f"--storage.path={tmp_path}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=60):
                break
        except (OSError, urllib.error.URLError):
            assert process.poll() is None
    yield url
    process.terminate()
    process.wait(60)


def test_a_real_alertmanager_takes_and_resolves_our_alerts(
    alertmanager: str, receiver: Any, make_group: Callable[..., AlertGroup]
) -> None:
    """It computes the same fingerprint, and sends the same webhook as we do ourselves."""
    source = [
        {
            "name": "team",
            "alertmanager_configs": [{"url": alertmanager}],
            "webhook_configs": [{"url": f"{receiver.url}/ours"}],
        }
    ]
    team = load_receivers(source, registry=CollectorRegistry())["team"]
    group = make_group(firing=1)
    assert team.put(group)
    sent = {request.path: request.body for request in receiver.wait(2)}
    real, ours = sent["/real"], sent["/ours"]
    assert set(real) == set(ours)
    assert real["alerts"][0]["fingerprint"] == ours["alerts"][0]["fingerprint"]
    for key in (
        "version",
        "status",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "groupKey",
    ):
        assert real[key] == ours[key], key
    for key in ("labels", "annotations", "status", "generatorURL", "endsAt"):
        assert real["alerts"][0][key] == ours["alerts"][0][key], key
    with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts", timeout=60) as answer:
        (known,) = json.load(answer)
    assert known["status"]["state"] == "active"
    assert team.put(make_group(firing=0, resolved=1))
    receiver.wait(4)
    last = [request.body for request in receiver.requests if request.path == "/real"][-1]
    assert last["status"] == "resolved"
