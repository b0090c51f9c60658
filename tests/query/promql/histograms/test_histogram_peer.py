"""Native histograms in Veriscope and in Debian's Prometheus: the same counts and buckets."""

import http.client
import json
import math
import random
import shutil
import socket
import struct
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import cramjam
import pytest

from veriscope.query.promql.answer import encode
from veriscope.query.promql.histograms.text import as_json
from veriscope.wire.protobuf_fields import delimited, varint

pytestmark = pytest.mark.peer

STEP_MS = 15_000
SAMPLES = 60
QUERIES = [
    "h",
    'h{i="wide"}',
    "sum(h)",
    "sum by (kind) (h)",
    "count(h)",
    "rate(h[2m])",
    "increase(h[3m])",
    "sum by (kind) (rate(h[4m]))",
    "sum(increase(h[100s]))",
    "histogram_count(h)",
    "histogram_sum(rate(h[2m]))",
    "count_over_time(h[2m])",
    "present_over_time(h[1m])",
    "h offset 1m",
    'h{i="fine"} + ignoring(i) h{i="coarse"}',
    'h{i="wide"} + ignoring(i) h{i="fine"}',
    'h{i="wide"} and on() vector(1)',
    "histogram_quantile(1, h)",
    "histogram_quantile(0, h)",
    "histogram_fraction(-Inf, 4, h)",
    'histogram_fraction(1, 2, h{i="coarse"})',
    "absent(h)",
]


def grown(seed: int, schema: int, threshold: float, *, resets: bool = False) -> list[str]:
    """Return a counter that grows in random buckets, as literals of the test language."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    positive = [chance.randrange(900, 1000) for _ in range(8)]
    negative = [chance.randrange(900, 1000) for _ in range(3)]
    zero, total, found = 500, 0.0, []
    for turn in range(SAMPLES):
        for side in (positive, negative):
            for bucket in range(len(side)):
                side[bucket] += chance.randrange(5)
        zero, total = zero + chance.randrange(3), total + chance.randrange(100) / 8
        if resets and turn == SAMPLES // 2:
            positive, zero = [count // 2 for count in positive], zero // 2
        count = sum(positive) + sum(negative) + zero
        found.append(
            f"{{{{schema:{schema} count:{count} sum:{total} z_bucket:{zero} "
            f"z_bucket_w:{threshold} offset:-2 buckets:[{' '.join(map(str, positive))}] "
            f"n_offset:1 n_buckets:[{' '.join(map(str, negative))}]}}}}"
        )
    return found


SERIES = {
    ("bounds", "c"): [f"{{{{schema:8 count:256 offset:-255 buckets:[{'1 ' * 256}]}}}}"] * SAMPLES,
    ("coarse", "a"): grown(1, 0, 0.001),
    ("fine", "a"): grown(2, 2, 0.001),
    ("wide", "b"): grown(3, 1, 0.25),
    ("reset", "b"): grown(4, 1, 0.001, resets=True),
}


def zigzag(value: int) -> bytes:
    """Return a signed varint."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def number(key: int, value: float) -> bytes:
    """Return a field of eight bytes."""
    return varint(key << 3 | 1) + struct.pack("<d", value)


def side(spans: int, deltas: int, buckets: dict[int, float]) -> bytes:
    """Return the buckets of one side as a span and the differences of their counts."""
    counts = [int(count) for _, count in sorted(buckets.items())]
    span = b"\x08" + zigzag(min(buckets)) + b"\x10" + varint(len(counts))
    steps = [b - a for a, b in zip([0, *counts], counts, strict=False)]
    return delimited(spans, span) + delimited(deltas, b"".join(map(zigzag, steps)))


