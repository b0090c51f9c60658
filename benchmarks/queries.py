"""Query latency over 10,000 series: cold once, then warm, through the HTTP API."""

import argparse
import json
import statistics
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Final

import server_process
import write_load

_QUERIES: Final = (
    ("sum by (region) (rate(cpu_usage_0[5m]))", "1,000 series"),
    ('sum by (host) (rate({__name__=~"cpu_usage_.+"}[5m]))', "10,000 series of 10 metrics"),
    ("sum by (host) (rate(requests_total[5m]))", "10,000 series of 1 metric"),
    ("rate(requests_total[5m])", "10,000 series, not aggregated"),
    ('rate(requests_total{host="host_7"}[5m])', "100 series"),
    ('requests_total{host="host_7",core="1"}', "1 series"),
)
_STEPS: Final = 240


def main() -> None:
    """Load the data, run each query, print medians in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    end_s = int(time.time()) // 10 * 10
    with (
        tempfile.TemporaryDirectory() as folder,
        server_process.running("server", Path(folder)) as server,
    ):
        _load(server, end_s)
        server.wait_until_idle()
        print(f"{'query':60} {'cold ms':>8} {'warm ms':>8} {'max ms':>8}  over {_STEPS} steps")
        for query, what in _QUERIES:
            cold, *warm = (_milliseconds(server, query, end_s) for _ in range(options.runs + 1))
            print(f"{query:60} {cold:8.1f} {statistics.median(warm):8.1f} {max(warm):8.1f}  {what}")


def _load(server: server_process.ServerProcess, end_s: int) -> None:
    """Store an hour at 10 s of 10,000 series of ten metrics, and of 10,000 of one."""
    hosts = write_load.host_series(10_000)
    requests = tuple(
        tuple((name, "requests_total" if name == "__name__" else value) for name, value in labels)
        for labels in hosts
    )
    for series in (hosts, requests):
        template, readings = write_load.BodyTemplate(series), write_load.counters(len(series))
        bodies = [
            template.body(next(readings), (end_s - 3600 + offset) * 1000)
            for offset in range(10, 3601, 10)
        ]
        write_load.post_all(server.host, server.port, bodies, 4)


def _milliseconds(server: server_process.ServerProcess, query: str, end_s: int) -> float:
    span = {"start": end_s - 10 * (_STEPS - 1), "end": end_s, "step": 10}
    path = f"/api/v1/query_range?{urllib.parse.urlencode({'query': query, **span})}"
    begun = time.perf_counter()
    body = server.get(path)
    elapsed = (time.perf_counter() - begun) * 1000
    if not json.loads(body)["data"]["result"]:
        raise SystemExit(f"no answer for {query}")
    return elapsed


if __name__ == "__main__":
    main()
