"""Rules step by step: Veriscope says of them and of their alerts what Debian's Prometheus says."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from veriscope.signals import SampleBatch, to_labels
from veriscope.wire import remote_write

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Debian's prometheus is not installed"
    ),
]

RULES = r"""
groups:
- name: pump station
  interval: 1s
  rules:
  - record: pump:pressure:max
    expr: max   by (pump) (pressure)
    labels: {plant: north}
  - alert: HighPressure
    expr: pump:pressure:max > 5
    for: 2s
    labels: {severity: 'level-{{ $value }}', pump_copy: "{{ $labels.pump }}", plant: ""}
    annotations:
      summary: '{{ $labels.pump }} is at {{ $value | humanize }} bar on {{ $externalLabels.site }}'
      empty: ""
      wrong: '{{ template "nope" }}'
      asked: '{{ with query "vector(7)" }}{{ . | first | value }}{{ end }}'
  - alert: Lingering
    expr: sum(pressure) by (pump)   > 8
    keep_firing_for: 3s
  - alert: Ambiguous
    expr: pressure > 8
    labels: {pump: "", sensor: ""}
  - alert: Nothing
    expr: absent(up) and on() vector(0) > 1
- name: narrow
  interval: 1s
  limit: 1
  rules:
  - alert: TooMany
    expr: pressure > 5
    annotations: {summary: "{{ $value }}"}
"""
STEPS: list[tuple[str, dict[str, float], dict[str, str]]] = [
    ("quiet", {"a": 1, "b": 2}, {}),
    ("one high", {"a": 6, "b": 2}, {"HighPressure a": "firing", "TooMany a": "firing"}),
    (
        "two high",
        {"a": 9, "b": 9.5},
        {
            "HighPressure a": "firing", "HighPressure b": "firing",
            "Lingering a": "firing", "Lingering b": "firing",
        },
    ),
    ("one left", {"a": 1, "b": 9}, {
        "HighPressure b": "firing", "Ambiguous ": "firing", "Lingering b": "firing",
        "TooMany b": "firing",
    }),
    ("quiet again", {"a": 1, "b": 1}, {}),
]  # fmt: skip


class Peers(NamedTuple):
    """The addresses of both servers."""

    ours: str
    theirs: str


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    """Start both with the same rules."""
    (tmp_path / "rules.yml").write_text(RULES)
    text = "global: {external_labels: {site: mill}}\nrule_files: [rules.yml]\n"
    (tmp_path / "prometheus.yml").write_text(text)
    (tmp_path / "veriscope.yml").write_text(text + "rules: {meta: false}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    theirs = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/prometheus",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            "--log.level=error",
        ]
    )
    ours = subprocess.Popen(
        [
            sys.executable, "-m", "veriscope", "server", "--data", str(tmp_path / "veriscope"),
            "--config", str(tmp_path / "veriscope.yml"), "--listen", "127.0.0.1:0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert ours.stdout is not None
        yield Peers(ours.stdout.readline().split()[-1], f"http://127.0.0.1:{port}")
    finally:
        for process in (theirs, ours):
            process.terminate()
            process.wait(30)
        if ours.stdout is not None:
            ours.stdout.close()


def ask(url: str, path: str) -> Any:
    """Return the data of an answer; None where there is none yet."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=30) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def write(url: str, values: dict[str, float]) -> bool:
    """Store the pressures for now."""
    labels = tuple(to_labels({"__name__": "pressure", "pump": pump}) for pump in values)
    batch = SampleBatch.at(labels, np.array(list(values.values())), time.time_ns() // 1_000_000)
    request = urllib.request.Request(
        f"{url}/api/v1/write",
        remote_write.compress(remote_write.encode(batch)),
        {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status) == 204
    except OSError:
        return False


def states(url: str) -> dict[str, str] | None:
    """Return the state of each alert by its rule and pump."""
    if (data := ask(url, "alerts")) is None:
        return None
    return {
        f"{alert['labels']['alertname']} {alert['labels'].get('pump', '')}": alert["state"]
        for alert in data["alerts"]
    }


def shown(url: str) -> list[dict[str, Any]]:
    """Return what is said of the groups, less times and where the file lies."""
    groups: list[dict[str, Any]] = ask(url, "rules")["groups"]
    for group in groups:
        for name in ("evaluationTime", "lastEvaluation", "file"):
            group.pop(name)
        for rule in group["rules"]:
            rule.pop("evaluationTime")
            rule.pop("lastEvaluation")
            if "lastError" in rule:  # ours goes on with what to do
                rule["lastError"] = rule["lastError"].split(";")[0]
            for alert in rule.get("alerts", []):
                assert alert.pop("activeAt").endswith("Z")
                alert["annotations"]["wrong"] = alert["annotations"].get("wrong", "")[:28]
            rule.get("alerts", []).sort(key=lambda alert: sorted(alert["labels"].items()))
    return sorted(groups, key=lambda group: str(group["name"]))


def series(url: str) -> list[Any]:
    """Return the labels of the series of alerts that there are now."""
    found = ask(url, 'query?query={__name__=~"ALERTS.*"}')["result"]
    return sorted(sorted(each["metric"].items()) for each in found)


def test_rules_and_alerts_fare_alike(peers: Peers) -> None:
    """The same states, texts, errors and series after each step."""
    deadline = time.monotonic() + 60
    while not all(write(url, {"a": 0, "b": 0}) for url in peers):
        assert time.monotonic() < deadline, "a server has not started"
    for name, values, expected in STEPS:
        deadline = time.monotonic() + 20
        # What has just changed is recorded with the next evaluation only.
        while not (
            all(states(url) == expected for url in peers)
            and shown(peers.ours) == shown(peers.theirs)
            and series(peers.ours) == series(peers.theirs)
        ):
            if time.monotonic() > deadline:
                assert states(peers.ours) == states(peers.theirs) == expected, name
                assert shown(peers.ours) == shown(peers.theirs), name
                assert series(peers.ours) == series(peers.theirs), name
            for url in peers:
                assert write(url, values)
