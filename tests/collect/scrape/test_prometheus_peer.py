"""Prometheus itself scrapes the same targets with the same configuration."""

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from veriscope.collect.scrape import ScrapeConfig
from veriscope.signals import decode_unit, to_labels

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="NOT COMPARED WITH THE PEER: there is no prometheus binary; install prometheus",
    ),
]

BODY = """\
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{path="/a",job="mine",code="200"} 10
requests_total{path="/b",instance="there",code="500"} 1
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.5"} 1
latency_seconds_bucket{le="+Inf"} 2
latency_seconds_sum 1.5
latency_seconds_count 2
go_threads 7
empty{label=""} 1
with_time{x="\\\\ \\" \\n"} 1 1700000000000
"""


def jobs(page: str, folder: str) -> list[dict[str, object]]:
    """Return scrape_configs that use what both sides know."""
    base = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    static = [{"targets": [page], "labels": {"zone": "Z-1", "__meta_team": "core"}}]
    return [
        {**base, "job_name": "plain", "static_configs": static},
        {**base, "job_name": "honor", "honor_labels": True, "static_configs": static},
        {
            **base,
            "job_name": "rules",
            "params": {"module": ["m"]},
            "static_configs": static,
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "shard",
                 "action": "hashmod", "modulus": 97},
                {"action": "labelmap", "regex": "__meta_(.+)", "replacement": "from_$1"},
                {"source_labels": ["zone"], "target_label": "zone_low", "action": "lowercase"},
                {"source_labels": ["zone"], "target_label": "zone_up", "action": "uppercase"},
                {"source_labels": ["zone", "job"], "separator": "/", "regex": "(.)-(\\d)/(.*)",
                 "target_label": "mix", "replacement": "${3}:$2$$${1}"},
                {"source_labels": ["__param_module"], "target_label": "module"},
                {"source_labels": ["__scrape_interval__"], "target_label": "every"},
                {"target_label": "__metrics_path__", "replacement": "/other"},
                {"target_label": "__tmp_x", "replacement": "y"},
            ],
            "metric_relabel_configs": [
                {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"},
                {"regex": "code", "action": "labeldrop"},
                {"source_labels": ["__name__"], "regex": "(.*)_total", "target_label": "__name__",
                 "replacement": "${1}_all"},
            ],
        },
        {
            **base,
            "job_name": "files",
            "file_sd_configs": [{"files": [f"{folder}/*.yml"]}],
            "relabel_configs": [
                {"source_labels": ["n"], "regex": "2", "action": "drop"},
                {"source_labels": ["instance"], "target_label": "instance", "replacement": "i"},
            ],
        },
        {**base, "job_name": "limited", "sample_limit": 2, "static_configs": static},
    ]  # fmt: skip


async def fetch_series(address: str) -> set[tuple[tuple[str, str], ...]]:
    """Ask Prometheus for all series of the last moments."""
    params = {"match[]": '{job=~".+"}'}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{address}/api/v1/series", params=params) as response,
        ):
            if response.status != 200:
                return set()
            answer = await response.json()
    except aiohttp.ClientError:
        return set()
    return {to_labels(labels) for labels in answer["data"]}


async def test_series_are_those_of_prometheus(
    serve: Any, sink: Any, scraping: Any, tmp_path: Path
) -> None:
    """Every series that Prometheus stores has its like here, label for label."""
    page = await serve()
    page.body = BODY.replace("1700000000000", str(int(time.time() * 1000)))
    (tmp_path / "sd").mkdir()
    groups = [{"targets": [page.address], "labels": {"n": str(n)}} for n in (1, 2)]
    (tmp_path / "sd" / "t.yml").write_text(json.dumps(groups))
    configs = jobs(page.address, str(tmp_path / "sd"))
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": configs}))
    log = (tmp_path / "log").open("wb")
    port = await free_port()
    peer = subprocess.Popen(  # noqa: ASYNC220 it only starts here
        [shutil.which("prometheus"), f"--config.file={tmp_path}/prometheus.yml",
         f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        async with scraping(
            *(msgspec.convert(item, ScrapeConfig, dec_hook=decode_unit) for item in configs)
        ):
            theirs: set[tuple[tuple[str, str], ...]] = set()
            async with asyncio.timeout(60):
                while not (theirs and theirs == sink.series()):
                    await asyncio.sleep(0.2)
                    theirs = await fetch_series(f"127.0.0.1:{port}")
    except TimeoutError:
        assert sorted(theirs) == sorted(sink.series())
    finally:
        peer.terminate()
        peer.wait()
        log.close()
    assert len(theirs) > 50


async def free_port() -> int:
    """Find a port that is free now; Prometheus cannot tell which one it was given."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
