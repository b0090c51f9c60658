"""Debian's Prometheus writes to Veriscope; both must then answer alike."""

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Debian's prometheus is not installed"
    ),
]

QUERIES = [
    "up",
    "prometheus_tsdb_head_series",
    'up{job=~"prom.*",instance!=""}',
    "rate(prometheus_http_requests_total[5s])",
    "irate(prometheus_http_requests_total[5s])",
    "increase(prometheus_tsdb_head_samples_appended_total[6s])",
    "delta(go_goroutines[5s])",
    "idelta(go_goroutines[5s])",
    "sum by (handler) (rate(prometheus_http_requests_total[5s]))",
    "sum without (handler, code) (prometheus_http_requests_total)",
    "avg(go_memstats_alloc_bytes)",
    "count by (code) (prometheus_http_requests_total)",
    "max_over_time(go_goroutines[5s])",
    "min_over_time(go_memstats_heap_alloc_bytes[5s])",
    "avg_over_time(go_memstats_heap_alloc_bytes[5s])",
    "sum_over_time(up[5s])",
    "count_over_time(up[5s])",
    "stddev_over_time(go_memstats_heap_alloc_bytes[5s])",
    "quantile_over_time(0.9, go_memstats_heap_alloc_bytes[5s])",
    "last_over_time(up[5s])",
    "present_over_time(up[5s])",
    "changes(go_memstats_alloc_bytes_total[5s])",
    "resets(go_memstats_alloc_bytes_total[5s])",
    "deriv(go_memstats_alloc_bytes_total[5s])",
    "predict_linear(go_memstats_alloc_bytes_total[5s], 60)",
    (
        "histogram_quantile(0.9,"
        " sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[5s])))"
    ),
    "histogram_quantile(0.5, prometheus_http_request_duration_seconds_bucket)",
    "topk(3, prometheus_http_requests_total)",
    "bottomk(2, go_memstats_alloc_bytes)",
    "quantile(0.5, prometheus_http_requests_total)",
    'count_values("size", prometheus_tsdb_head_chunks)',
    "prometheus_http_requests_total offset 3s",
    "rate(prometheus_http_requests_total[5s]) > 0",
    "prometheus_http_requests_total > bool 1",
    "up * on (instance) group_left (version) prometheus_build_info",
    "go_memstats_alloc_bytes / ignoring (__name__) go_memstats_sys_bytes",
    "go_goroutines and up",
    "go_goroutines unless up",
    "up or go_goroutines",
    "max_over_time(rate(go_memstats_alloc_bytes_total[3s])[5s:1s])",
    'label_replace(up, "host", "$1", "instance", "(.*):.*")',
    'label_join(up, "both", "/", "job", "instance")',
    "absent(nonexistent)",
    "absent(up)",
    "clamp_max(go_goroutines, 5)",
    "round(go_memstats_alloc_bytes, 1000)",
    "ln(go_memstats_alloc_bytes)",
    "scalar(go_goroutines)",
    "vector(1) + 2 ^ 3",
    "1 + 2 * 3 - 4 / 5 % 6",
    '{__name__=~"go_gc_duration_seconds.*"}',
    '{__name__="go_gc_duration_seconds",quantile="0.5"}',
    "-up",
    "sort_desc(prometheus_http_requests_total)",
]


