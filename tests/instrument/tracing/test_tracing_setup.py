import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from veriscope import ObservabilityFramework, TraceContext
from veriscope.instrument.tracing import TracingOptions, setup_tracing, span_tracer
from veriscope.signals import InvalidInputError

pytestmark = pytest.mark.usefixtures("fresh_otel")


def test_the_documents_call_without_arguments_gives_a_tracer() -> None:
    """`setup_tracing()` works on a laptop without any server, and its spans are real."""
    with setup_tracing().start_as_current_span("work") as span:
        assert span.is_recording()


def test_spans_reach_an_otlp_endpoint(sink: Any) -> None:
    """An endpoint gets every span, packed as OTLP/HTTP says, with the service's name."""
    tracer = setup_tracing("genrf", endpoint=sink.url, instrument=False)
    with tracer.start_as_current_span("parent"), tracer.start_as_current_span("child"):
        pass
    trace.get_tracer_provider().force_flush()
    assert set(sink.spans_by_name) == {"parent", "child"}
    assert sink.headers[0]["Content-Encoding"] == "gzip"
    assert sink.spans[0][0]["service.name"] == "genrf"


def test_setting_up_twice_sends_nothing_twice(sink: Any) -> None:
    """A module that is imported twice may call it twice."""
    for _ in range(3):
        tracer = setup_tracing(endpoint=sink.url, instrument=False)
    with tracer.start_as_current_span("once"):
        pass
    trace.get_tracer_provider().force_flush()
    assert [span.name for _, span in sink.spans] == ["once"]


def test_a_provider_of_the_application_is_kept(sink: Any) -> None:
    """Where the application has set OpenTelemetry up, its spans go to us as well."""
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    setup_tracing("ignored", endpoint=sink.url, instrument=False)
    assert trace.get_tracer_provider() is provider
    with trace.get_tracer("app").start_as_current_span("theirs"):
        pass
    provider.force_flush()
    assert [span.name for _, span in sink.spans] == ["theirs"]


def test_a_caller_decides_about_sampling_before_the_ratio_does() -> None:
    """With ratio 0 no new trace is kept, but one that a caller keeps is."""
    memory = InMemorySpanExporter()
    tracer = setup_tracing(sample_ratio=0.0, exporter=memory, instrument=False)
    with tracer.start_as_current_span("new"):
        pass
    header = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with tracer.start_as_current_span("kept", context=propagate.extract(header)):
        pass
    trace.get_tracer_provider().force_flush()
    assert [span.name for span in memory.get_finished_spans()] == ["kept"]


def test_the_standard_sampler_variable_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ratio `OTEL_TRACES_SAMPLER` decides."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with setup_tracing(instrument=False).start_as_current_span("off") as span:
        assert not span.is_recording()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sample_ratio": 2.0}, "between 0 and 1"),
        ({"endpoint": "jaeger:4317"}, "gRPC"),
        ({"endpoint": "grpc://jaeger:4317"}, "gRPC"),
        ({"options": TracingOptions(propagators=("b4",))}, "'b4' is not installed"),
    ],
)
def test_what_cannot_be_is_refused_with_a_cure(arguments: dict[str, Any], said: str) -> None:
    """A wrong argument is an error that says what would be right."""
    with pytest.raises(InvalidInputError, match=said):
        setup_tracing(instrument=False, **arguments)


def test_options_that_contradict_each_other_are_refused() -> None:
    """A batch cannot be larger than the queue it is taken from."""
    with pytest.raises(ValueError, match="max_batch_spans"):
        TracingOptions(max_queue_spans=10, max_batch_spans=20)


def test_named_propagators_are_set() -> None:
    """`propagators` chooses what travels between services."""
    setup_tracing(instrument=False, options=TracingOptions(propagators=("baggage",)))
    with span_tracer("x").start_as_current_span("here"):
        headers: dict[str, str] = {}
        propagate.inject(headers)
    assert "traceparent" not in headers


