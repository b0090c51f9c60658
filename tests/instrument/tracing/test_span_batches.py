import os
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from veriscope.instrument.tracing import TracingOptions
from veriscope.instrument.tracing.batches import SpanBatches


class Gate(SpanExporter):
    """Keeps what it gets; waits while it is closed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.batches: list[int] = []
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.fault: Exception | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep *spans*."""
        self.entered.set()
        self.open.wait(30)
        if self.fault is not None:
            raise self.fault
        self.names += [span.name for span in spans]
        self.batches.append(len(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""


@pytest.fixture
def gate() -> Gate:
    """Return an exporter that takes everything at once."""
    return Gate()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where spans are counted."""
    return CollectorRegistry()


@pytest.fixture
def tracing(
    gate: Gate, registry: CollectorRegistry
) -> Iterator[Callable[..., tuple[Tracer, SpanBatches]]]:
    """Make tracers whose spans go to *gate*."""
    made: list[SpanBatches] = []

    def make(**options: float) -> tuple[Tracer, SpanBatches]:
        batches = SpanBatches(gate, TracingOptions(**options), registry)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(batches)
        made.append(batches)
        return provider.get_tracer("t"), batches

    yield make
    gate.open.set()
    for batches in made:
        batches.shutdown()


Make = Callable[..., tuple[Tracer, SpanBatches]]


def lost(registry: CollectorRegistry, reason: str) -> float:
    """Return how many spans were lost for *reason*."""
    labels = {"reason": reason}
    return registry.get_sample_value("veriscope_tracing_dropped_spans_total", labels) or 0


def test_a_flush_sends_what_waits_in_batches(
    gate: Gate, tracing: Make, registry: CollectorRegistry
) -> None:
    """Order is kept, and no batch is larger than allowed."""
    tracer, batches = tracing(max_batch_spans=4, interval_s=600)
    for index in range(10):
        tracer.start_span(str(index)).end()
    assert batches.force_flush(20_000)
    assert gate.names == list("0123456789")
    assert max(gate.batches) <= 4
    assert registry.get_sample_value("veriscope_tracing_sent_spans_total") == 10


def test_a_batch_is_sent_when_its_time_has_come(gate: Gate, tracing: Make) -> None:
    """A single span does not wait for company for ever."""
    tracer, _ = tracing(interval_s=0.05)
    tracer.start_span("alone").end()
    assert gate.entered.wait(60)


def test_past_the_limit_the_oldest_span_is_dropped_and_counted(
    gate: Gate, tracing: Make, registry: CollectorRegistry
) -> None:
    """While the endpoint hangs the newest spans are kept, and nobody waits."""
    gate.open.clear()
    tracer, batches = tracing(max_queue_spans=5, max_batch_spans=1, interval_s=600)
    tracer.start_span("first").end()
    assert gate.entered.wait(60)
    for index in range(9):
        tracer.start_span(str(index)).end()
    assert lost(registry, "queue_full") == 4
    gate.open.set()
    assert batches.force_flush(20_000)
    assert gate.names == ["first", *"45678"]


def test_an_exporter_that_fails_is_no_end(
    gate: Gate, tracing: Make, registry: CollectorRegistry
) -> None:
    """The batch is counted as lost, and the next one is sent."""
    tracer, batches = tracing(interval_s=600)
    gate.fault = RuntimeError("no")
    tracer.start_span("lost").end()
    assert batches.force_flush(20_000)
    gate.fault = None
    tracer.start_span("kept").end()
    assert batches.force_flush(20_000)
    assert gate.names == ["kept"]
    assert lost(registry, "export") == 1


def test_shutdown_sends_the_rest_and_counts_what_comes_after(
    gate: Gate, tracing: Make, registry: CollectorRegistry
) -> None:
    """What waits is sent; a span that ends too late is not lost unseen."""
    tracer, batches = tracing(interval_s=600)
    tracer.start_span("waits").end()
    late = tracer.start_span("late")
    batches.shutdown()
    late.end()
    assert gate.names == ["waits"]
    assert lost(registry, "shutdown") == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_sends_its_own_spans(gate: Gate, tracing: Make) -> None:
    """The child has a thread of its own, and does not send the parent's spans again."""
    tracer, batches = tracing(interval_s=600)
    tracer.start_span("parents").end()
    child = os.fork()
    if child == 0:
        tracer.start_span("childs").end()
        flushed = batches.force_flush(20_000)
        os._exit(0 if flushed and gate.names == ["childs"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert batches.force_flush(20_000)
    assert gate.names == ["parents"]
