"""
Measure what the always-on profiler costs: requests a second with it and without it.

One process serves requests in several threads without a break: each parses and renders JSON, runs
Python and NumPy, and waits a little, as a small inference service does (with `--wait-us 0` it
never waits). First the profiler, asked for 100 Hz, settles to the pace that its budget allows
here. Then it is switched on and off at that pace, for `--window` seconds each, in the order
off-on-on-off, so that whatever else the machine does falls on both. The cost is the median over
the pairs of windows, with the interval in which it lies with 95 % probability; the bar is less
than 1 % of the requests a second.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Self

import numpy as np
from prometheus_client import CollectorRegistry

from veriscope.instrument.profiling import SamplingProfiler

BAR = 0.01
WAIT_EVERY = 16
SETTLE_S = 6.0


@dataclass
class Window:
    """What was done in one window."""

    requests_per_s: float
    requests_per_cpu_s: float


class Service:
    """Threads that serve requests until told to stop."""

    def __init__(self, threads: int, wait_s: float) -> None:
        self._wait_s = wait_s
        self._counts = [0] * threads
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(index,)) for index in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def observe(self, seconds: float) -> Window:
        """Count what is done in the next *seconds*."""
        begun, cpu, done = time.perf_counter(), time.process_time(), sum(self._counts)
        time.sleep(seconds)
        done = sum(self._counts) - done
        return Window(
            done / (time.perf_counter() - begun), done / max(1e-9, time.process_time() - cpu)
        )

    def _serve(self, index: int) -> None:
        weights = np.random.default_rng(index).standard_normal((128, 128))
        while not self._stop.is_set():
            serve_one(weights, self._counts[index])
            self._counts[index] += 1
            if self._wait_s and self._counts[index] % WAIT_EVERY == 0:
                time.sleep(self._wait_s)


def serve_one(weights: np.ndarray, number: int) -> int:
    """Handle one request: decode, compute, encode."""
    body = json.dumps({"id": number, "values": [number * i % 97 for i in range(40)]})
    values = json.loads(body)["values"]
    state = np.tanh(weights @ np.asarray(values * 4, dtype=np.float64)[:128])
    ranked = sorted(range(40), key=lambda index: (values[index], index))
    return len(json.dumps({"best": ranked[:5], "score": float(state.sum())}))


def settled_hz(asked_hz: float, folder: str) -> float:
    """Return the mean pace of a profiler that was asked for *asked_hz*, once it has settled."""
    registry = CollectorRegistry()
    seen: list[float] = []
    with SamplingProfiler(asked_hz, directory=folder, registry=registry):
        deadline = time.monotonic() + SETTLE_S
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(0.1)
            if left < SETTLE_S / 2:
                seen.append(registry.get_sample_value("veriscope_profiler_frequency_hertz") or 0.0)
    return sum(seen) / len(seen)


def observe_pair(
    service: Service, seconds: float, hz: float, folder: str, *, on_first: bool
) -> tuple[Window, Window]:
    """Return a window without the profiler and one with it at *hz*."""

    def with_profiler() -> Window:
        # What starting it and writing its files costs is no part of the window.
        with SamplingProfiler(hz, directory=folder, budget=1, registry=CollectorRegistry()):
            time.sleep(0.02)
            return service.observe(seconds)

    if on_first:
        on = with_profiler()
        return service.observe(seconds), on
    off = service.observe(seconds)
    return off, with_profiler()


def interval(costs: list[float]) -> tuple[float, float]:
    """Return where the median of *costs* lies with 95 % probability, by bootstrap."""
    chance = np.random.default_rng(0)
    medians = np.median(chance.choice(costs, (2_000, len(costs))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def report(pairs: list[tuple[Window, Window]]) -> float:
    """Print the table; return the share of requests a second that the profiler costs."""
    print(f"{'median':18}{'off':>9}{'on':>9}{'cost':>8}{'95 %':>20}")
    found: list[float] = []
    for name, figure in (
        ("requests / s", "requests_per_s"),
        ("requests / CPU s", "requests_per_cpu_s"),
    ):
        off, on = (
            [getattr(window, figure) for window in side] for side in zip(*pairs, strict=True)
        )
        costs = [1 - b / a for a, b in zip(off, on, strict=True)]
        low, high = interval(costs)
        found.append(statistics.median(costs))
        middle = f"{statistics.median(off):9.0f}{statistics.median(on):9.0f}{found[-1]:8.2%}"
        print(f"{name:18}{middle}{f'{low:.2%} to {high:.2%}':>20}")
    return found[0]


def main() -> None:
    """Run the windows, print the table, exit 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--window", type=float, default=0.3, help="length of a window, seconds")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--wait-us", type=float, default=500, help="a wait every 16 requests")
    parser.add_argument("--hz", type=float, default=100, help="pace that is asked for")
    options = parser.parse_args()
    service = Service(options.threads, options.wait_us / 1e6)
    with tempfile.TemporaryDirectory() as folder, service:
        service.observe(1)
        hz = settled_hz(options.hz, folder)
        pairs = [
            observe_pair(service, options.window, hz, folder, on_first=bool(number % 2))
            for number in range(options.pairs)
        ]
    print(f"{options.pairs} pairs of windows, {options.threads} threads, {hz:.0f} samples a second")
    cost = report(pairs)
    print(f"bar: less than {BAR:.0%} of requests / s")
    raise SystemExit(cost >= BAR)


if __name__ == "__main__":
    main()
