"""
The three servers: how each is started, compacted and weighed.

Each keeps its own defaults. What is set beyond them is in the arguments below, and why.
"""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

import server_process
from server_process import ServerProcess
from veriscope.store import Store, StoreOptions

PROMETHEUS: Final = "Prometheus"
VICTORIA_METRICS: Final = "VictoriaMetrics"
VERISCOPE: Final = "Veriscope"

_START_S: Final = 30
_MERGE_S: Final = 600
_HOST: Final = "127.0.0.1"


class Candidate(Protocol):
    """One of the servers that are compared."""

    name: str
    uncached: tuple[tuple[str, str], ...]
    """Parameters that have a query answered from the samples, not from a result cache."""

    def running(self, folder: Path) -> AbstractContextManager[ServerProcess]:
        """Run it on *folder*, which is empty."""

    def show(self, server: ServerProcess) -> None:
        """Make all that was accepted visible to queries."""

    def compact(self, server: ServerProcess) -> None:
        """Have it merge its data, if it can while it runs."""

    def disk_bytes(self, folder: Path) -> int:
        """Return the compacted size of the samples and their index, once it has stopped."""


class Prometheus:
    """Debian's `prometheus`."""

    name: str = PROMETHEUS
    uncached: tuple[tuple[str, str], ...] = ()

    def running(self, folder: Path) -> AbstractContextManager[ServerProcess]:
        """Run it; it scrapes nothing."""
        folder.mkdir()
        (folder / "prometheus.yml").write_text("global: {}\n")
        return _running(
            "/-/ready",
            lambda port: [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={_HOST}:{port}",
                "--web.enable-remote-write-receiver",
                "--web.enable-admin-api",  # a snapshot writes a compacted block
                "--log.level=error",
            ],
        )

    def show(self, server: ServerProcess) -> None:
        """Nothing is to be done: it shows samples as it accepts them."""

    def compact(self, server: ServerProcess) -> None:
        """Write the head as a block, as it does by itself each two hours."""
        _post(server, "/api/v1/admin/tsdb/snapshot")

    def disk_bytes(self, folder: Path) -> int:
        """Return the size of the block: chunks, index, metadata."""
        return _tree_bytes(folder / "tsdb" / "snapshots")


class VictoriaMetrics:
    """Debian's `victoria-metrics`, the single-node server."""

    name: str = VICTORIA_METRICS
    uncached: tuple[tuple[str, str], ...] = (("nocache", "1"),)

    def running(self, folder: Path) -> AbstractContextManager[ServerProcess]:
        """Run it; deduplication is off unless asked for."""
        return _running(
            "/health",
            lambda port: [
                "victoria-metrics",
                f"-storageDataPath={folder}",
                f"-httpListenAddr={_HOST}:{port}",
                "-loggerLevel=ERROR",
            ],
        )

    def show(self, server: ServerProcess) -> None:
        """Flush what it keeps back for some seconds."""
        server.get("/internal/force_flush")

    def compact(self, server: ServerProcess) -> None:
        """Merge all parts to one."""
        server.get("/internal/force_flush")
        server.get("/internal/force_merge")
        server.wait_until_idle(patience_s=_MERGE_S)

    def disk_bytes(self, folder: Path) -> int:
        """Return the size of samples and index, without the caches that it writes at its end."""
        return _tree_bytes(folder / "data") + _tree_bytes(folder / "indexdb")


class Veriscope:
    """This checkout's `veriscope server`."""

    name: str = VERISCOPE
    uncached: tuple[tuple[str, str], ...] = (("nocache", "1"),)

    def running(self, folder: Path) -> AbstractContextManager[ServerProcess]:
        """Run it with its defaults."""
        return server_process.running("server", folder)

    def show(self, server: ServerProcess) -> None:
        """Nothing is to be done: what is acknowledged is visible."""

    def compact(self, server: ServerProcess) -> None:
        """Nothing is to be done yet: its store is compacted once it has stopped."""

    def disk_bytes(self, folder: Path) -> int:
        """Return the size of every table but the roll-ups, which its peers do not keep."""
        return sum(
            size for table, size in table_bytes(folder).items() if not table.startswith("rollup")
        )


def table_bytes(folder: Path) -> dict[str, int]:
    """Return the size of each table of Veriscope's stopped server, after all merges."""
    store = Store.open(StoreOptions(url=f"chdb://{folder / 'store'}"))
    try:
        store.compact()
        return {table.table: table.bytes_on_disk for table in store.health().tables}
    finally:
        store.close()


CANDIDATES: Final[tuple[Candidate, ...]] = (Prometheus(), VictoriaMetrics(), Veriscope())
"""In the order of the table's columns."""


def missing() -> list[str]:
    """Return the peers that are not installed."""
    return [name for name in ("prometheus", "victoria-metrics") if shutil.which(name) is None]


@contextmanager
def _running(ready: str, command: Callable[[int], list[str]]) -> Iterator[ServerProcess]:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = int(probe.getsockname()[1])
    begun = time.monotonic()
    process = subprocess.Popen(command(port), text=True)
    try:
        server = ServerProcess(process, _HOST, port, 0.0)
        _await_ready(server, ready, begun + _START_S)
        yield ServerProcess(process, _HOST, port, time.monotonic() - begun)
    finally:
        process.terminate()
        process.wait(60)


def _await_ready(server: ServerProcess, path: str, deadline: float) -> None:
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            server.get(path)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{server.process.args!r} did not start")


def _post(server: ServerProcess, path: str) -> None:
    request = urllib.request.Request(server.url + path, method="POST")
    with urllib.request.urlopen(request, timeout=_MERGE_S) as answer:
        answer.read()


def _tree_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