def request(reference: Any, start_ms: int) -> bytes:
    """Return all series as a request of remote write 1.0."""
    body = b""
    for (name, kind), literals in SERIES.items():
        pairs = (("__name__", "h"), ("i", name), ("kind", kind))
        series = b"".join(
            delimited(1, delimited(1, key.encode()) + delimited(2, value.encode()))
            for key, value in pairs
        )
        for turn, text in enumerate(literals):
            made = reference.literal(text)
            sample = b"\x08" + varint(int(made.count)) + number(3, made.sum)
            sample += b"\x20" + zigzag(made.schema) + number(5, made.threshold)
            sample += b"\x30" + varint(int(made.zero))
            sample += side(8, 9, made.negative) if made.negative else b""
            sample += side(11, 12, made.positive)
            sample += b"\x78" + varint(start_ms + turn * STEP_MS)
            series += delimited(4, sample)
        body += delimited(1, series)
    return bytes(cramjam.snappy.compress_raw(body))


@pytest.fixture(scope="module")
def start_ms() -> int:
    """Return when the samples begin; questions are never asked at the edge of a window."""
    return (int(time.time()) - 3600) // 600 * 600_000 + 7_123


@pytest.fixture(scope="module")
def peer(
    tmp_path_factory: pytest.TempPathFactory, reference: Any, start_ms: int
) -> Iterator[Callable[..., Any]]:
    """Return what asks a Prometheus that has the samples."""
    if (prometheus := shutil.which("prometheus")) is None:
        pytest.skip("NOT COMPARED: no prometheus on this machine")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("{}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.enable-remote-write-receiver",
        "--enable-feature=native-histograms",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def call(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with closing(connection):
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()

    def ready() -> bool:
        try:
            return call("GET", "/-/ready")[0] == 200
        except OSError:
            return False

    with (folder / "log").open("w") as log:
        process = subprocess.Popen([prometheus, *arguments], cwd=folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not ready():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            status, said = call("POST", "/api/v1/write", request(reference, start_ms))
            assert status == 204, said
            yield lambda path, **asked: json.loads(
                call("GET", f"/api/v1/{path}?{urllib.parse.urlencode(asked)}")[1]
            )["data"]
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.mark.parametrize("expr", QUERIES)
def test_histograms_are_those_of_prometheus(
    expr: str,
    reference: Any,
    native_engine: tuple[Any, Any],
    peer: Callable[..., Any],
    start_ms: int,
) -> None:
    """Series, times, counts, sums and buckets are the same, to nine digits."""
    source, engine = native_engine
    for (name, kind), literals in SERIES.items():
        labels = (("__name__", "h"), ("i", name), ("kind", kind))
        source.series[labels] = [
            (start_ms + turn * STEP_MS, reference.literal(text))
            for turn, text in enumerate(literals)
        ]
    for offset_ms in (181_000, 458_000, 501_000, 907_000):
        asked_ms = start_ms + offset_ms
        ours = json.loads(b"".join(encode(engine.instant_query(expr, asked_ms))))
        theirs = peer("query", query=expr, time=asked_ms / 1000)
        assert ours["resultType"] == theirs["resultType"]
        same(by_metric(ours["result"]), by_metric(theirs["result"]), expr)


def test_bounds_are_those_of_prometheus(
    reference: Any, peer: Callable[..., Any], start_ms: int
) -> None:
    """Every bound of the finest schema is the same float."""
    made = reference.histograms([reference.literal(SERIES["bounds", "c"][0])])
    asked = {"query": 'h{i="bounds"}', "time": (start_ms + 1000) / 1000}
    (theirs,) = peer("query", **asked)["result"]
    assert json.loads(as_json(made)[0].as_py())["buckets"] == theirs["histogram"][1]["buckets"]


def by_metric(result: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the points by the labels of their series."""
    return {
        json.dumps(series["metric"], sort_keys=True): series.get("histogram", series.get("value"))
        for series in result
    }


def same(ours: Any, theirs: Any, expr: str) -> None:
    """Compare JSON whose strings are numbers."""
    assert type(ours) is type(theirs), (expr, ours, theirs)
    if isinstance(ours, dict):
        assert set(ours) == set(theirs), (expr, ours, theirs)
        for key, value in ours.items():
            same(value, theirs[key], expr)
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), (expr, ours, theirs)
        for mine, other in zip(ours, theirs, strict=True):
            same(mine, other, expr)
    else:
        assert math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-9), (
            expr,
            ours,
            theirs,
        )
