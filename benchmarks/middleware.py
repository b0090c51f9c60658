"""
What the ASGI middleware adds to a request: a bare application beside the same one watched.

The application is called in this process, without a server or sockets, so that the difference
is the middleware's own. Variants take turns within one run, each in many short batches, and the
order changes from round to round; p50 and p99 are over all requests of a variant. Exits with 1
where the median cost of a variant reaches the bar.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from statistics import quantiles
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from veriscope.instrument.requests import AsgiMiddleware, RequestStats

BAR_US = 60.0
Messages = MutableMapping[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class Discard(SpanExporter):
    """Takes spans as an exporter would, and lets them go."""

    def export(self, spans: object) -> SpanExportResult:
        """Forget *spans*."""
        del spans
        return SpanExportResult.SUCCESS


async def bare(scope: object, receive: Callable[[], Awaitable[Messages]], send: Any) -> None:
    """Read the body and answer 15 bytes of JSON, as a small endpoint does."""
    del scope
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"answer": 42}\n'})


async def receive() -> Messages:
    """Give an empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Messages) -> None:
    """Take the response."""


def scope(*, parent: bool) -> dict[str, Any]:
    """Return a request such as uvicorn makes it of a browser's."""
    headers = [
        (b"host", b"127.0.0.1:8101"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/143.0"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"connection", b"keep-alive"),
    ]
    if parent:
        headers.append((b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/models",
        "raw_path": b"/models",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8101),
    }


async def batch(app: Application, requests: int, *, parent: bool) -> list[float]:
    """Return the microseconds that each of *requests* took."""
    taken = []
    for _ in range(requests):
        request = scope(parent=parent)
        begun_ns = time.perf_counter_ns()
        await app(request, receive, send)
        taken.append((time.perf_counter_ns() - begun_ns) / 1000)
    return taken


async def measure(apps: dict[str, Application], rounds: int, size: int) -> dict[str, list[float]]:
    """Let the variants take turns; the first round warms up and does not count."""
    taken: dict[str, list[float]] = {name: [] for name in apps}
    chance = random.Random(1)  # noqa: S311 - an order
    for number in range(rounds + 1):
        for name in chance.sample(sorted(apps), len(apps)):
            found = await batch(apps[name], size, parent="parent" in name)
            if number:
                taken[name].extend(found)
    return taken


def watched() -> AsgiMiddleware:
    """Return the application behind middleware with a registry and statistics of its own."""
    return AsgiMiddleware(bare, registry=CollectorRegistry(), stats=RequestStats())


def report(taken: dict[str, list[float]], base: str) -> dict[str, float]:
    """Print the table; return each variant's median cost over *base* in microseconds."""
    base_p50 = quantiles(taken[base], n=100)[49]
    print(f"{'variant':28} {'p50':>9} {'p99':>9} {'cost at p50':>12}")
    costs = {}
    for name, each in taken.items():
        cut = quantiles(each, n=100)
        print(f"{name:28} {cut[49]:7.1f}us {cut[98]:7.1f}us {cut[49] - base_p50:10.1f}us")
        if name != base:
            costs[name] = cut[49] - base_p50
    return costs


def main() -> None:
    """Measure without tracing, then with it: a tracer provider cannot be taken back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--batch", type=int, default=250, help="requests of one variant in a row")
    options = parser.parse_args()

    print(f"requests per variant: {options.rounds * options.batch}")
    plain = asyncio.run(
        measure({"bare": bare, "metrics": watched()}, options.rounds, options.batch)
    )
    costs = report(plain, "bare")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Discard()))
    trace.set_tracer_provider(provider)
    apps: dict[str, Application] = {
        "bare": bare,
        "metrics, span": watched(),
        "metrics, span with parent": watched(),
    }
    costs |= report(asyncio.run(measure(apps, options.rounds, options.batch)), "bare")
    provider.shutdown()
    missed = [name for name, cost in costs.items() if cost >= BAR_US]
    verdict = f"missed by {', '.join(missed)}" if missed else "held"
    print(f"bar: under {BAR_US:.0f} us at p50: {verdict}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
