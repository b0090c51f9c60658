import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry

from veriscope.instrument.genai import GenAiMetrics, Price
from veriscope.signals import InvalidInputError

INPUT = {"gen_ai_token_type": "input"}
OUTPUT = {"gen_ai_token_type": "output"}
PRICES = {"large": Price(input_usd=2.0, output_usd=8.0, cached_input_usd=0.5)}


class Bench:
    """GenAI metrics on a registry and a tracer of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def metrics(self, **options: Any) -> GenAiMetrics:
        """Return metrics with *options*."""
        options = {"prices": PRICES} | options
        return GenAiMetrics(
            "acme", registry=self.registry, tracer=self.provider.get_tracer("test"), **options
        )

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples called *name* that have *labels*."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended."""
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return a bench, closed after the test."""
    found = Bench()
    yield found
    found.provider.shutdown()


def test_a_call_is_recorded_whole(bench: Bench) -> None:
    """Tokens, duration, first token, finish reason, cache and cost of one call are counted."""
    with bench.metrics().inference("large", "chat", input_tokens=1000, stream=True) as call:
        call.first_token()
        call.token()
        call.token(9)
        call.finish("stop", cached=400, response_model="large-2026")
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "acme",
        "gen_ai_request_model": "large",
        "gen_ai_response_model": "large-2026",
    }
    tokens = "gen_ai_client_token_usage_sum"
    assert bench.value(tokens, **labels, **INPUT) == 1000
    assert bench.value(tokens, **labels, **OUTPUT) == 10
    for name in ("request_duration", "time_to_first_token", "time_per_output_token"):
        assert bench.value(f"gen_ai_server_{name}_seconds_count", **labels) == 1, name
    assert bench.value("gen_ai_finish_reasons_total", **labels, reason="stop") == 1
    assert bench.value("gen_ai_cache_requests_total", result="hit") == 1
    assert bench.value("gen_ai_cache_read_input_tokens_total") == 400
    assert bench.value("gen_ai_server_active_requests") == 0
    cost = "gen_ai_cost_usd_total"
    assert bench.value(cost, **INPUT) == pytest.approx((600 * 2.0 + 400 * 0.5) / 1e6)
    assert bench.value(cost, **OUTPUT) == pytest.approx(10 * 8.0 / 1e6)


def test_a_span_says_what_the_conventions_ask(bench: Bench) -> None:
    """Name, kind and attributes of the span are those of the semantic conventions."""
    with bench.metrics().inference(
        "large",
        "chat",
        input_tokens=7,
        stream=True,
        attributes={"gen_ai.request.max_tokens": 64},
    ) as call:
        call.token(3)
        call.finish("length", cached=0, response_model="large-2026", response_id="r1")
    (span,) = bench.spans
    attributes = dict(span.attributes or {})
    assert 0 <= attributes.pop("gen_ai.response.time_to_first_chunk") < 5
    assert (span.name, span.kind) == ("chat large", SpanKind.INTERNAL)
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "large",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.response.model": "large-2026",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 0,
    }


@pytest.mark.parametrize("side", ["server", "client"])
def test_names_are_those_of_the_installed_conventions(bench: Bench, side: str) -> None:
    """Each duration is a convention of the installed package, spelt as Prometheus spells it."""
    bench.metrics(side=side)
    known = {
        f"{value.replace('.', '_')}_seconds"
        for name, value in vars(gen_ai_metrics).items()
        if name.startswith("GEN_AI_")
    }
    ours = {
        family.name
        for family in bench.registry.collect()
        if family.name.startswith(f"gen_ai_{side}_") and family.name.endswith("_seconds")
    } - {"gen_ai_server_queue_wait_seconds"}
    assert len(ours) == 3
    assert ours <= known
    assert "gen_ai.client.token.usage" in vars(gen_ai_metrics).values()


def buckets(bench: Bench, family: str) -> list[float]:
    """Return the finite upper bounds of a histogram."""
    found = {
        float(sample.labels["le"])
        for metric in bench.registry.collect()
        for sample in metric.samples
        if sample.name == f"{family}_bucket"
    }
    return sorted(found - {float("inf")})


def test_buckets_are_those_that_are_recommended(bench: Bench) -> None:
    """The boundaries are the conventions' own."""
    with bench.metrics().inference("large", input_tokens=1) as call:
        call.token(2)
    assert buckets(bench, "gen_ai_client_token_usage") == [
        *(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304),
        *(16777216, 67108864),
    ]
    assert buckets(bench, "gen_ai_server_request_duration_seconds") == [
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
    ]
    assert buckets(bench, "gen_ai_server_time_to_first_token_seconds") == [
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5),
        *(5.0, 7.5, 10.0),
    ]
    assert buckets(bench, "gen_ai_server_time_per_output_token_seconds") == [
        *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
    ]


