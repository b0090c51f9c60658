"""
Measure what the library costs an application, beside bare prometheus-client and OpenTelemetry.

Two processes do the same work in turns: one with the bare libraries, one with `veriscope`
configured. Metrics are prometheus-client's own in both; what is measured is the exporter that runs
beside them. Spans end in OpenTelemetry's `BatchSpanProcessor`, which encodes and posts as its OTLP
exporter does, or in ours. Both post to one local server. The script ends with exit code 1 where
the library takes longer than its bar allows.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Final

import urllib3
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import Counter, Histogram

BAR: Final = 1.1
METRIC_CALLS: Final = 50_000
SPANS: Final = 6_000
ATTRIBUTES: Final[dict[str, str | int | float | bool]] = {
    "model.name": "small",
    "tokens.in": 512,
    "temperature": 0.7,
    "cache.hit": True,
}
METHODS: Final = ("GET", "POST", "PUT", "DELETE")


FIGURES: Final = ("wall", "own CPU", "all CPU")
"""Of the work: by the clock, CPU of the thread that does it, CPU of all until it is delivered."""


class Sink(BaseHTTPRequestHandler):
    """Takes every body and keeps none."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer 200."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class BareExporter(SpanExporter):
    """What OpenTelemetry's OTLP/HTTP exporter does with a batch: encode it, post it."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/traces"
        self._pool = urllib3.PoolManager()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send *spans*."""
        body = encode_spans(spans).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf"}
        self._pool.request("POST", self._url, body=body, headers=headers)
        return SpanExportResult.SUCCESS


class Work:
    """What an application does, in this process, with or without the library."""

    def __init__(self, url: str, *, is_bare: bool) -> None:
        self._requests = Counter("requests", "", ["method", "status"])
        self._seconds = Histogram("request_seconds", "", ["method", "status"])
        self._provider = TracerProvider(shutdown_on_exit=False)
        if is_bare:
            processor = BatchSpanProcessor(BareExporter(url), max_queue_size=8192)
            self._provider.add_span_processor(processor)
        else:
            import veriscope  # noqa: PLC0415 - the bare process must not have it

            exporter = veriscope.configure(url, service_name="benchmark")
            if exporter is None:
                raise SystemExit("the library has no exporter")
            self._provider.add_span_processor(exporter.span_processor())
        self._tracer = self._provider.get_tracer("benchmark")

    def counter(self) -> None:
        """Increment counters with two labels."""
        counter = self._requests
        for number in range(METRIC_CALLS):
            counter.labels(METHODS[number & 3], "200").inc()

    def histogram(self) -> None:
        """Observe values in histograms with two labels."""
        histogram = self._seconds
        for number in range(METRIC_CALLS):
            histogram.labels(METHODS[number & 3], "200").observe(0.05)

    def span(self) -> None:
        """Start and end spans with four attributes."""
        tracer = self._tracer
        for _ in range(SPANS):
            with tracer.start_as_current_span("generate", attributes=ATTRIBUTES):
                pass

    def serve(self) -> None:
        """Do the work named on each line of stdin; answer with nanoseconds, see `FIGURES`."""
        print("ready", flush=True)
        for line in sys.stdin:
            work: Callable[[], None] = getattr(self, line.strip())
            gc.collect()
            begun = time.perf_counter_ns(), time.thread_time_ns(), time.process_time_ns()
            work()
            thread_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
            self._provider.force_flush(30_000)
            ended = wall_ns, thread_ns, time.process_time_ns()
            print(*(end - start for start, end in zip(begun, ended, strict=True)), flush=True)


class Worker:
    """A process that does `Work`."""

    def __init__(self, url: str, kind: str) -> None:
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        environment.pop("VERISCOPE_URL", None)
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", kind, "--url", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._read()

    def do(self, work: str) -> list[int]:
        """Return the nanoseconds that *work* took, one for each of `FIGURES`."""
        if self._process.stdin is None:
            raise SystemExit("the worker has no input")
        self._process.stdin.write(f"{work}\n")
        self._process.stdin.flush()
        return [int(text) for text in self._read().split()]

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()

    def _read(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit("a worker ended early")
        return line


@dataclass
class Result:
    """Nanoseconds of each round, bare and with the library."""

    calls: int
    bare: list[list[int]] = field(default_factory=list)
    ours: list[list[int]] = field(default_factory=list)

    def row(self, name: str, which: int) -> tuple[str, float]:
        """Return a line of the table, and the median of the ratios of rounds side by side."""
        pairs = [
            (bare[which], ours[which]) for bare, ours in zip(self.bare, self.ours, strict=True)
        ]
        bare, ours = (median(column) / self.calls for column in zip(*pairs, strict=True))
        ratio = median(ours / bare for bare, ours in pairs)
        verdict = "ok" if ratio <= BAR else "MISSED"
        return f"{name:<28}{bare:>12,.0f}{ours:>12,.0f}{ratio:>9.3f}{BAR:>7.2f}  {verdict}", ratio


def measure(url: str, rounds: int, pairs: int) -> dict[str, Result]:
    """Let *pairs* of processes work in turns, *rounds* times each."""
    calls = {"counter": METRIC_CALLS, "histogram": METRIC_CALLS, "span": SPANS}
    results = {name: Result(number) for name, number in calls.items()}
    for _ in range(pairs):
        bare, ours = Worker(url, "bare"), Worker(url, "veriscope")
        for name in results:  # caches and connections are warm then
            bare.do(name)
            ours.do(name)
        for number in range(rounds):
            for name, result in results.items():
                turns = [(bare, result.bare), (ours, result.ours)]
                for worker, figures in turns if number % 2 else reversed(turns):
                    figures.append(worker.do(name))
        bare.stop()
        ours.stop()
    return results


def report(results: dict[str, Result]) -> bool:
    """Print the table; return whether every bar is held."""
    print(f"{'median of rounds':<28}{'bare ns':>12}{'ours ns':>12}{'ratio':>9}{'bar':>7}")
    rows = [
        result.row(f"{name}, {figure}", which)
        for name, result in results.items()
        for which, figure in enumerate(FIGURES)
    ]
    for line, _ in rows:
        print(line)
    return all(ratio <= BAR for _, ratio in rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each pair of processes")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of processes")
    parser.add_argument("--child", choices=("bare", "veriscope", "sink"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "sink":
        with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
            print(f"http://127.0.0.1:{server.server_port}", flush=True)
            server.serve_forever()
    elif options.child:
        Work(options.url, is_bare=options.child == "bare").serve()
    else:
        command = [sys.executable, __file__, "--child", "sink"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
            url = sink.stdout.readline().strip() if sink.stdout else ""
            try:
                is_held = report(measure(url, options.rounds, options.pairs))
            finally:
                sink.terminate()
        sys.exit(not is_held)


if __name__ == "__main__":
    main()
