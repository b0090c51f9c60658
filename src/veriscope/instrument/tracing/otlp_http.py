"""Spans to any OTLP/HTTP endpoint: Jaeger since 1.35, the OpenTelemetry Collector, Tempo."""

import gzip
import itertools
import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Final

import urllib3
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from veriscope.instrument.backoff import pause_s
from veriscope.instrument.forking import in_forked_child
from veriscope.signals import InvalidInputError
from veriscope.signals.log import get_log

_log = get_log(__name__)
# https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
_REASON_CHARACTERS: Final = 200


class OtlpHttpSpanExporter(SpanExporter):
    """
    POST batches as gzip-packed protobuf to `{endpoint}/v1/traces`.

    An *endpoint* that ends in `/v1/traces` is taken as it is. What the endpoint asks to have
    repeated is repeated with back-off while *timeout_s* lasts; then the batch is given up. Meant
    for a processor with a thread of its own, such as `SpanBatches`.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.url = traces_url(endpoint)
        self._timeout_s = timeout_s
        self._headers = {
            **(headers or {}),
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        }
        self._closed = Event()
        self._open_pool()
        in_forked_child(self, OtlpHttpSpanExporter._open_pool)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send *spans*; `FAILURE` where they were lost."""
        body = gzip.compress(encode_spans(spans).SerializeToString(), compresslevel=1)
        with suppress_instrumentation():
            reason = self._send(body)
        if reason is None:
            return SpanExportResult.SUCCESS
        _log.warning("spans_dropped", url=self.url, spans=len(spans), reason=reason)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Stop waiting between tries and close the connections."""
        self._closed.set()
        self._pool.clear()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Answer True: nothing waits here."""
        return True

    def _open_pool(self) -> None:
        """Keep connections of this process' own: two that share one garble each other's data."""
        self._pool = urllib3.PoolManager(retries=False)

    def _send(self, body: bytes) -> str | None:
        """Send *body*, again where that may help; return why it was not taken."""
        end = time.monotonic() + self._timeout_s
        for failures in itertools.count(1):
            reason, retry_after_s = self._try(body, end - time.monotonic())
            if reason is None or retry_after_s is None:
                break
            wait_s = max(retry_after_s, pause_s(failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))
            if time.monotonic() + wait_s >= end or self._closed.wait(wait_s):
                break
        return reason

    def _try(self, body: bytes, timeout_s: float) -> tuple[str | None, float | None]:
        """Return why *body* was not taken and, where it may be later, after how many seconds."""
        try:
            answer = self._pool.request(
                "POST",
                self.url,
                body=body,
                headers=self._headers,
                timeout=max(timeout_s, 0.001),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return f"{type(error).__name__}: {error}", 0.0
        if answer.status < 300:  # noqa: PLR2004 - every 2xx is success
            return None, None
        text = answer.data[:_REASON_CHARACTERS].decode(errors="replace")
        reason = f"HTTP {answer.status}: {text}"
        if answer.status not in _RETRYABLE:
            return reason, None
        after = answer.headers.get("Retry-After", "")
        return reason, float(after) if after.isdecimal() else 0.0


def traces_url(endpoint: str) -> str:
    """Return where *endpoint* takes spans; raises `InvalidInputError` for other than HTTP."""
    try:
        parts = urllib3.util.parse_url(endpoint)
    except urllib3.exceptions.LocationParseError as error:
        raise InvalidInputError(f"{endpoint!r} is not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise InvalidInputError(
            f"{endpoint!r} is not an HTTP endpoint; give one such as http://jaeger:4318 "
            "(OTLP over gRPC, usually port 4317, is not spoken)"
        )
    base = endpoint.rstrip("/")
    return base if base.endswith("/v1/traces") else f"{base}/v1/traces"
