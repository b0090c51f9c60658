"""Debian's Prometheus and Alertmanager, and Veriscope, on the same files; holds no tests."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.peer.alerting.recorder import Recorder

EXTERNAL_URL = "http://watch.example"
RESEND_S = 3


class Side(Protocol):
    """One of the two that are compared."""

    recorder: Recorder
    rules_url: str
    """Where Prometheus' API and remote write are."""
    alerts_url: str
    """Where Alertmanager's API is."""
    ready_s: float
    """When the rules were last ready, in Unix seconds."""

    def start(self) -> None:
        """Start, on the data of the last time."""

    def stop(self) -> None:
        """End as a service manager would have it."""

    def start_rules(self) -> None:
        """Start what evaluates the rules."""

    def stop_rules(self) -> None:
        """End what evaluates the rules; what tells people may go on."""

    def write_routing(self, text: str) -> None:
        """Write Alertmanager's file, in which `RECORDER` stands for the recorder's address."""

    def reload(self) -> None:
        """Have every file read again."""


def fetch(url: str, body: Any = None, method: str | None = None) -> Any:
    """Return the JSON at *url*; None where there is none."""
    request = urllib.request.Request(
        url,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def wait_until(is_so: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    """Wait for something that no process announces."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"never: {what}"
        time.sleep(0.05)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody reads half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Theirs:
    """A Prometheus that sends to an Alertmanager."""

    def __init__(self, folder: Path, rules: Path, recorder: Recorder) -> None:
        self.recorder = recorder
        self.ready_s = 0.0
        self._folder = folder
        self._routing = folder / "alertmanager.yml"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        rules_port, alerts_port = _free_port(), _free_port()
        self.rules_url = f"http://127.0.0.1:{rules_port}"
        self.alerts_url = f"http://127.0.0.1:{alerts_port}"
        (folder / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"evaluation_interval": "1s", "external_labels": {"region": "eu"}},
                    "rule_files": [str(rules)],
                    "alerting": {
                        "alertmanagers": [
                            {"static_configs": [{"targets": [f"127.0.0.1:{alerts_port}"]}]}
                        ]
                    },
                }
            )
        )
        self._prometheus = (
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/samples",
            f"--web.listen-address=127.0.0.1:{rules_port}",
            f"--web.external-url={EXTERNAL_URL}",
            "--web.route-prefix=/",
            "--web.enable-remote-write-receiver",
            "--web.enable-lifecycle",
            f"--rules.alert.resend-delay={RESEND_S}s",
            "--rules.alert.for-grace-period=1s",
            "--log.level=error",
        )
        self._alertmanager = (
            "prometheus-alertmanager",
            f"--config.file={self._routing}",
            f"--storage.path={folder}/told",
            f"--web.listen-address=127.0.0.1:{alerts_port}",
            f"--web.external-url={EXTERNAL_URL}",
            "--web.route-prefix=/",
            "--cluster.listen-address=",
            "--log.level=error",
        )

    def start(self) -> None:
        """Start both."""
        self._start("alertmanager", self._alertmanager, self.alerts_url)
        self.start_rules()

    def stop(self) -> None:
        """End both."""
        self.stop_rules()
        self._stop("alertmanager")

    def start_rules(self) -> None:
        """Start Prometheus."""
        self._start("prometheus", self._prometheus, self.rules_url)
        self.ready_s = time.time()
        self._wait_for_alertmanager()

    def stop_rules(self) -> None:
        """End Prometheus."""
        self._stop("prometheus")

    def write_routing(self, text: str) -> None:
        """Write Alertmanager's file."""
        write_whole(self._routing, text.replace("RECORDER", self.recorder.url))

    def reload(self) -> None:
        """Ask both to."""
        for url in (self.rules_url, self.alerts_url):
            with urllib.request.urlopen(f"{url}/-/reload", b"", timeout=30):
                pass
        self._wait_for_alertmanager()

    def _wait_for_alertmanager(self) -> None:
        """Wait until Prometheus has found it, also after a reload: until then it drops alerts."""
        url = f"{self.rules_url}/api/v1/alertmanagers"
        wait_until(lambda: fetch(url)["data"]["activeAlertmanagers"], "Alertmanager is found")

    def _start(self, name: str, command: tuple[str, ...], url: str) -> None:
        self._running[name] = subprocess.Popen(command)
        wait_until(lambda: _is_ready(f"{url}/-/ready"), f"{name} is ready")

    def _stop(self, name: str) -> None:
        if (process := self._running.pop(name, None)) is not None:
            process.terminate()
            process.wait(30)


class Ours:
    """A Veriscope."""

    def __init__(
        self, folder: Path, rules: Path, recorder: Recorder, run_server: Callable[..., Any]
    ) -> None:
        self.recorder = recorder
        self.ready_s = 0.0
        self.rules_url = self.alerts_url = ""
        self._folder = folder
        self._routing = folder / "routing.yml"
        self._run = run_server
        self.server: Any = None
        (folder / "veriscope.yml").write_text(
            json.dumps(
                {
                    "global": {"evaluation_interval": "1s", "external_labels": {"region": "eu"}},
                    "rule_files": [str(rules)],
                    "rules": {
                        "meta": False,
                        "resend_delay": f"{RESEND_S}s",
                        "for_grace_period": "1s",
                    },
                    "alert": {"config_file": str(self._routing)},
                    "server": {"external_url": EXTERNAL_URL},
                }
            )
        )

    def start(self) -> None:
        """Start it."""
        self.server = self._run(
            self._folder / "data", "--config", str(self._folder / "veriscope.yml")
        )
        self.rules_url = self.alerts_url = self.server.url
        self.ready_s = time.time()

    def stop(self) -> None:
        """End it."""
        assert self.server.stop() == 0

    start_rules = start
    stop_rules = stop

    def write_routing(self, text: str) -> None:
        """Write Alertmanager's file."""
        write_whole(self._routing, text.replace("RECORDER", self.recorder.url))

    def reload(self) -> None:
        """Ask it to."""
        with urllib.request.urlopen(f"{self.rules_url}/-/reload", b"", timeout=30):
            pass
