"""
Native histograms that leave, by remote read and federation, beside Debian's Prometheus.

2.42 answers remote reads with histograms, but leaves out those that it reads itself.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import pytest

from tests.remote_read_answers import UNKNOWN, Histogram, read_frames
from veriscope.signals import (
    HistogramSamples,
    Labels,
    LabelSets,
    RaggedSamples,
    Segment,
    to_labels,
)
from veriscope.signals.histograms import Buckets, Histograms, Runs
from veriscope.wire import remote_read
from veriscope.wire.protobuf_fields import delimited, varint

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Debian's prometheus is not installed"
    ),
]

STEPS, RESET_AT = 200, 130


@cache
def now_ms() -> int:
    """Return a time half a minute before the first test; the module was read long before."""
    return int(time.time()) // 15 * 15_000 - 30_000


def latencies() -> Histograms:
    """Return a counter that grows, is reset once, and sees more and more buckets."""
    random = np.random.default_rng(5)
    totals: dict[int, float] = {}
    rows: list[dict[int, float]] = []
    for step in range(STEPS):
        if step == RESET_AT:
            totals = {}
        for bucket in random.integers(-3, 3 + step // 20, size=4).tolist():
            totals[bucket] = totals.get(bucket, 0.0) + 1.0
        rows.append(dict(totals))
    index = [place for row in rows for place in sorted(row)]
    return Histograms(
        schema=np.full(STEPS, 2, dtype=np.int8),
        reset_hint=np.zeros(STEPS, dtype=np.int8),
        count=np.array([sum(row.values()) + 0.5 for row in rows]),
        sum=np.array([sum(row.values()) * 1.3 for row in rows]),
        zero_threshold=np.full(STEPS, 2.0**-128),
        zero_count=np.full(STEPS, 0.5),
        positive=Buckets(
            np.cumsum([0, *map(len, rows)]),
            np.array(index, dtype=np.int32),
            np.array([row[place] for row in rows for place in sorted(row)]),
        ),
        negative=Buckets.none(STEPS),
        bounds=Runs.none(STEPS),
    )


def samples() -> RaggedSamples:
    """Return the histograms of one series, one in 15 s."""
    nothing = np.zeros(1, dtype=np.int64)
    times = now_ms() - np.arange(STEPS, dtype=np.int64)[::-1] * 15_000
    native = HistogramSamples(np.zeros(STEPS, dtype=np.int64), times, latencies())
    row = Segment(nothing, nothing, np.empty(0, dtype=np.int64), np.empty(0), native)
    labels = LabelSets([to_labels({"__name__": "latency", "job": "a"})])
    return RaggedSamples(labels, (row,))


def post(url: str, body: bytes) -> bytes:
    """Return the answer to a compressed message."""
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    compressed = bytes(cramjam.snappy.compress_raw(body))
    with urllib.request.urlopen(
        urllib.request.Request(url, compressed, headers), timeout=60
    ) as answer:
        return bytes(answer.read())


def write(url: str) -> None:
    """Write the histograms, some at a time since Prometheus wants them in order."""
    found = samples()
    post(f"{url}/api/v1/write", b"".join(remote_read.samples_of(found, found.labels)))


def read(url: str) -> list[tuple[Labels, list[list[tuple[int, Any]]]]]:
    """Return labels and chunks of what a remote read answers."""
    matcher = delimited(2, b"__name__") + delimited(3, b"latency")
    span = b"\x08" + varint(now_ms() - STEPS * 15_000) + b"\x10" + varint(now_ms())
    body = delimited(1, span + delimited(3, matcher)) + b"\x10\x01"
    answer = post(f"{url}/api/v1/read", body)
    return [(labels, chunks) for _, labels, chunks in read_frames(answer)]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start Prometheus with a configuration, and return its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(config: str = "{}\n") -> str:
        folder: Path = tmp_path_factory.mktemp("prometheus")
        (folder / "prometheus.yml").write_text(config)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--enable-feature=native-histograms",
                "--log.level=error",
            ],
        )
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(url + "/-/ready", timeout=60).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return url

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


@pytest.fixture
def served(run_server: Any, tmp_path: Path) -> str:
    """Serve the histograms, and return the address."""
    url = str(run_server(tmp_path / "data").url)
    write(url)
    return url


def flat(found: list[tuple[Labels, list[list[tuple[int, Any]]]]]) -> list[tuple[int, Histogram]]:
    """
    Return every sample, without the empty buckets that Prometheus adds, and without hints.

    2.42 does not say of float histograms that they were reset.
    """
    zero = bytes(8)
    [labels] = {labels for labels, _ in found}
    assert dict(labels) == {"__name__": "latency", "job": "a"}
    return [
        (
            time_ms,
            Histogram(
                value.schema, UNKNOWN,
                value.threshold, value.count, value.zero_count, value.sum,
                tuple(bucket for bucket in value.positive if bucket[1] != zero),
            ),
        )
        for _, chunks in found
        for chunk in chunks
        for time_ms, value in chunk
    ]  # fmt: skip


def test_our_chunks_say_what_prometheus_own_say(served: str, prometheus: Any) -> None:
    """Of the same histograms, read by the same reader."""
    theirs = prometheus()
    write(theirs)
    expected, found = flat(read(theirs)), flat(read(served))
    assert len(expected) == STEPS
    assert found == expected
    reset_ms = now_ms() - (STEPS - 1 - RESET_AT) * 15_000
    assert reset_ms in {chunk[0][0] for _, chunks in read(served) for chunk in chunks}


def ask(url: str, query: str, time_ms: int) -> list[Any]:
    """Return the vector that a query answers."""
    asked = urllib.parse.urlencode({"query": query, "time": time_ms / 1000})
    with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=60) as answer:
        return list(json.load(answer)["data"]["result"])


def numbers(vector: list[Any]) -> list[float]:
    """Return every number of the points, buckets included."""
    found: list[float] = []
    for each in vector:
        if "value" in each:
            found.append(float(each["value"][1]))
            continue
        point = each["histogram"][1]
        found += [float(point["count"]), float(point["sum"])]
        # Which bounds belong to a bucket is said otherwise by 2.42 than by 3.
        found += [float(text) for bucket in point["buckets"] for text in bucket[1:]]
    return found


def test_a_prometheus_scrapes_our_histograms(served: str, prometheus: Any) -> None:
    """From federation, which it asks for protobuf."""
    federating = prometheus(
        "scrape_configs:\n"
        "- job_name: federate\n  honor_labels: true\n  metrics_path: /federate\n"
        "  scrape_interval: 1s\n  params: {'match[]': [latency]}\n"
        f"  static_configs: [{{targets: ['{served.removeprefix('http://')}']}}]\n"
    )
    deadline = time.monotonic() + 60
    while not (found := ask(federating, "latency", now_ms())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert numbers(found) == numbers(ask(served, "latency", now_ms()))
    assert found[0]["metric"] == {"__name__": "latency", "job": "a"}
