"""The doors of OTLP/HTTP: traces, logs and metrics, protobuf or JSON."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.ingest import OtlpIngest
from veriscope.signals import (
    InvalidInputError,
    LimitExceededError,
    OverloadedError,
    VeriscopeError,
)
from veriscope.web.bodies import read_body
from veriscope.wire.otlp import (
    LOGS,
    METRICS,
    TRACES,
    Encoding,
    OtlpSignal,
    RpcCode,
    encode_status,
    encode_success,
)

_COMPRESSIONS: Final = ("identity", "gzip")
_RETRY_AFTER_S: Final = 5

# Most specific first: (type of error, HTTP status, code in the body).
_STATUSES: Final[tuple[tuple[type[VeriscopeError], int, RpcCode], ...]] = (
    (LimitExceededError, 413, RpcCode.RESOURCE_EXHAUSTED),
    (InvalidInputError, 400, RpcCode.INVALID_ARGUMENT),
    (OverloadedError, 503, RpcCode.UNAVAILABLE),
    # A full disk, a lost engine: OTLP's clients send again after 503, and not after 500.
    (VeriscopeError, 503, RpcCode.UNAVAILABLE),
)


class OtlpDoors:
    """
    Answers 200 once what was sent is durable, and otherwise with a `google.rpc.Status`.

    Source: opentelemetry.io/docs/specs/otlp, OTLP/HTTP.
    """

    def __init__(self, ingest: OtlpIngest) -> None:
        self._ingest = ingest

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/traces", self.traces, methods=["POST"]),
            Route("/v1/logs", self.logs, methods=["POST"]),
            Route("/v1/metrics", self.metrics, methods=["POST"]),
        ]

    async def traces(self, request: Request) -> Response:
        """Store an `ExportTraceServiceRequest`."""
        return await self._accept(TRACES, request)

    async def logs(self, request: Request) -> Response:
        """Store an `ExportLogsServiceRequest`."""
        return await self._accept(LOGS, request)

    async def metrics(self, request: Request) -> Response:
        """Store an `ExportMetricsServiceRequest`; the answer says what of it was not taken."""
        return await self._accept(METRICS, request)

    async def _accept(self, signal: OtlpSignal, request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        compression = request.headers.get("content-encoding", "identity").strip().lower()
        try:
            encoding = Encoding(media_type)
        except ValueError:
            text = f"content type {content_type!r} is not read; send {' or '.join(Encoding)}"
            return _refusal(415, RpcCode.INVALID_ARGUMENT, text, Encoding.JSON)
        if compression not in _COMPRESSIONS:
            text = f"content encoding {compression!r} is not read; send gzip or none"
            return _refusal(415, RpcCode.INVALID_ARGUMENT, text, encoding)
        try:
            body = await read_body(request, self._ingest.options.check_body_size)
            partial = await self._ingest.accept(signal, body, encoding, gzip=compression == "gzip")
        except VeriscopeError as error:
            return _failure(error, encoding)
        answer = encode_success(encoding, partial.rejected, partial.message)
        return Response(answer, media_type=encoding)


def _failure(error: VeriscopeError, encoding: Encoding) -> Response:
    status, code = next((status, code) for cls, status, code in _STATUSES if isinstance(error, cls))
    refusal = _refusal(status, code, str(error), encoding)
    if not isinstance(error, InvalidInputError):
        retry_after_s = getattr(error, "retry_after_s", _RETRY_AFTER_S)
        refusal.headers["Retry-After"] = str(retry_after_s)
    return refusal


def _refusal(status: int, code: RpcCode, text: str, encoding: Encoding) -> Response:
    return Response(encode_status(code, text, encoding), status, media_type=encoding)
