"""A whole agent, sending to a whole server."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from veriscope.wire import remote_write

ENGINE = {"chdb", "clickhouse_connect", "pyarrow", "starlette", "uvicorn"}


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """An agent process, its spool and its log."""

    process: subprocess.Popen[str]
    outbox: Path
    log: Path

    def waiting(self) -> int:
        """Count the bodies on disk."""
        return len(list(self.outbox.glob("*.snappy")))

    def collections(self) -> int:
        """Count the collections of the machine that wait on disk."""
        bodies = (path.read_bytes() for path in self.outbox.glob("*.snappy"))
        one = b"__name__\x12\x1anode_memory_MemTotal_bytes"
        return sum(remote_write.decompress(body, 1 << 26).count(one) for body in bodies)

    def stop(self) -> int:
        """Ask it to end and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def run_agent(tmp_path: Path) -> Iterator[Callable[..., RunningAgent]]:
    """Start `veriscope agent`, collecting each 100 ms; kill what is left over."""
    started: list[subprocess.Popen[str]] = []

    def start(server: str, data: Path, *, section: str = "") -> RunningAgent:
        config = tmp_path / f"agent{len(started)}.yml"
        config.write_text(f"collect: {{interval: 100ms}}\nlog: {{format: json}}\n{section}")
        log = tmp_path / f"agent{len(started)}.log"
        command = [sys.executable, "-m", "veriscope", "agent", "--server", server]
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*command, "--config", str(config), "--data", str(data)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == f"Veriscope agent sends to {server}\n", log.read_text()
        return RunningAgent(process, data / "outbox", log)

    yield start
    for process in started:
        process.kill()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def address() -> str:
    """Return an address at which nothing listens yet."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def _wait(condition: Callable[[], Any], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _counts(server: Any) -> tuple[int, int]:
    """Return how often the host was collected, as the agent says, and how often that arrived."""
    counter = 'veriscope_collector_duration_seconds_count{collector="host"}'
    said = server.query(f"{counter}[5m]")[0]["values"]
    at_s, collected = said[-1]
    arrived = server.query(f"count_over_time(node_memory_MemTotal_bytes[5m] @ {at_s})")
    # A tick reads the counter first and the host after it.
    return int(collected) + 1, int(arrived[0]["value"][1])


def test_nothing_is_lost_or_doubled_while_the_server_is_away(
    run_server: Callable[..., Any],
    run_agent: Callable[..., RunningAgent],
    address: str,
    tmp_path: Path,
) -> None:
    """It waits on disk and arrives later: each collection of the machine is there once."""
    data = tmp_path / "server"
    server = run_server(data, "--listen", address)
    agent = run_agent(server.url, tmp_path / "agent")
    assert _wait(lambda: server.query("node_memory_MemTotal_bytes"))
    assert agent.waiting() == 0
    assert server.stop() == 0
    assert _wait(lambda: agent.waiting() > 10)
    server = run_server(data, "--listen", address)
    assert _wait(lambda: agent.waiting() == 0)
    self_metric = "count_over_time(veriscope_agent_sent_samples_total[5m])"
    assert _wait(lambda: int(server.query(self_metric)[0]["value"][1]) > 1)
    assert _wait(lambda: len(set(_counts(server))) == 1), _counts(server)
    assert _counts(server)[0] > 30
    assert agent.stop() == 0
    assert agent.waiting() == 0
    assert agent.log.read_text().count("cannot send") == 1
    (dropped,) = server.query("sum(veriscope_agent_dropped_samples_total)")
    assert dropped["value"][1] == "0"
    (sent,) = server.query("veriscope_agent_sent_samples_total")
    assert sent["metric"]["job"] == "veriscope"


def test_the_next_agent_sends_what_the_last_one_kept(
    run_server: Callable[..., Any],
    run_agent: Callable[..., RunningAgent],
    address: str,
    tmp_path: Path,
) -> None:
    """A server that is away at the start is one line of the log, and its absence no end."""
    first = run_agent(f"http://{address}", tmp_path / "agent")
    assert _wait(lambda: first.waiting() > 5)
    second = [sys.executable, "-m", "veriscope", "agent", "--server", f"http://{address}"]
    refused = subprocess.run(
        [*second, "--data", str(tmp_path / "agent")], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert f"in use by process {first.process.pid}" in refused.stderr
    assert first.stop() == 0
    assert first.log.read_text().count("cannot send") == 1
    kept, stopped_s = first.collections(), time.time()
    server = run_server(tmp_path / "server", "--listen", address)
    agent = run_agent(server.url, tmp_path / "agent")
    assert _wait(lambda: agent.waiting() == 0)
    counted = f"count_over_time(node_memory_MemTotal_bytes[5m] @ {stopped_s})"
    assert _wait(lambda: [each["value"][1] for each in server.query(counted)] == [str(kept)])
    assert agent.stop() == 0


def test_a_server_that_asks_for_a_token_gets_it(
    run_server: Callable[..., Any], run_agent: Callable[..., RunningAgent], tmp_path: Path
) -> None:
    """Without one the agent says what is missing, and loses nothing."""
    (tmp_path / "token").write_text("secret")
    config = tmp_path / "server.yml"
    config.write_text("server: {token_file: token}")
    server = run_server(tmp_path / "server", "--config", str(config))
    without = run_agent(server.url, tmp_path / "agent")
    assert _wait(without.waiting)
    assert without.stop() == 0
    assert "agent.token_file" in without.log.read_text()
    token = f"agent: {{token_file: {tmp_path / 'token'}}}"
    agent = run_agent(server.url, tmp_path / "agent", section=token)
    assert _wait(lambda: agent.waiting() == 0)
    assert agent.stop() == 0
    assert "warning" not in agent.log.read_text()


@pytest.mark.parametrize("url", ["server:7070", "ftp://server", "http://", "http://u:p@server"])
def test_what_is_no_server_is_refused(url: str, tmp_path: Path) -> None:
    """At the start, with the option's name and the cure, and without a password."""
    command = [sys.executable, "-m", "veriscope", "agent", "--server", url]
    ended = subprocess.run(
        [*command, "--data", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert re.match(r"veriscope: --server .*(write|token)", ended.stderr)
    assert "u:p" not in ended.stderr


def test_an_agent_loads_no_engine_and_no_web_server() -> None:
    """It is as light as what it does."""
    code = f"import sys, veriscope.app.agent; print(sorted({ENGINE} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