@dataclass(frozen=True)
class Api:
    """One of the two servers."""

    url: str

    def get(self, path: str, **parameters: object) -> Any:
        """Return the `data` of the API's answer."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=60) as answer:
            return json.loads(answer.read())["data"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def pair(run_server: Callable[..., Any], tmp_path: Path) -> Iterator[tuple[Api, Api]]:
    """Start Veriscope, and a Prometheus that scrapes itself and writes to it."""
    veriscope = Api(run_server(tmp_path / "veriscope").url)
    port = _free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"  - {{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
        f"remote_write: [{{url: {veriscope.url}/api/v1/write,"
        " queue_config: {batch_send_deadline: 200ms}, metadata_config: {send_interval: 1s}}]\n"
    )
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield Api(f"http://127.0.0.1:{port}"), veriscope
    process.terminate()
    process.wait(60)


def _until(condition: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (OSError, IndexError):
            pass
        time.sleep(0.1)
    raise AssertionError("the peers did not come together in time")


def _number(api: Api, query: str) -> float:
    return float(api.get("query", query=query)["result"][0]["value"][1])


def _newest(api: Api) -> float:
    return _number(api, "timestamp(up)")


def _by_labels(data: Any) -> dict[str, list[tuple[float, float]]]:
    if data["resultType"] in ("scalar", "string"):
        return {"": [(data["result"][0], float(data["result"][1]))]}
    return {
        json.dumps(series["metric"], sort_keys=True): [
            (time_s, float(value)) for time_s, value in series.get("values", [series.get("value")])
        ]
        for series in data["result"]
    }


def _differences(query: str, ours: Any, theirs: Any) -> list[str]:
    found, expected = _by_labels(ours), _by_labels(theirs)
    if ours["resultType"] != theirs["resultType"] or found.keys() != expected.keys():
        missing = expected.keys() - found.keys()
        return [
            f"{query}: missing {sorted(missing)}, extra {sorted(found.keys() - expected.keys())}"
        ]
    return [
        f"{query} {labels}: {ours_at} != {theirs_at}"
        for labels, points in expected.items()
        for ours_at, theirs_at in zip(found[labels], points, strict=True)
        if ours_at[0] != theirs_at[0]
        or not (
            math.isclose(ours_at[1], theirs_at[1], rel_tol=1e-9, abs_tol=1e-9)
            or (math.isnan(ours_at[1]) and math.isnan(theirs_at[1]))
        )
    ]


def test_prometheus_and_veriscope_answer_alike(pair: tuple[Api, Api]) -> None:
    """Instant and range queries, series, labels, values and metadata, over the same samples."""
    prometheus, veriscope = pair
    _until(
        lambda: (
            float(prometheus.get("query", query="count_over_time(up[1m])")["result"][0]["value"][1])
            > 14
        )
    )
    # Off the scrapes' own rhythm: Prometheus 2 counts a sample exactly as old as the window,
    # Prometheus 3 and Veriscope do not. The ranges begin late enough for every window to be
    # full: the two versions extrapolate a counter's very beginning differently.
    at = _newest(prometheus) + 0.437
    _until(lambda: _newest(veriscope) >= at)
    problems = []
    for query in QUERIES:
        ours, theirs = (api.get("query", query=query, time=at) for api in (veriscope, prometheus))
        problems += _differences(query, ours, theirs)
        span = {"start": at - 5, "end": at, "step": "1s"}
        if theirs["resultType"] != "matrix":
            ours, theirs = (
                api.get("query_range", query=query, **span) for api in (veriscope, prometheus)
            )
            problems += _differences(f"range of {query}", ours, theirs)
    assert not problems, "\n".join(problems)

    span = {"start": at - 10, "end": at}
    names = [api.get("labels", **span, **{"match[]": "{job='prometheus'}"}) for api in pair]
    assert names[1] == names[0]
    scraped = {"match[]": '{job="prometheus"}'}
    values = [api.get("label/handler/values", **span, **scraped) for api in pair]
    # Prometheus lists what its head holds, also of after the range.
    assert set(values[1]) <= set(values[0])
    assert "/metrics" in values[1]
    selector = {"match[]": ['up{job="prometheus"}', "prometheus_build_info"]}
    series = [
        sorted(json.dumps(each, sort_keys=True) for each in api.get("series", **span, **selector))
        for api in pair
    ]
    assert series[1] == series[0]
    _until(lambda: bool(veriscope.get("metadata", metric="go_goroutines")))
    metadata = [api.get("metadata", metric="go_goroutines") for api in pair]
    assert metadata[1] == metadata[0]
