"""Odd requests, and what leaves: Veriscope answers as Debian's Prometheus does on the same data."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import cramjam
import numpy as np
import pytest

from tests.remote_read_answers import read_frames
from veriscope.signals import SampleBatch, to_labels
from veriscope.wire import remote_write
from veriscope.wire.protobuf_fields import delimited, varint

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Debian's prometheus is not installed"
    ),
]

STEPS = 400
NOW = int(time.time()) // 15 * 15 - 60
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REQUESTS_ONLY = "requests_total"


class Peers(NamedTuple):
    """The addresses of both servers."""

    ours: str
    theirs: str


def data() -> SampleBatch:
    """Return counters and gauges of three jobs."""
    labels = tuple(
        to_labels({"__name__": name, "job": job, "instance": f"{job}:1"})
        for name in (REQUESTS_ONLY, "temperature")
        for job in ("api", "db", "web")
    )
    random = np.random.default_rng(3)
    values = np.cumsum(random.integers(0, 9, (6, STEPS)), axis=1).astype(float)
    values[3:] = random.normal(20, 3, (3, STEPS))
    times = (NOW - np.arange(STEPS)[::-1] * 15) * 1000
    rows = np.repeat(np.arange(6, dtype=np.uint32), STEPS)
    return SampleBatch(labels, rows, np.tile(times, 6), values.ravel())


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """Start both, with the same samples and nothing of their own."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "prometheus.yml").write_text("{}\n")
    (folder / "veriscope.yml").write_text("rules: {meta: false}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    theirs = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            "--log.level=error",
        ]
    )
    ours = subprocess.Popen(
        [
            sys.executable, "-m", "veriscope", "server", "--data", str(folder / "veriscope"),
            "--listen", "127.0.0.1:0", "--config", str(folder / "veriscope.yml"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert ours.stdout is not None
        found = Peers(ours.stdout.readline().split()[-1], f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 60
        while answer(found.theirs, "/-/ready").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        body = remote_write.compress(remote_write.encode(data()))
        headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        for url in found:
            assert answer(url, "/api/v1/write", body=body, headers=headers).status == 204
        yield found
    finally:
        for process in (theirs, ours):
            process.terminate()
            process.wait(30)
        if ours.stdout is not None:
            ours.stdout.close()


class Answer(NamedTuple):
    """What a server says."""

    status: int
    body: bytes

    def judged(self) -> tuple[Any, ...]:
        """Return status, kind of error and data, series in the order of their labels."""
        if not self.body.startswith(b"{"):
            return (self.status,)
        document = json.loads(self.body)
        found = document.get("data")
        if isinstance(found, dict) and isinstance(found.get("result"), list):
            found.pop("stats", None)
            if found["resultType"] in ("vector", "matrix"):
                found["result"].sort(key=lambda each: sorted(each["metric"].items()))
        return self.status, document["status"], document.get("errorType"), found


def answer(
    url: str,
    path: str,
    query: str = "",
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """Return what a server answers; status 0 where nothing does."""
    request = urllib.request.Request(
        f"{url}{path}" + f"?{query}" * bool(query), body, headers or {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as found:
            return Answer(found.status, found.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())
    except OSError:
        return Answer(0, b"")


def encoded(**parameters: Any) -> str:
    """Return parameters as they are in a URL."""
    return urllib.parse.urlencode(parameters, doseq=True)


QUERIES = [
    "", "1", REQUESTS_ONLY, "requests_total{}", "requests_total{,}", '{job="api",}', "{}",
    '{__name__=""}', "nope", "1/0", "0/0", "-1/0", "sum(", 'requests_total{job=~"("}',
    "requests_total[0s]", "requests_total[-5m]", "rate(requests_total)", "requests_total and 1",
    "requests_total * on(job) temperature", "requests_total * temperature",
    '{__name__=~"requests_total|temperature"} * on(job) requests_total',
    "temperature * on(instance) group_left(job) requests_total", 'topk("a", requests_total)',
    'label_replace(requests_total, "x", "$1", "job", "(")', "1 > 2", "1 > bool 2", '"text"',
    "requests_total > bool", "quantile(2, requests_total)", "sum by (job", "#comment", "1 # c",
    "requests_total @ start()", "requests_total offset -1m", "avg_over_time(1)", "a b", "atan2",
    "absent(nope{a='b'})", "scalar(requests_total)", "vector(requests_total)", "1 unless 2",
    "round(requests_total, 0)", "0x1F", "--1", "!requests_total", "x" * 5_000, "\N{SNOWMAN}",
]  # fmt: skip
TIMES = [
    "abc", "1e3", "-5", "2015-07-01T20:10:51.781Z", "2015-07-01T20:10:51+02:00", "+5", "0", "0x10",
    "2015-07-01T20:10:51", "2015-07-01 20:10:51Z", " 1", "1 ", "1_0", "2015-13-01T00:00:00Z",
]  # fmt: skip
DURATIONS = [
    "", "1s", "5", "0", "-1", "-1s", "abc", "1e-9", "1h30m", "0.5", "1e300", "5 ", "1d1h", "1h1d",
    "1.5h", "Inf", "106751991167300d",
]  # fmt: skip
SELECTORS: dict[str, list[tuple[str, Any]]] = {
    "one": [("match[]", REQUESTS_ONLY)],
    "two": [("match[]", REQUESTS_ONLY), ("match[]", "temperature")],
    "twice": [("match[]", REQUESTS_ONLY), ("match[]", '{job="api"}')],
    "empty": [("match[]", "")],
    "everything": [("match[]", "{}")],
    "no match": [("match[]", '{job=~".*"}')],
    "range": [("match[]", "requests_total[5m]")],
    "offset": [("match[]", "requests_total offset 5m")],
    "call": [("match[]", "sum(requests_total)")],
    "unclosed": [("match[]", '{job="api"')],
    "regex": [("match[]", '{job=~"("}')],
    "reversed": [("match[]", REQUESTS_ONLY), ("start", NOW), ("end", 0)],
    "bad start": [("match[]", REQUESTS_ONLY), ("start", "x")],
    "bad end": [("match[]", REQUESTS_ONLY), ("end", "x")],
    "past": [("match[]", REQUESTS_ONLY), ("start", 1), ("end", 100)],
    "no times": [("match[]", REQUESTS_ONLY), ("start", ""), ("end", "")],
}


def test_odd_queries_fare_alike(peers: Peers) -> None:
    """The same answer or the same kind of error, by GET and as a form."""
    for query in QUERIES:
        text = encoded(query=query, time=NOW - 7)
        wanted = answer(peers.theirs, "/api/v1/query", text).judged()
        assert answer(peers.ours, "/api/v1/query", text).judged() == wanted, query
        form = answer(peers.ours, "/api/v1/query", body=text.encode(), headers=FORM)
        assert form.judged() == wanted, query


def test_odd_times_and_durations_fare_alike(peers: Peers) -> None:
    """What one reads the other reads, to the same number."""
    asked = [("/api/v1/query", encoded(query="time()", time=text)) for text in TIMES]
    for text in DURATIONS:
        asked += [
            ("/api/v1/query", encoded(query="1", time=NOW, timeout=text)),
            (
                "/api/v1/query_range",
                encoded(query="temperature", start=NOW - 307, end=NOW - 7, step=text),
            ),
        ]
    for path, query in asked:
        wanted = answer(peers.theirs, path, query).judged()
        if "timeout=1e300" in query:
            continue  # it overflows there
        assert answer(peers.ours, path, query).judged() == wanted, query


def test_odd_ranges_fare_alike(peers: Peers) -> None:
    """Missing, reversed, too fine, or of what has no range."""
    whole = {"query": "temperature", "start": NOW - 307, "end": NOW - 7, "step": 60}
    cases: list[dict[str, Any]] = [
        *({name: value for name, value in whole.items() if name != gone} for gone in whole),
        whole | {"start": NOW, "end": NOW - 10},
        whole | {"start": NOW - 11_000, "end": NOW, "step": 1},
        whole | {"start": NOW - 11_001, "end": NOW, "step": 1},
        whole | {"step": 10**9},
        whole | {"query": "1"},
        whole | {"query": '"a"'},
        whole | {"query": "temperature[5m]"},
        whole | {"query": "temperature @ end()"},
        whole | {"query": "sum(", "start": "x", "step": "y"},
        whole | {"timeout": "x"},
        whole | {"stats": "all"},
    ]
    for case in cases:
        wanted = answer(peers.theirs, "/api/v1/query_range", encoded(**case)).judged()
        found = answer(peers.ours, "/api/v1/query_range", encoded(**case)).judged()
        assert found == wanted, case


def test_odd_parameters_fare_alike(peers: Peers) -> None:
    """Given twice, in both places, in another form, or not as UTF-8."""
    one_part = b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n3\r\n--x--\r\n'
    cases: list[tuple[str, bytes | None, dict[str, str]]] = [
        ("query=1&query=2&time=5", None, {}),
        ("query=1&time=5", b"query=2&time=6", FORM),
        ("query=1&time=5", b"", {}),
        ("query=1&time=5", b'{"query": "2"}', {"Content-Type": "application/json"}),
        ("query=1&time=5", b"query=2", {"Content-Type": ""}),
        ("time=5", one_part, {"Content-Type": "multipart/form-data; boundary=x"}),
        ("query=%22%ff%22&time=5", None, {}),
        ("query=%ff&time=5", None, {}),
        ("query=%zz&time=5", None, {}),
        ("query=1%2B1&time=5", None, {}),
        ("query=1+%2B+1&time=5", None, {}),
        ("", None, {}),
        ("", b"", FORM),
    ]
    for query, body, headers in cases:
        wanted = answer(peers.theirs, "/api/v1/query", query, body=body, headers=headers)
        found = answer(peers.ours, "/api/v1/query", query, body=body, headers=headers)
        assert found.judged() == wanted.judged(), (query, body)


@pytest.mark.parametrize("path", ["series", "labels", "label/job/values"])
def test_selectors_fare_alike(peers: Peers, path: str) -> None:
    """Whatever they select, and those that are refused."""
    for name, parameters in SELECTORS.items():
        if (path, name) in (("labels", "reversed"), ("label/job/values", "reversed")):
            continue  # what is in memory is listed there whatever the time
        query = urllib.parse.urlencode(parameters)
        wanted = answer(peers.theirs, f"/api/v1/{path}", query).judged()
        found = answer(peers.ours, f"/api/v1/{path}", query).judged()
        assert sorted_data(found) == sorted_data(wanted), name


def sorted_data(judged: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the answer with its listing sorted."""
    *rest, found = judged
    return (*rest, sorted(found, key=str) if isinstance(found, list) else found)


def test_other_endpoints_fare_alike(peers: Peers) -> None:
    """Those of metadata, exemplars, rules and targets, on odd parameters."""
    cases = [
        ("metadata", {"limit": "x"}), ("metadata", {"limit": "-1", "metric": "nope"}),
        ("metadata", {"limit": "0"}), ("query_exemplars", {}), ("query_exemplars", {"query": "1"}),
        ("query_exemplars", {"query": "sum("}), ("query_exemplars", {"query": REQUESTS_ONLY}),
        ("query_exemplars", {"query": REQUESTS_ONLY, "start": "x"}),
        ("query_exemplars", {"query": REQUESTS_ONLY, "start": 5, "end": 1}),
        ("rules", {}), ("rules", {"type": "alert"}), ("rules", {"type": "x"}), ("alerts", {}),
        ("targets/metadata", {}), ("targets/metadata", {"match_target": "{"}),
        ("targets/metadata", {"limit": "x"}), ("targets/metadata", {"limit": "-1"}),
        ("format_query", {"query": "foo / bar"}), ("format_query", {"query": "sum("}),
        ("format_query", {"query": ""}),
    ]  # fmt: skip
    for path, parameters in cases:
        query = encoded(**parameters)
        wanted = answer(peers.theirs, f"/api/v1/{path}", query).judged()
        assert answer(peers.ours, f"/api/v1/{path}", query).judged() == wanted, (path, query)


@pytest.mark.parametrize(
    "name", ["one", "two", "twice", "everything", "range", "offset", "call", "unclosed", "regex"]
)
def test_federation_says_the_same(peers: Peers, name: str) -> None:
    """Line by line, and where it is refused."""
    query = urllib.parse.urlencode(SELECTORS[name])
    wanted = answer(peers.theirs, "/federate", query)
    found = answer(peers.ours, "/federate", query)
    assert found.status == wanted.status
    if wanted.status == 200:
        assert sorted(found.body.splitlines()) == sorted(wanted.body.splitlines())
        types = [line for line in found.body.splitlines() if line.startswith(b"#")]
        assert types == [line for line in wanted.body.splitlines() if line.startswith(b"#")]


@pytest.mark.parametrize("seconds", [0, 600, STEPS * 15])
def test_chunks_hold_the_same_samples(peers: Peers, seconds: int) -> None:
    """Of a remote read, for windows of any length; 2.42 does not cut chunks to the window."""
    matcher = delimited(2, b"__name__") + delimited(3, REQUESTS_ONLY.encode())
    start_ms, end_ms = (NOW - seconds) * 1000, NOW * 1000
    query = b"\x08" + varint(start_ms) + b"\x10" + varint(end_ms) + delimited(3, matcher)
    body = bytes(cramjam.snappy.compress_raw(delimited(1, query) + b"\x10\x01"))
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}

    def samples(url: str) -> dict[Any, list[Any]]:
        found: dict[Any, list[Any]] = {}
        read = answer(url, "/api/v1/read", body=body, headers=headers)
        assert read.status == 200, read.body
        for _, labels, chunks in read_frames(read.body):
            found.setdefault(labels, []).extend(
                sample for chunk in chunks for sample in chunk if start_ms <= sample[0] <= end_ms
            )
        return found

    assert samples(peers.ours) == samples(peers.theirs)
    assert len(samples(peers.ours)) == 3
