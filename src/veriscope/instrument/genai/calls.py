"""Metrics and spans of a service that runs or calls language models."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.util.types import AttributeValue
from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.genai.inference import Inference
from veriscope.instrument.genai.instruments import Side, instruments_on
from veriscope.instrument.genai.prices import Price
from veriscope.instrument.genai.queueing import QueueTicket
from veriscope.instrument.label_values import LabelValues
from veriscope.signals import InvalidInputError
from veriscope.signals.log import get_log

OTHER: Final = "_other"
"""The value of a label that has had too many others."""

_log = get_log(__name__)


class GenAiMetrics:
    """
    Records calls to language models by OpenTelemetry's conventions for generative AI.

    *side* `server` is for the program that runs the model, `client` for one that calls a
    provider: names differ as the conventions say. *provider* is `gen_ai.provider.name`. *prices*
    maps a request model to its `Price`. A label keeps its first *max_label_values* values (models
    are often the user's choice); later ones are shown as `_other` and counted. What was said is
    never recorded unless *record_content* asks for it.

    Safe from many threads and from asyncio. Several objects may share a registry. Raises
    `InvalidInputError` for a wrong *side* or a limit below 1.
    """

    def __init__(
        self,
        provider: str = "veriscope",
        *,
        side: Side = "server",
        prices: Mapping[str, Price] | None = None,
        registry: CollectorRegistry | None = None,
        tracer: Tracer | None = None,
        record_content: bool = False,
        max_label_values: int = 100,
    ) -> None:
        if side not in ("server", "client"):
            raise InvalidInputError(f"side is {side!r}; it must be 'server' or 'client'")
        if max_label_values < 1:
            raise InvalidInputError(
                f"max_label_values is {max_label_values}; it must be at least 1"
            )
        self.provider = provider
        self.side: Side = side
        self.record_content = record_content
        self._prices = dict(prices or {})
        self._calls, self._shared = instruments_on(REGISTRY if registry is None else registry, side)
        self._tracer = tracer or trace.get_tracer("veriscope.genai")
        self._kind = SpanKind.CLIENT if side == "client" else SpanKind.INTERNAL
        self._known = defaultdict[str, LabelValues](lambda: LabelValues(max_label_values))

    def inference(
        self,
        model: str,
        operation: str = "chat",
        *,
        provider: str | None = None,
        input_tokens: int | None = None,
        stream: bool | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Inference:
        """
        Begin a call of *model*; use what is returned in `with` or `async with`.

        *operation* is `chat`, `text_completion`, `embeddings` or another of the conventions'.
        *attributes* are further ones of the span, e.g. `{"gen_ai.request.max_tokens": 64}`.
        """
        provider = self.provider if provider is None else provider
        wanted: dict[str, AttributeValue] = {
            names.GEN_AI_OPERATION_NAME: operation,
            names.GEN_AI_PROVIDER_NAME: provider,
            names.GEN_AI_REQUEST_MODEL: model,
            **(attributes or {}),
        }
        if stream is not None:
            wanted[names.GEN_AI_REQUEST_STREAM] = stream
        span = self._tracer.start_span(f"{operation} {model}", kind=self._kind, attributes=wanted)
        call = Inference(self, model, operation, provider, span)
        call.usage.input_tokens = None if input_tokens is None else max(input_tokens, 0)
        self._calls.active.labels(self._bounded("gen_ai_request_model", model)).inc()
        return call

    def queue(self, model: str) -> QueueTicket:
        """Take a place in the queue for *model*; `leave` (or the end of a `with`) gives it up."""
        name = self._bounded("gen_ai_request_model", model)
        shared = self._shared
        return QueueTicket(
            shared.queue_depth.labels(name),
            shared.queue_wait.labels(name),
            shared.queue_rejected.labels(name),
        )

    def record(self, call: Inference) -> None:
        """Write down an ended call; `Inference` calls this, once."""
        try:
            self._record(call)
        except Exception:  # noqa: BLE001 - observing must never break the call that is observed
            self._shared.failures.inc()
            _log.exception("a call could not be recorded", model=call.model)

    def observe_gap(self, call: Inference, gap_s: float) -> None:
        """Record the time between two chunks that a client received."""
        self._calls.per_token.labels(*self._model_labels(call)).observe(gap_s)

    def _record(self, call: Inference) -> None:
        usage, labels = call.usage, self._model_labels(call)
        ended_s = usage.begun_s if usage.ended_s is None else usage.ended_s
        model = labels[2]
        self._calls.active.labels(model).dec()
        error = self._bounded("error_type", usage.error_type) if usage.error_type else ""
        self._calls.duration.labels(*labels, error).observe(ended_s - usage.begun_s)
        self._record_tokens(call, labels)
        if usage.cached_tokens is not None:
            self._shared.cache.labels(model, "hit" if usage.cached_tokens else "miss").inc()
            self._shared.cached_tokens.labels(model).inc(usage.cached_tokens)
        if error:
            return
        reason = self._bounded("reason", usage.finish_reason or "stop")
        self._shared.finished.labels(*labels, reason).inc()
        if usage.first_s is None:
            return
        self._calls.first_token.labels(*labels).observe(usage.first_s - usage.begun_s)
        if self.side == "server" and usage.output_tokens > 1 and usage.last_s is not None:
            per_token_s = (usage.last_s - usage.first_s) / (usage.output_tokens - 1)
            self._calls.per_token.labels(*labels).observe(per_token_s)

    def _record_tokens(self, call: Inference, labels: tuple[str, ...]) -> None:
        usage, price = call.usage, self._prices.get(call.model)
        if usage.error_type and not usage.output_tokens:
            return  # nothing was used: it was refused, or broke before its first token
        counts = {"input": usage.input_tokens, "output": usage.output_tokens}
        for kind, count in counts.items():
            if count is None:
                continue
            self._shared.tokens.labels(*labels, kind).observe(count)
            if price is None:
                self._shared.unpriced.labels(labels[2], kind).inc(count)
                continue
            cached = min(usage.cached_tokens or 0, count)
            cost_usd = (
                price.input_cost_usd(count, cached)
                if kind == "input"
                else price.output_cost_usd(count)
            )
            self._shared.cost.labels(*labels, kind).inc(cost_usd)

    def _model_labels(self, call: Inference) -> tuple[str, str, str, str]:
        answered = call.usage.response_model
        return (
            self._bounded("gen_ai_operation_name", call.operation),
            self._bounded("gen_ai_provider_name", call.provider),
            self._bounded("gen_ai_request_model", call.model),
            self._bounded("gen_ai_response_model", answered) if answered else "",
        )

    def _bounded(self, label: str, value: str) -> str:
        if self._known[label].admit(value):
            return value
        self._shared.folded.labels(label).inc()
        return OTHER