def test_an_exception_is_a_failed_call(bench: Bench) -> None:
    """The error passes through; its class is the error type, and no first token is claimed."""
    with (
        pytest.raises(ZeroDivisionError),
        bench.metrics().inference("large", input_tokens=5) as call,
    ):
        call.finish_reason = 1 / 0
    duration = "gen_ai_server_request_duration_seconds_count"
    assert bench.value(duration, error_type="ZeroDivisionError") == 1
    assert bench.value("gen_ai_server_time_to_first_token_seconds_count") == 0
    assert bench.value("gen_ai_client_token_usage_count") == 0
    (span,) = bench.spans
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ZeroDivisionError"
    assert [event.name for event in span.events] == ["exception"]


async def test_a_cancelled_task_is_a_cancelled_call(bench: Bench) -> None:
    """A caller who gives up is told apart from a model that fails; what was used is counted."""
    metrics, begun = bench.metrics(), asyncio.Event()

    async def answer() -> None:
        async with metrics.inference("large", input_tokens=5) as call:
            call.token()
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(answer())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    duration = "gen_ai_server_request_duration_seconds_count"
    assert bench.value(duration, error_type="cancelled") == 1
    assert bench.value("gen_ai_client_token_usage_sum", **INPUT) == 5


async def test_a_stream_closed_elsewhere_leaves_the_context_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A generator that another task closes ends its call, without a word from OpenTelemetry."""
    metrics = bench.metrics()

    async def stream() -> AsyncIterator[int]:
        with metrics.inference("large", stream=True) as call:
            for number in range(100):
                call.token()
                yield number

    events = stream()
    await asyncio.create_task(anext(events))
    await asyncio.create_task(events.aclose())
    assert trace.get_current_span() is trace.INVALID_SPAN
    duration = "gen_ai_server_request_duration_seconds_count"
    assert bench.value(duration, error_type="cancelled") == 1
    assert not caplog.records


async def test_spans_nest(bench: Bench) -> None:
    """Inside the block the call's span is the current one, and not after it, task by task."""
    metrics, tracer = bench.metrics(), bench.provider.get_tracer("test")

    async def answer(model: str) -> None:
        async with metrics.inference(model):
            await asyncio.sleep(0)
            tracer.start_span(f"inside {model}").end()
        tracer.start_span(f"after {model}").end()

    await asyncio.gather(answer("a"), answer("b"))
    spans = {span.name: span for span in bench.spans}
    for model in "ab":
        parent = spans[f"inside {model}"].parent
        assert parent is not None
        assert parent.span_id == spans[f"chat {model}"].context.span_id
        assert spans[f"after {model}"].parent is None


def test_labels_are_bounded(bench: Bench) -> None:
    """Past the limit a model is `_other`, and each such value is counted."""
    metrics = bench.metrics(max_label_values=3)
    for number in range(10):
        with metrics.inference(f"model-{number}"):
            pass
    models = {
        sample.labels["gen_ai_request_model"]
        for family in bench.registry.collect()
        for sample in family.samples
        if sample.name == "gen_ai_server_request_duration_seconds_count"
    }
    assert models == {"model-0", "model-1", "model-2", "_other"}
    folded = bench.value("veriscope_genai_folded_labels_total", label="gen_ai_request_model")
    assert folded >= 7
    assert bench.value("gen_ai_server_active_requests") == 0


def test_content_is_recorded_only_on_request(bench: Bench) -> None:
    """What was said stays out of spans unless it was asked for."""
    for wanted in (False, True):
        with bench.metrics(record_content=wanted).inference("large") as call:
            call.content(input_messages="[question]", output_messages="[answer]")
    silent, telling = (span.attributes or {} for span in bench.spans)
    assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & set(silent)
    assert telling["gen_ai.input.messages"] == "[question]"
    assert telling["gen_ai.output.messages"] == "[answer]"


def test_unpriced_tokens_are_counted(bench: Bench) -> None:
    """A model without a price adds nothing to the cost, and that is not silent."""
    with bench.metrics().inference("free", input_tokens=5) as call:
        call.token(2)
    assert bench.value("gen_ai_cost_usd_total") == 0
    assert bench.value("gen_ai_unpriced_tokens_total", gen_ai_request_model="free") == 7


