"""A running Prometheus to compare with."""

import http.client
import json
import shutil
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from veriscope.signals import Labels

Series = dict[Labels, list[tuple[int, float]]]


def openmetrics(series: Series) -> str:
    """Write samples in the OpenMetrics text format, each family together."""
    lines, family = [], ""
    for labels, samples in sorted(series.items()):
        pairs = dict(labels)
        name = pairs.pop("__name__")
        if name != family:
            lines.append(f"# TYPE {name} unknown")
            family = name
        spelled = ",".join(f'{key}="{value}"' for key, value in pairs.items())
        lines += [f"{name}{{{spelled}}} {value!r} {t / 1000:.3f}" for t, value in samples]
    return "\n".join([*lines, "# EOF", ""]).replace(" inf ", " +Inf ").replace(" -inf ", " -Inf ")


class Peer:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, **params: object) -> dict[str, Any]:
        """Return the JSON answer, also of a refused query."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", f"{path}?{urllib.parse.urlencode(params)}")
        with connection.getresponse() as response:
            body = response.read()
        connection.close()
        return json.loads(body) if body.startswith(b"{") else {"status": body.decode()}

    def is_ready(self) -> bool:
        """Tell whether the server answers queries."""
        try:
            return "Ready" in self.get("/-/ready")["status"]
        except OSError:
            return False


@contextmanager
def running(folder: Path, series: Series) -> Iterator[Peer]:
    """Run Debian's Prometheus on *series*, in *folder*."""
    prometheus, promtool = shutil.which("prometheus"), shutil.which("promtool")
    if prometheus is None or promtool is None:
        pytest.skip("NOT COMPARED: no prometheus and promtool on this machine")
    (folder / "samples.txt").write_text(openmetrics(series))
    (folder / "prometheus.yml").write_text("{}\n")
    if series:
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", "samples.txt", "data"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                prometheus,
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            running = Peer(port)
            deadline = time.monotonic() + 60
            while not running.is_ready():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def peer_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Series], Peer]]:
    """Return what starts a Prometheus on samples."""
    with ExitStack() as stack:
        yield lambda series: stack.enter_context(
            running(tmp_path_factory.mktemp("prometheus"), series)
        )
