"""
Kill the server for a while under an application that never stops, then count what arrived.

`python benchmarks/outage.py [--seconds 60]`: this process is the application. It opens a span,
logs a metric and an event *--rate* times a second; a `veriscope server` beside it is killed with
`SIGKILL` and started again on the same data. Prints how long the calls took while the server was
there and while it was away, and how many items the server has in the end beside how many were
made. Exits 1 where an item is missing or a call took long enough for an application to notice;
what the interpreter takes for garbage collection within a call is shown apart.
"""

import argparse
import gc
import json
import logging
import sys
import tempfile
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import server_process
import veriscope

_SERVICE: Final = "outage-benchmark"
_NOTICED_S: Final = 0.1
"""A call that is shorter than this blocks nobody: a request to a server lasts up to 10 s."""
_BEFORE_S: Final = 10.0
_AFTER_S: Final = 15.0
_PATIENCE_S: Final = 60.0


@dataclass
class Application:
    """What runs all the while, and how long each of its turns took, in seconds."""

    framework: veriscope.ObservabilityFramework
    rate: float
    took: dict[str, list[float]] = field(default_factory=lambda: {"there": [], "away": []})
    collecting: float = 0.0
    """The longest that the interpreter collected garbage within a turn, which is not in `took`."""
    server: str = "there"
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)
    _collected: float = 0.0

    @property
    def turns(self) -> int:
        """How many of each signal were made."""
        return sum(map(len, self.took.values()))

    def _turn(self, number: int) -> None:
        """Make one span, one log record and one sample."""
        with self.framework.span("turn"):
            self.framework.log_metric("outage_turns", number)
            self.framework.log_event("turned", {"number": number})

    def _work(self) -> None:
        """Take turns until told to stop."""
        while not self._done.wait(1 / self.rate):
            collected = self._collected
            begun = time.perf_counter()
            self._turn(self.turns)
            took = time.perf_counter() - begun
            in_collection = self._collected - collected
            self.collecting = max(self.collecting, in_collection)
            self.took[self.server].append(took - in_collection)

    def _note_collection(self, phase: str, _: dict[str, int]) -> None:
        if threading.current_thread() is self._thread:
            now = time.perf_counter()
            self._collected += now if phase == "stop" else -now

    def start(self) -> None:
        """Take turns in a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="application", daemon=True)
        gc.callbacks.append(self._note_collection)
        self._thread.start()

    def stop(self) -> None:
        """Take no more turns."""
        self._done.set()
        self._thread.join()


def stored(server: server_process.ServerProcess) -> dict[str, int]:
    """Return what the server has of each signal."""

    def ask(path: str) -> Any:
        return json.loads(server.get(path))["data"]

    services = {row["name"]: row for row in ask("/api/veriscope/v1/services")}
    counted = urllib.parse.quote("sum(count_over_time(outage_turns[1h]))")
    samples = ask(f"/api/v1/query?query={counted}")["result"]
    found = services.get(_SERVICE, {"spans": 0, "logs": 0})
    return {
        "metrics": int(samples[0]["value"][1]) if samples else 0,
        "spans": found["spans"],
        "logs": found["logs"],
    }


def wait_for(server: server_process.ServerProcess, turns: int) -> dict[str, int]:
    """Return what the server has as soon as that is everything, or when patience is out."""
    deadline = time.monotonic() + _PATIENCE_S
    while min((found := stored(server)).values()) < turns and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def run(seconds: float, rate: float, data: Path) -> tuple[Application, dict[str, int], bool, float]:
    """Run the whole; return also what `flush` said, and how long all took to be there."""
    with server_process.running("server", data) as server:
        veriscope.configure(server.url, service_name=_SERVICE)
        veriscope.setup_tracing(_SERVICE)
        application = Application(veriscope.ObservabilityFramework(_SERVICE), rate)
        application.start()
        time.sleep(_BEFORE_S)
        server.process.kill()
        server.process.wait()
    application.server = "away"
    time.sleep(seconds)
    listen = f"{server.host}:{server.port}"
    with server_process.running("server", data, "--listen", listen) as server:
        back = time.monotonic()
        application.server = "there"
        wait_for(server, application.turns)
        caught_up = time.monotonic() - back
        time.sleep(max(0.0, _AFTER_S - caught_up))
        application.stop()
        flushed = veriscope.flush(10)
        return application, wait_for(server, application.turns), flushed, caught_up


def main() -> int:
    """Run, print the table, return 1 where something is missing or blocked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the server is away")
    parser.add_argument("--rate", type=float, default=100.0, help="turns a second")
    options = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as folder:
        application, found, flushed, caught_up = run(options.seconds, options.rate, Path(folder))
    worst = 0.0
    for state, took in application.took.items():
        took.sort()
        worst = max(worst, took[-1])
        median = took[len(took) // 2]
        print(f"server {state}: {len(took)} turns, median {median * 1e6:.0f} µs, ", end="")
        print(f"p99 {took[len(took) * 99 // 100] * 1e3:.2f} ms, longest {took[-1] * 1e3:.1f} ms")
    print(
        f"and up to {application.collecting * 1e3:.1f} ms for the interpreter's garbage collection"
    )
    print(f"all of the outage was there {caught_up:.1f} s after the server was back")
    for signal, count in found.items():
        print(f"{signal}: {count:,} of {application.turns:,}")
    print(f"flush: {flushed}")
    whole = flushed and all(count == application.turns for count in found.values())
    return 0 if whole and worst < _NOTICED_S else 1


if __name__ == "__main__":
    sys.exit(main())
