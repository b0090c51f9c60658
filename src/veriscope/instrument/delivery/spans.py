"""The span processor that leaves ended spans for delivery."""

from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor


class ExportSpanProcessor(SpanProcessor):
    """
    Hands sampled spans over when they end; never blocks and never raises.

    Shutting its tracer provider down does not end the exporter, which belongs to the process.
    """

    def __init__(self, put: Callable[[ReadableSpan], None], flush: Callable[[float], bool]) -> None:
        self._put = put
        self._flush = flush

    def on_end(self, span: ReadableSpan) -> None:
        """Leave *span* for the encoder, unless it is not sampled."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self._put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until the spans that ended so far are settled; False past the time."""
        return self._flush(timeout_millis / 1000)
