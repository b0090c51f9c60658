"""One call to a model, from its request to its last token."""

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

if TYPE_CHECKING:
    from veriscope.instrument.genai.calls import GenAiMetrics

CANCELLED: Final = "cancelled"
"""The `error.type` of a call that its caller gave up."""


@dataclass(slots=True)
class Usage:
    """What a call used and when; times in seconds on `time.perf_counter`."""

    begun_s: float
    first_s: float | None = None
    last_s: float | None = None
    ended_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int = 0
    cached_tokens: int | None = None
    response_model: str = ""
    finish_reason: str = ""
    error_type: str = ""


class Inference:
    """
    A call under way: made by `GenAiMetrics.inference`, used as a (sync or async) context manager.

    Its span is current inside the block. A call that is left without `finish` is recorded as
    complete; one that is left by an exception as failed, with the exception's class as its
    `error.type` (`cancelled` for a cancelled task or a closed generator). Not for use by two
    threads at once.
    """

    def __init__(
        self, owner: "GenAiMetrics", model: str, operation: str, provider: str, span: Span
    ) -> None:
        self.model = model
        self.operation = operation
        self.provider = provider
        self.span = span
        self.usage = Usage(begun_s=time.perf_counter())
        self._owner = owner
        self._outer: otel_context.Context | None = None

    def first_token(self) -> None:
        """Mark the time of the first token; `token` does so itself where this was not called."""
        if self.usage.first_s is None:
            self.usage.first_s = self.usage.last_s = time.perf_counter()

    def token(self, count: int = 1) -> None:
        """Count *count* output tokens (or one chunk that holds so many) that came just now."""
        usage, now_s = self.usage, time.perf_counter()
        if usage.first_s is None:
            usage.first_s = now_s
        elif usage.last_s is not None and usage.output_tokens and self._owner.side == "client":
            self._owner.observe_gap(self, now_s - usage.last_s)
        usage.last_s = now_s
        usage.output_tokens += max(count, 0)

    def finish(
        self,
        finish_reason: str = "stop",
        *,
        cached: int | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        response_model: str | None = None,
        response_id: str | None = None,
    ) -> None:
        """
        End a successful call now; what is given replaces what was counted.

        *cached* is the number of input tokens that came from a prompt cache: 0 is a miss, None
        says that no cache was asked. Of two calls the first counts.
        """
        usage = self.usage
        if usage.ended_s is not None:
            return
        usage.finish_reason = finish_reason
        if cached is not None:
            usage.cached_tokens = max(cached, 0)
        if input_tokens is not None:
            usage.input_tokens = max(input_tokens, 0)
        if output_tokens is not None:
            usage.output_tokens = max(output_tokens, 0)
        if response_model is not None:
            usage.response_model = response_model
        if response_id is not None:
            self.span.set_attribute(names.GEN_AI_RESPONSE_ID, response_id)
        self._end()

    def fail(self, error: BaseException | str) -> None:
        """End a call that failed by *error*: an exception, or a name of few possible ones."""
        if self.usage.ended_s is not None:
            return
        self.usage.error_type = _error_type(error)
        if isinstance(error, Exception):
            self.span.record_exception(error)
        self._end()

    def content(self, *, input_messages: str = "", output_messages: str = "") -> None:
        """
        Keep what was said on the span, if `GenAiMetrics(record_content=True)` asked for it.

        Both are JSON in the conventions' shape, e.g. `[{"role": "user", "parts": […]}]`.
        """
        if not self._owner.record_content:
            return
        if input_messages:
            self.span.set_attribute(names.GEN_AI_INPUT_MESSAGES, input_messages)
        if output_messages:
            self.span.set_attribute(names.GEN_AI_OUTPUT_MESSAGES, output_messages)

    def __enter__(self) -> Self:
        self._outer = otel_context.get_current()
        otel_context.attach(trace.set_span_in_context(self.span))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        # A generator may be closed in another context than it was begun in, where OpenTelemetry's
        # token means nothing. The context of before is put back by value, and only over our own.
        if self._outer is not None and trace.get_current_span() is self.span:
            otel_context.attach(self._outer)
        if error is not None:
            self.fail(error)
        else:
            self.finish()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace_back)

    def _end(self) -> None:
        self.usage.ended_s = time.perf_counter()
        self._owner.record(self)
        self.span.set_attributes(_response_attributes(self.usage))
        if self.usage.error_type:
            self.span.set_status(Status(StatusCode.ERROR, self.usage.error_type))
        self.span.end()


def _error_type(error: BaseException | str) -> str:
    if isinstance(error, str):
        return error or "_OTHER"
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return CANCELLED
    return type(error).__qualname__


def _response_attributes(usage: Usage) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {names.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output_tokens}
    if usage.input_tokens is not None:
        found[names.GEN_AI_USAGE_INPUT_TOKENS] = usage.input_tokens
    if usage.cached_tokens is not None:
        found[names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] = usage.cached_tokens
    if usage.first_s is not None:
        found[names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = usage.first_s - usage.begun_s
    if usage.response_model:
        found[names.GEN_AI_RESPONSE_MODEL] = usage.response_model
    if usage.finish_reason:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = (usage.finish_reason,)
    if usage.error_type:
        found[ERROR_TYPE] = usage.error_type
    return found
