"""What several posts about one alert come to: the same here as in Alertmanager."""

import json
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.peer.served_alerting import served_alerting

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus-alertmanager") is None,
        reason="Debian's prometheus-alertmanager is not installed",
    ),
]
CONFIG = """
route: {receiver: team, group_wait: 1h}
receivers: [{name: team}]
"""
ALERTS = 300


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Start both and give their addresses."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    theirs = subprocess.Popen(
        [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
    )
    try:
        with served_alerting(config) as ours:
            wait_for(f"http://{address}/-/ready")
            yield f"http://{address}", ours
    finally:
        theirs.terminate()
        theirs.wait(30)


def wait_for(url: str) -> None:
    """Return once *url* is answered."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def post(url: str, alerts: list[dict[str, Any]]) -> None:
    """Post *alerts*."""
    request = urllib.request.Request(
        f"{url}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


def known(url: str) -> dict[str, tuple[Any, ...]]:
    """Return what is known of each alert that has not ended."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=30) as answer:
        return {
            each["labels"]["number"]: (
                *(each[name] for name in ("startsAt", "endsAt", "annotations", "fingerprint")),
                each["generatorURL"],
            )
            for each in json.load(answer)
        }


def test_posts_are_merged(pair: tuple[str, str]) -> None:
    """Begins and ends before, within and after those that were posted before, by chance."""
    chance = random.Random(5)  # noqa: S311 - of cases
    now = datetime.now(UTC).replace(microsecond=0)
    for turn in range(4):
        alerts = []
        for number in range(ALERTS):
            begin, end = sorted(chance.sample(range(-20, 21), 2))
            alert: dict[str, Any] = {
                "labels": {"alertname": "A", "number": str(number)},
                "annotations": {"turn": str(turn)},
                "generatorURL": f"http://rules/{turn}",
                "startsAt": (now + timedelta(hours=begin)).isoformat(),
                "endsAt": (now + timedelta(hours=end)).isoformat(),
            }
            alerts.append(alert)
        for url in pair:
            post(url, alerts)
    theirs, ours = map(known, pair)
    assert len(theirs) > ALERTS / 4
    assert ours == theirs
