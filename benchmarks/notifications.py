"""Seconds from a sample to the notification of its alert: 1,000 rules over 10,000 series."""

import argparse
import http.client
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import numpy as np

import server_process
from veriscope.signals import to_labels
from veriscope.wire import remote_write
from write_load import BodyTemplate

_METRIC: Final = "queue_length"
_HEADERS: Final = {
    "Content-Type": remote_write.CONTENT_TYPE,
    "Content-Encoding": "snappy",
}
_SPACING_S: Final = 0.37  # no multiple of the interval: samples come at every moment of it


class Told:
    """When each series' alert was told of first since it was asked for last."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self.with_evidence = 0
        """Notifications that came with evidence."""
        self._changed = threading.Condition()

    def note(self, series: str) -> None:
        """Keep that the alert of *series* arrived now."""
        with self._changed:
            self._times.setdefault(series, time.monotonic())
            self._changed.notify_all()

    def wait(self, series: str, timeout_s: float) -> float | None:
        """Return when it arrived; None where it does not in time."""
        with self._changed:
            self._changed.wait_for(lambda: series in self._times, timeout_s)
            return self._times.get(series)


@contextmanager
def receiver(told: Told) -> Iterator[str]:
    """Serve a webhook that notes the series of firing alerts; give its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.with_evidence += "evidence" in body
            for alert in body["alerts"]:
                if alert["status"] == "firing":
                    told.note(alert["labels"]["series"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_configuration(folder: Path, url: str, options: argparse.Namespace) -> Path:
    """Write rules, each over its share of the series, and a route without waiting."""
    rules = [
        {"alert": f"Rule{number}", "expr": f'{_METRIC}{{rule="{number}"}} > 0'}
        for number in range(options.rules)
    ]
    groups = [
        {"name": f"g{first}", "rules": rules[first :: options.groups]}
        for first in range(options.groups)
    ]
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}))
    config = {
        "global": {"evaluation_interval": f"{options.interval}s"},
        "rule_files": ["rules.yml"],
        "rules": {"meta": False},
        "alert": {"evidence": options.evidence},
        "route": {"receiver": "r", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "r", "webhook_configs": [{"url": url, "send_resolved": False}]}],
    }
    file = folder / "veriscope.yml"
    file.write_text(json.dumps(config))
    return file


class Writer:
    """Keeps all series fresh, and raises one at a time."""

    def __init__(self, server: server_process.ServerProcess, options: argparse.Namespace) -> None:
        names = [(str(number), str(number % options.rules)) for number in range(options.series)]
        labels = [
            to_labels({"__name__": _METRIC, "series": series, "rule": rule})
            for series, rule in names
        ]
        self._all = BodyTemplate(tuple(labels))
        self._each = [BodyTemplate((each,)) for each in labels]
        self._count = options.series
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=60)

    def refresh(self) -> None:
        """Write zero for every series."""
        self._post(self._all.body(np.zeros(self._count), _now_ms()))

    def write(self, series: int, value: float) -> None:
        """Write one sample."""
        self._post(self._each[series].body(np.array([value]), _now_ms()))

    def _post(self, body: bytes) -> None:
        self._connection.request("POST", "/api/v1/write", body, _HEADERS)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise SystemExit(f"the server answered {answer.status}")


def measure(writer: Writer, told: Told, options: argparse.Namespace) -> list[float]:
    """Return the seconds from each sample to its notification."""
    seconds = []
    chosen = random.Random(1).sample(range(options.series), options.samples)  # noqa: S311
    for number, series in enumerate(chosen):
        if number % 20 == 0:
            writer.refresh()
        begun = time.monotonic()
        writer.write(series, 1.0)
        arrived = told.wait(str(series), 60)
        if arrived is None:
            raise SystemExit(f"nobody was told of series {series} within a minute")
        seconds.append(arrived - begun)
        writer.write(series, 0.0)
        time.sleep(_SPACING_S)
    return seconds


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Measure a server of its own; say how long its rules take beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--interval", type=int, default=1, help="seconds between evaluations")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--evidence", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    told = Told()
    with tempfile.TemporaryDirectory() as name, receiver(told) as url:
        folder = Path(name)
        config = write_configuration(folder, url, options)
        with server_process.running("server", folder / "data", "--config", str(config)) as server:
            writer = Writer(server, options)
            for _ in range(5):  # the engine warms up, and every rule has been evaluated
                writer.refresh()
                time.sleep(2)
            cpu, begun = server.cpu_seconds(), time.monotonic()
            found = np.array(measure(writer, told, options))
            share = (server.cpu_seconds() - cpu) / (time.monotonic() - begun)
    p50, p99 = np.percentile(found, (50, 99))
    print(
        f"{options.rules:,} rules over {options.series:,} series each {options.interval} s:"
        f" sample to notification p50 {p50:.2f} s, p99 {p99:.2f} s, most {found.max():.2f} s"
        f" ({len(found)} samples, {told.with_evidence} with evidence);"
        f" the server used {share:.2f} cores"
    )


if __name__ == "__main__":
    main()
