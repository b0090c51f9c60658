"""A whole server: what it collects, scrapes and answers together."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _wait(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_up_collects_this_machine_and_itself(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Numbers of the machine are true, and the server's own metrics are stored beside them."""
    server = run_server(tmp_path, command="up")
    assert _wait(lambda: bool(server.query("node_memory_MemTotal_bytes")))
    memory = int(server.query("node_memory_MemTotal_bytes")[0]["value"][1])
    told = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )
    assert memory == int(told.split()[1]) * 1024
    busy = 'sum(rate(node_cpu_seconds_total{mode="idle"}[5s]))'
    assert _wait(lambda: bool(server.query(busy)))
    assert _wait(lambda: bool(server.query("veriscope_ingest_commits_total")))
    (up,) = server.query('veriscope_collector_up{collector="host"}')
    assert up["value"][1] == "1"
    metadata = server.get("/api/v1/metadata", metric="node_cpu_seconds_total")["data"]
    assert metadata["node_cpu_seconds_total"][0]["type"] == "counter"


def test_a_scrape_each_second_misses_none(run_server: Callable[..., Any], tmp_path: Path) -> None:
    """Commits are spaced out, but never so far that a target's next scrape must wait."""
    target = run_server(tmp_path / "target")
    config = tmp_path / "veriscope.yml"
    address = target.url.removeprefix("http://")
    job = {
        "job_name": "peer",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "static_configs": [{"targets": [address, "127.0.0.1:9"]}],
    }
    config.write_text(json.dumps({"scrape_configs": [job]}))
    server = run_server(tmp_path / "server", "--config", str(config))
    counted = f'count_over_time(up{{instance="{address}"}}[6s])'
    assert _wait(lambda: [each["value"][1] for each in server.query(counted)] == ["6"])
    (down,) = server.query('up{instance="127.0.0.1:9"}')
    assert down["value"][1] == "0"
    assert server.query(f'veriscope_build_info{{job="peer",instance="{address}"}}')


def test_metrics_page_and_stored_series_agree(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """What `/metrics` shows is what is stored: the same names and labels."""
    server = run_server(tmp_path)
    assert _wait(lambda: bool(server.query("veriscope_store_rows")))
    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
        shown = answer.read().decode()
    (build,) = server.query("veriscope_build_info")
    version = build["metric"]["version"]
    assert f'veriscope_build_info{{version="{version}"}} 1.0' in shown
    assert 'veriscope_ingest_commits_total{door="collector"}' in shown


def test_a_collector_that_is_switched_off_does_not_run(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """No series of it, not even that it is absent; the others go on."""
    config = tmp_path / "veriscope.yml"
    config.write_text("collect: {gpu: {enabled: false}}\n")
    server = run_server(tmp_path / "data", "--config", str(config), command="up")
    assert _wait(lambda: bool(server.query("veriscope_collector_up")))
    collectors = {each["metric"]["collector"] for each in server.query("veriscope_collector_up")}
    assert collectors == {"host"}


def test_connections_are_bounded(run_server: Callable[..., Any], tmp_path: Path) -> None:
    """One too many is told so, and a place that is given up is free again."""
    config = tmp_path / "veriscope.yml"
    config.write_text("server: {max_connections: 5}\n")
    server = run_server(tmp_path / "data", "--config", str(config))
    host, port = server.url.removeprefix("http://").split(":")
    held = [socket.create_connection((host, int(port))) for _ in range(5)]
    assert _status(server.url + "/-/ready") == 503
    for each in held:
        each.close()
    assert _wait(lambda: _status(server.url + "/-/ready") == 200)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
