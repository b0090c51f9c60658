"""The bridge from a tracer provider to whatever exporter the process has at the moment."""

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from veriscope.instrument import delivery

_MS: int = 1000


class DeliveryProcessor(SpanProcessor):
    """
    Hand finished spans to `delivery.current()`.

    It looks the exporter up for each span, so that `veriscope.configure` may come before or
    after `setup_tracing`, and more than once. Without an exporter a span goes nowhere.
    """

    def on_end(self, span: ReadableSpan) -> None:
        """Pass *span* on without blocking."""
        exporter = delivery.current()
        if exporter is not None:
            exporter.span_processor().on_end(span)

    def shutdown(self) -> None:
        """Leave the exporter alone: it belongs to the process, not to one provider."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits; False where that took longer than *timeout_millis*."""
        return delivery.current() is None or delivery.flush(timeout_millis / _MS)