def test_the_documents_circuit_example_runs_as_written() -> None:
    """A function decorated before tracing is set up is traced once it is."""

    @trace.get_tracer(__name__).start_as_current_span("generate_circuit")
    def generate_circuit(spec: SimpleNamespace) -> str:
        span = trace.get_current_span()
        span.set_attribute("circuit.type", spec.circuit_type)
        span.set_attribute("circuit.frequency", spec.frequency)
        with trace.get_tracer(__name__).start_as_current_span("topology_generation"):
            topology = "cascode"
        with trace.get_tracer(__name__).start_as_current_span("parameter_optimization"):
            parameters = {"w": 10}
        with trace.get_tracer(__name__).start_as_current_span("spice_validation"):
            results = "ok"
        return f"{topology} {parameters} {results}"

    memory = InMemorySpanExporter()
    setup_tracing(exporter=memory, instrument=False)
    assert generate_circuit(SimpleNamespace(circuit_type="LNA", frequency=2.4e9)).endswith("ok")
    trace.get_tracer_provider().force_flush()
    spans = {span.name: span for span in memory.get_finished_spans()}
    root = spans.pop("generate_circuit")
    assert root.attributes == {"circuit.type": "LNA", "circuit.frequency": 2.4e9}
    assert set(spans) == {"topology_generation", "parameter_optimization", "spice_validation"}
    assert all(span.parent.span_id == root.context.span_id for span in spans.values())


INSTRUMENTORS = """
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor


class Good(BaseInstrumentor):
    def instrumentation_dependencies(self):
        return ()

    def _instrument(self, **kwargs):
        self.provider = kwargs["tracer_provider"]

    def _uninstrument(self, **kwargs):
        pass


class Bad(Good):
    _instance = None

    def _instrument(self, **kwargs):
        raise RuntimeError("wrong version")


nothing = dict
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Install a distribution with instrumentors: one that works, two that do not."""
    (tmp_path / "instrumentors_of_a_test.py").write_text(INSTRUMENTORS)
    folder = tmp_path / "instrumentors_of_a_test-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: instrumentors-of-a-test\nVersion: 1.0\n"
    )
    (folder / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\n"
        "good = instrumentors_of_a_test:Good\n"
        "bad = instrumentors_of_a_test:Bad\n"
        "nothing = instrumentors_of_a_test:nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda: sys.modules["instrumentors_of_a_test"].Good()  # noqa: PLW0108 - not loaded yet
    good = sys.modules.pop("instrumentors_of_a_test").Good()
    if good.is_instrumented_by_opentelemetry:
        good.uninstrument()


def test_installed_instrumentors_start_and_broken_ones_do_not_matter(
    installed: Callable[[], Any],
) -> None:
    """One library that cannot be instrumented keeps neither the others nor the service down."""
    with structlog.testing.capture_logs() as logs:
        setup_tracing()
    assert installed().is_instrumented_by_opentelemetry
    assert installed().provider is trace.get_tracer_provider()
    told = {(entry["event"], entry["name"]) for entry in logs if "name" in entry}
    assert {("instrumentation_failed", "bad"), ("instrumentation_is_none", "nothing")} <= told


def test_only_named_instrumentors_start(installed: Callable[[], Any]) -> None:
    """A name that is not installed is logged, with those that are."""
    with structlog.testing.capture_logs() as logs:
        setup_tracing(instrument=("good", "absent"))
    assert installed().is_instrumented_by_opentelemetry
    missing = [entry for entry in logs if entry["event"] == "instrumentation_not_installed"]
    assert [entry["name"] for entry in missing] == ["absent"]
    assert not [entry for entry in logs if entry["event"] == "instrumentation_failed"]


def test_spans_of_the_framework_obey_the_ratio() -> None:
    """Sampling is one decision for all spans of the process, however they were started."""
    memory = InMemorySpanExporter()
    setup_tracing(sample_ratio=0.0, exporter=memory, instrument=False)
    framework = ObservabilityFramework("shop")
    with framework.span("root"), framework.span("child"):
        pass
    framework.finish_span(framework.start_trace("with context", TraceContext()))
    trace.get_tracer_provider().force_flush()
    assert memory.get_finished_spans() == ()
    assert len(framework.traces) == 2


def test_a_processor_that_fails_does_not_reach_the_application() -> None:
    """The application's own tracing may be broken; its work is not."""

    class Broken(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - the SDK calls it so
            raise RuntimeError("no")

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    trace.set_tracer_provider(provider)
    framework = ObservabilityFramework("shop")
    with structlog.testing.capture_logs() as logs, framework.span("work") as span:
        pass
    assert framework.traces[span.trace_id] == [span]
    assert [entry["event"] for entry in logs] == ["span_not_exported"]


def test_the_framework_brings_the_applications_provider_to_veriscope() -> None:
    """With a provider of its own and no `setup_tracing` the spans still go where all goes."""
    provider = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    framework = ObservabilityFramework("shop")
    for _ in range(2):
        with framework.span("work"):
            pass
    setup_tracing(instrument=False)
    processors = provider._active_span_processor._span_processors
    assert [type(each).__name__ for each in processors] == ["DeliveryProcessor"]