def test_the_queue_is_measured(bench: Bench) -> None:
    """Who waits is in the depth; who was served, in the waits; who was refused, in neither."""
    metrics = bench.metrics()
    first, second = metrics.queue("large"), metrics.queue("large")
    assert bench.value("gen_ai_server_queue_depth", gen_ai_request_model="large") == 2
    assert first.leave() >= 0
    first.leave()
    second.reject()
    assert bench.value("gen_ai_server_queue_depth") == 0
    assert bench.value("gen_ai_server_queue_wait_seconds_count") == 1
    assert bench.value("gen_ai_server_queue_rejections_total") == 1
    with metrics.queue("large"):
        assert bench.value("gen_ai_server_queue_depth") == 1
    assert bench.value("gen_ai_server_queue_depth") == 0


def test_a_client_measures_each_chunk(bench: Bench) -> None:
    """On the client's side each chunk after the first is one observation, and spans are CLIENT."""
    with bench.metrics(side="client").inference("large") as call:
        for _ in range(5):
            call.token()
    name = "gen_ai_client_operation_time_per_output_chunk_seconds_count"
    assert bench.value(name) == 4
    assert bench.value("gen_ai_client_operation_time_to_first_chunk_seconds_count") == 1
    assert bench.spans[0].kind is SpanKind.CLIENT


def test_a_call_counts_once(bench: Bench) -> None:
    """`finish`, a second `finish`, `fail` and the end of the block make one call."""
    with bench.metrics().inference("large", input_tokens=1) as call:
        call.finish("stop")
        call.finish("length")
        call.fail("late")
    assert bench.value("gen_ai_server_request_duration_seconds_count") == 1
    assert bench.value("gen_ai_finish_reasons_total", reason="stop") == 1
    assert len(bench.spans) == 1


def test_many_threads_lose_nothing(bench: Bench) -> None:
    """64 threads with a call each, many times over, are all counted."""
    metrics = bench.metrics()

    def work() -> None:
        for _ in range(20):
            with metrics.inference("large", input_tokens=2) as call:
                call.token(3)

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.value("gen_ai_server_request_duration_seconds_count") == 64 * 20
    assert bench.value("gen_ai_client_token_usage_sum", **OUTPUT) == 64 * 60
    assert bench.value("gen_ai_server_active_requests") == 0


def test_recording_never_breaks_the_call(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a metric cannot be written, the application goes on and the failure is counted."""
    metrics = bench.metrics()

    def broken(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(metrics._calls.duration, "labels", broken)
    with metrics.inference("large"):
        pass
    assert bench.value("veriscope_genai_failures_total") == 1


@given(tokens=st.integers(0, 10**7), cached=st.integers(0, 10**7), usd=st.floats(0, 1000))
def test_cached_tokens_cost_their_own_price(tokens: int, cached: int, usd: float) -> None:
    """The cost of the input is that of its two parts, and cached tokens default to full price."""
    cached = min(cached, tokens)
    whole = Price(usd, 1.0).input_cost_usd(tokens, cached)
    assert whole == pytest.approx(usd * tokens / 1e6)
    apart = Price(usd, 1.0, cached_input_usd=0.0).input_cost_usd(tokens, cached)
    assert apart == pytest.approx(usd * (tokens - cached) / 1e6)


@pytest.mark.parametrize(
    "build",
    [
        lambda: GenAiMetrics(side="middle", registry=CollectorRegistry()),
        lambda: GenAiMetrics(max_label_values=0, registry=CollectorRegistry()),
        lambda: Price(-1.0, 1.0),
    ],
)
def test_wrong_arguments_are_refused(build: Callable[[], object]) -> None:
    """A side, a limit or a price that makes no sense is an error at once."""
    with pytest.raises(InvalidInputError, match=r"must be|cannot be"):
        build()


def test_negative_counts_are_none(bench: Bench) -> None:
    """A count that a provider got wrong breaks nothing."""
    with contextlib.ExitStack() as stack:
        call = stack.enter_context(bench.metrics().inference("large", input_tokens=-5))
        call.token(-3)
        call.finish(cached=-1, output_tokens=-2)
    assert bench.value("gen_ai_client_token_usage_sum") == 0
    assert bench.value("veriscope_genai_failures_total") == 0
