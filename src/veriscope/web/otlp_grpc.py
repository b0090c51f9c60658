"""OTLP over gRPC: the doors of OTLP/HTTP, for the protocol that SDKs prefer."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc

from veriscope.ingest import OtlpIngest
from veriscope.signals import (
    InvalidInputError,
    LimitExceededError,
    OverloadedError,
    Secret,
    UnavailableError,
    VeriscopeError,
)
from veriscope.web.access import credentials
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

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Method: TypeAlias = Callable[[bytes, Context], Awaitable[bytes]]

_SERVICES: Final = {
    TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_GRACE_S: Final = 5
# A client waits with calls past the first number; past the second they are refused.
_MAX_CALLS_A_CONNECTION: Final = 100
_MAX_CALLS: Final = 1_000
_RETRY_AFTER_S: Final = 5
_DENIED: Final = "a token is needed: send it as `authorization: Bearer TOKEN`"
_DETAILS: Final = "grpc-status-details-bin"


class OtlpGrpc:
    """
    Serves the `Export` method of OTLP's services on *address* (`host:port`).

    An answer means that all is durable, but for what its `partial_success` counts. With *token*
    every call must carry it, and with *tls* (key and certificate chain, PEM) connections are
    encrypted. Construct and run it in one event loop.
    """

    def __init__(
        self,
        ingest: OtlpIngest,
        *,
        token: Secret | None = None,
        tls: tuple[bytes, bytes] | None = None,
    ) -> None:
        self._ingest = ingest
        self._token = token
        self._tls = tls
        self._server: Any = None

    def bind(self, address: str) -> int:
        """Listen on *address* and return the port; raises `UnavailableError` where it is taken."""
        limit = self._ingest.options.max_body_bytes
        # Unpacked size; without the last option two servers would share a port in silence.
        options = [
            ("grpc.max_receive_message_length", int(limit)),
            ("grpc.max_concurrent_streams", _MAX_CALLS_A_CONNECTION),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=_MAX_CALLS)
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    service, {"Export": grpc.unary_unary_rpc_method_handler(self._method(signal))}
                )
                for signal, service in _SERVICES.items()
            ]
        )
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(
                    address, grpc.ssl_server_credentials([self._tls])
                )
        except RuntimeError as error:
            raise UnavailableError(
                f"cannot listen on {address}: {error}; choose another address"
            ) from error
        return int(port)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until *stop* is set; calls that go on then get some seconds to end."""
        await self._server.start()
        await stop.wait()
        await self._server.stop(_GRACE_S)

    def _method(self, signal: OtlpSignal) -> Method:
        async def export(message: bytes, context: Context) -> bytes:
            if self._token is not None and not _carries(self._token, context):
                await _abort(context, RpcCode.UNAUTHENTICATED, _DENIED)
            try:
                partial = await self._ingest.accept(signal, message, Encoding.PROTOBUF, gzip=False)
            except VeriscopeError as error:
                await _refuse(context, error)
            return encode_success(Encoding.PROTOBUF, partial.rejected, partial.message)

        return export


def _carries(token: Secret, context: Context) -> bool:
    """Return whether a call has *token* in its metadata, as HTTP has it in its headers."""
    given = dict(context.invocation_metadata() or ()).get("authorization", "")
    return secrets.compare_digest(credentials(str(given)), token.reveal().encode())


async def _refuse(context: Context, error: VeriscopeError) -> NoReturn:
    """
    End a call with what a client is to do: nothing, or send again after a while.

    Source: opentelemetry.io/docs/specs/otlp, OTLP/gRPC: `RESOURCE_EXHAUSTED` may be sent again
    where it has a `RetryInfo`, and never without.
    """
    if isinstance(error, LimitExceededError):
        await _abort(context, RpcCode.RESOURCE_EXHAUSTED, str(error))
    if isinstance(error, InvalidInputError):
        await _abort(context, RpcCode.INVALID_ARGUMENT, str(error))
    if isinstance(error, OverloadedError):
        await _abort(context, RpcCode.RESOURCE_EXHAUSTED, str(error), error.retry_after_s)
    # A full disk, a lost engine: none is the sender's fault.
    await _abort(context, RpcCode.UNAVAILABLE, str(error), _RETRY_AFTER_S)


async def _abort(
    context: Context, code: RpcCode, text: str, retry_after_s: int | None = None
) -> NoReturn:
    details = encode_status(code, text, Encoding.PROTOBUF, retry_after_s)
    await context.abort(_CODES[code], text, ((_DETAILS, details),))
    raise AssertionError("abort does not return")
