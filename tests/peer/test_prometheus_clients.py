"""Prometheus' own clients against Veriscope: promtool, remote read, federation, data source."""

import json
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veriscope.signals import STALE_NAN, SampleBatch, to_labels
from veriscope.wire import remote_write

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None or shutil.which("promtool") is None,
        reason="Debian's prometheus is not installed",
    ),
]

STEPS = 400
JOBS = ("api", "db", "web")


@pytest.fixture(scope="module")
def now_s() -> int:
    """Return the time of the newest sample: a little while ago, so that both have it."""
    return int(time.time()) // 15 * 15 - 30


def samples(now_s: int) -> list[SampleBatch]:
    """Return counters with resets and gauges with odd values, over the last 100 minutes."""
    random = np.random.default_rng(7)
    times = (now_s - np.arange(STEPS)[::-1] * 15) * 1000
    labels = tuple(
        to_labels({"__name__": name, "job": job, "instance": f"{job}:1"})
        for name in ("requests_total", "temperature")
        for job in JOBS
    )
    counters = np.cumsum(random.integers(0, 50, size=(3, STEPS)), axis=1).astype(float)
    counters[1, 200:] -= counters[1, 200]
    gauges = random.normal(20, 5, size=(3, STEPS))
    gauges[0, 10], gauges[0, 11], gauges[2, 100] = math.inf, math.nan, -0.0
    gauges[2, 380:] = STALE_NAN
    rows = np.repeat(np.arange(6, dtype=np.uint32), STEPS)
    values = np.concatenate([counters.ravel(), gauges.ravel()])
    return [SampleBatch(labels, rows, np.tile(times, 6), values)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, now_s: int) -> Iterator[str]:
    """Serve the samples and return the server's address."""
    folder = tmp_path_factory.mktemp("clients")
    config = folder / "veriscope.yml"
    config.write_text(
        "global: {external_labels: {region: north}}\nserver: {enable_admin_api: true}\n"
    )
    command = ["veriscope", "server", "--config", str(config), "--data", str(folder / "data")]
    with start_python(*command, "--listen", "127.0.0.1:0") as process, ended(process):
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        for batch in samples(now_s):
            body = remote_write.compress(remote_write.encode(batch))
            headers = {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
            }
            request = urllib.request.Request(url + "/api/v1/write", body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 204
        yield url


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """End *process*, however the tests ended."""
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def start_python(program: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start one of our own programs."""
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def peer(served: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Start Prometheus with a configuration, and return its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(config: str) -> str:
        folder = tmp_path_factory.mktemp("peer")
        (folder / "prometheus.yml").write_text(config.replace("SERVED", served))
        port = free_port()
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ],
        )
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        until(lambda: get(url + "/-/ready") is not None)
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, **parameters: Any) -> str | None:
    """Return what *url* answers, None where it does not."""
    query = "?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else ""
    try:
        with urllib.request.urlopen(url + query, timeout=60) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def until(holds: Callable[[], bool]) -> None:
    """Wait until *holds*, for half a minute at most."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(url: str, path: str, **parameters: Any) -> Any:
    """Return the data at *path* of an API."""
    text = get(f"{url}/api/v1/{path}", **parameters)
    assert text is not None, (path, parameters)
    return json.loads(text)["data"]


def promtool(*arguments: str, stdin: str | None = None) -> str:
    """Return what promtool prints; it succeeds."""
    ended = subprocess.run(
        ["promtool", *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class TestPromtool:
    """`promtool query …` and `promtool check metrics`."""

    def test_instant_queries_print_vectors_and_scalars(self, served: str, now_s: int) -> None:
        """Each series on its line."""
        at = f"--time={now_s}"
        found = promtool("query", "instant", at, served, "count by (job) (requests_total)")
        assert sorted(line.split(" @")[0] for line in found.splitlines()) == [
            '{job="api"} => 1',
            '{job="db"} => 1',
            '{job="web"} => 1',
        ]
        assert promtool("query", "instant", at, served, "1 + 1").startswith("scalar: 2 @")

    def test_range_queries_print_series(self, served: str, now_s: int) -> None:
        """With every step."""
        found = promtool(
            "query", "range", f"--start={now_s - 60}", f"--end={now_s}", "--step=15s",
            served, 'requests_total{job="api"}',
        )  # fmt: skip
        assert found.count(" @[") == 5

    def test_series_and_label_values_are_listed(self, served: str) -> None:
        """One a line."""
        series = promtool("query", "series", '--match=requests_total{job="db"}', served)
        assert series.strip() == '{__name__="requests_total", instance="db:1", job="db"}'
        assert set(promtool("query", "labels", served, "job").split()) > set(JOBS)

    def test_a_refused_query_is_told(self, served: str) -> None:
        """With our reason, and promtool's own exit code."""
        ended = subprocess.run(
            ["promtool", "query", "instant", served, "sum("], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 1
        assert "bad_data" in ended.stderr
        assert "parse error" in ended.stderr

    def test_our_own_metrics_are_as_promtool_wants_them(self, served: str) -> None:
        """`promtool check metrics` has nothing to say of them."""
        text = get(served + "/metrics")
        assert promtool("check", "metrics", stdin=text) == ""

    def test_a_federated_page_is_as_promtool_wants_it(self, served: str) -> None:
        """Apart from `untyped`, which federation cannot know better."""
        text = get(served + "/federate", **{"match[]": '{job=~"api|db"}'})
        ended = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert "error while linting" not in ended.stderr, ended.stderr


QUERIES = [
    "requests_total",
    'requests_total{job=~"a.*|web"}',
    "rate(requests_total[5m])",
    "increase(requests_total[10m])",
    "temperature",
    "sum by (job) (temperature)",
    "max_over_time(temperature[7m])",
    "changes(requests_total[20m])",
    "count_over_time(temperature[1h])",
    "resets(requests_total[90m])",
    'requests_total{region="north"}',
    'requests_total{region="south"}',
]


@pytest.fixture(scope="module")
def reader(peer: Callable[[str], str]) -> str:
    """Return a Prometheus that has our data to read, and none of its own."""
    return peer("remote_read: [{url: SERVED/api/v1/read, read_recent: true}]\n")


class TestRemoteRead:
    """A Prometheus without data of its own, which reads ours."""

    @pytest.mark.parametrize("query", QUERIES)
    def test_it_computes_what_we_compute(
        self, served: str, reader: str, now_s: int, query: str
    ) -> None:
        """From our samples; what leaves carries the external labels, which we do not have."""
        # Off the samples' own grid, where 2.42 and 3 take a window's first moment differently.
        asked = {"query": query, "start": now_s - 5_003, "end": now_s - 3, "step": 75}
        theirs = ask(reader, "query_range", **asked)["result"]
        ours = ask(served, "query_range", **asked)["result"]
        if "region" in query:
            assert ours == []
            assert len(theirs) == (3 if "north" in query else 0)
            return
        if not query.startswith("sum"):
            theirs = [{**each, "metric": without_region(each["metric"])} for each in theirs]
        assert ours
        for our, their in zip(ordered(ours), ordered(theirs), strict=True):
            assert our["metric"] == their["metric"]
            assert [time for time, _ in our["values"]] == [time for time, _ in their["values"]]
            values = [float(value) for _, value in their["values"]]
            found = [float(value) for _, value in our["values"]]
            assert found == pytest.approx(values, rel=1e-9, nan_ok=True)

    def test_it_finds_our_series(self, reader: str) -> None:
        """Where it asks for labels alone."""
        found = ask(reader, "series", **{"match[]": "requests_total"})
        assert [each["job"] for each in found] == list(JOBS)


def ordered(result: list[Any]) -> list[Any]:
    """Return series by their labels."""
    return sorted(result, key=lambda each: sorted(each["metric"].items()))


def without_region(metric: dict[str, str]) -> dict[str, str]:
    """Return labels without the external one."""
    assert metric["region"] == "north"
    return {name: value for name, value in metric.items() if name != "region"}


def test_prometheus_scrapes_our_federation(
    peer: Callable[[str], str], served: str, now_s: int
) -> None:
    """Series keep their labels and times; one that has ended does not come."""
    federating = peer(
        "scrape_configs:\n"
        "- job_name: federate\n  honor_labels: true\n  metrics_path: /federate\n"
        "  scrape_interval: 1s\n"
        "  params: {'match[]': ['{job=~\"api|web\"}']}\n"
        f"  static_configs: [{{targets: ['{served.removeprefix('http://')}']}}]\n"
    )
    until(lambda: bool(ask(federating, "query", query="requests_total", time=now_s)["result"]))
    found = ask(federating, "query", query='{job=~"api|web"}', time=now_s)["result"]
    own = ask(served, "query", query='{job=~"api|web"}', time=now_s)["result"]
    assert sorted(str(without_region(each["metric"])) for each in found) == sorted(
        str(each["metric"]) for each in own
    )
    values = {each["metric"]["__name__"] + each["metric"]["job"]: each["value"] for each in own}
    for each in found:
        assert each["value"] == values[each["metric"]["__name__"] + each["metric"]["job"]]
    assert ask(federating, "query", query='up{job="federate"}')["result"][0]["value"][1] == "1"


def test_format_query_is_prometheus_own(peer: Callable[[str], str], served: str) -> None:
    """Line by line; 2.42 has no space after `by`, `on` and the like, which 3 has."""
    theirs = peer("{}\n")
    name = "a_rather_long_metric_name_of_a_service"
    for query in (
        "sum(foo)by(a)",
        f"sum({name}_one + {name}_two + {name}_three) by (job)",
        f"-({name}_one * {name}_two * on(x) group_left(y) {name}_three)",
        f"max_over_time(rate({name}_one{{a='b',c=~'d.*'}}[5m])[1h:1m] offset 5m) + {name}_two",
        f'label_replace({name}_one, "to_{name}", "$1", "from", "(.*)") > bool 5',
        f"topk(3, sum without(a, b) ({name}_one @ 15.5)) unless ignoring(c) {name}_two offset -1m",
        f"quantile(0.9, ({name}_one) / ({name}_two + {name}_three))",
    ):
        ours = ask(served, "format_query", query=query)
        expected = ask(theirs, "format_query", query=query)
        for word in ("by", "without", "on", "ignoring", "group_left", "group_right"):
            expected = expected.replace(f"{word}(", f"{word} (")
        assert ours == expected


def test_grafana_finds_what_it_probes(served: str, now_s: int) -> None:
    """The requests of its Prometheus data source: health check, heuristics and resource calls."""
    health = ask(served, "query", query="1+1", time=now_s)
    assert health["resultType"] == "scalar"
    assert health["result"][1] == "2"
    build = ask(served, "status/buildinfo")
    assert tuple(map(int, build["version"].split("."))) >= (2, 40, 0)
    for path in ("rules", "metadata", "labels", "label/job/values", "status/flags"):
        assert ask(served, path) is not None
    assert ask(served, "query_exemplars", query="requests_total", start=now_s - 60, end=now_s) == []
    found = ask(served, "label/__name__/values", **{"match[]": '{job="db"}'})
    assert found == ["requests_total", "temperature"]


def test_what_is_deleted_is_gone_for_other_readers_too(
    run_server: Any, tmp_path: Path, now_s: int
) -> None:
    """A query, the series API and remote read see the same store."""
    config = tmp_path / "veriscope.yml"
    config.write_text("server: {enable_admin_api: true}\n")
    server = run_server(tmp_path / "data", "--config", str(config))
    for batch in samples(now_s):
        assert server.write(remote_write.encode(batch)) == 204
    assert len(server.query("requests_total", time=str(now_s))) == 3
    assert (
        server.post("/api/v1/admin/tsdb/delete_series", **{"match[]": 'requests_total{job!="db"}'})
        is None
    )
    assert len(server.query("requests_total", time=str(now_s))) == 1
    series = server.get("/api/v1/series", **{"match[]": "requests_total"})["data"]
    assert [each["job"] for each in series] == ["db"]
