"""OTLP over gRPC: the same doors, and the status codes that OTLP wants."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from veriscope.ingest import IngestOptions, PartialSuccess
from veriscope.signals import (
    ByteSize,
    InvalidInputError,
    LimitExceededError,
    OverloadedError,
    Secret,
    UnavailableError,
)
from veriscope.web import OtlpGrpc
from veriscope.wire.otlp import Encoding, OtlpSignal


class Recorder:
    """An ingest that notes what it is given, and answers as it is told to."""

    def __init__(self) -> None:
        self.options = IngestOptions(max_body_bytes=ByteSize(10_000))
        self.accepted: list[tuple[str, bytes]] = []
        self.answer: PartialSuccess | Exception = PartialSuccess()

    async def accept(
        self, signal: OtlpSignal, body: bytes, encoding: Encoding, *, gzip: bool
    ) -> PartialSuccess:
        """Note a request."""
        assert (encoding, gzip) == (Encoding.PROTOBUF, False)
        self.accepted.append((signal.name, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def ingest() -> Recorder:
    """Return what stands behind the doors."""
    return Recorder()


@pytest.fixture
def token() -> Secret | None:
    """Return the token of the server; none unless a test says otherwise."""
    return None


@pytest.fixture
async def address(ingest: Recorder, token: Secret | None) -> AsyncIterator[str]:
    """Serve on a free port."""
    doors, stop = OtlpGrpc(ingest, token=token), asyncio.Event()  # type: ignore[arg-type]
    port = doors.bind("127.0.0.1:0")
    running = asyncio.create_task(doors.run(stop))
    yield f"127.0.0.1:{port}"
    stop.set()
    await running


def request() -> ExportMetricsServiceRequest:
    """Return a request of one point."""
    made = ExportMetricsServiceRequest()
    metric = made.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metric.gauge.data_points.add(as_int=1, time_unix_nano=1)
    return made


async def failure(address: str, **options: Any) -> grpc.aio.AioRpcError:
    """Send a request that fails and return how."""
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await MetricsServiceStub(channel).Export(request(), **options)
    return caught.value


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_every_signal_has_its_service(
    address: str, ingest: Recorder, compression: grpc.Compression
) -> None:
    """The stubs of OpenTelemetry reach the doors, with gzip and without."""
    sent = {
        "metrics": (MetricsServiceStub, request()),
        "traces": (TraceServiceStub, ExportTraceServiceRequest()),
        "logs": (LogsServiceStub, ExportLogsServiceRequest()),
    }
    sent["traces"][1].resource_spans.add().schema_url = "x" * 5_000
    async with grpc.aio.insecure_channel(address, compression=compression) as channel:
        for stub, message in sent.values():
            answer = await stub(channel).Export(message)
            assert not answer.HasField("partial_success")
    expected = [(name, message.SerializeToString()) for name, (_, message) in sent.items()]
    assert ingest.accepted == expected


async def test_what_was_not_taken_is_told(address: str, ingest: Recorder) -> None:
    """`partial_success` has the count and the reasons."""
    ingest.answer = PartialSuccess(300, "300 dropped: because é")
    async with grpc.aio.insecure_channel(address) as channel:
        partial = (await MetricsServiceStub(channel).Export(request())).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (300, "300 dropped: because é")


@pytest.mark.parametrize(
    ("error", "code", "retry_s"),
    [
        (InvalidInputError("bad"), grpc.StatusCode.INVALID_ARGUMENT, None),
        (LimitExceededError("large"), grpc.StatusCode.RESOURCE_EXHAUSTED, None),
        (OverloadedError("busy", retry_after_s=7), grpc.StatusCode.RESOURCE_EXHAUSTED, 7),
        (UnavailableError("disk full"), grpc.StatusCode.UNAVAILABLE, 5),
    ],
)
async def test_failures_say_whether_to_send_again(
    address: str, ingest: Recorder, error: Exception, code: grpc.StatusCode, retry_s: int | None
) -> None:
    """A `RetryInfo` where sending again can help, and none where it cannot."""
    ingest.answer = error
    caught = await failure(address)
    assert (caught.code(), caught.details()) == (code, str(error))
    details = dict(caught.trailing_metadata())["grpc-status-details-bin"]
    if retry_s is None:
        assert b"RetryInfo" not in details
        return
    detail = AnyMessage.FromString(details[details.index(b"\x0a", details.index(b"\x1a")) :])
    assert detail.type_url == "type.googleapis.com/google.rpc.RetryInfo"
    assert Duration.FromString(detail.value[2:]).seconds == retry_s


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_large_messages_are_refused(address: str, compression: grpc.Compression) -> None:
    """What is small only while it is packed too."""
    message = request()
    message.resource_metrics[0].schema_url = "x" * 20_000
    async with grpc.aio.insecure_channel(address, compression=compression) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await MetricsServiceStub(channel).Export(message)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class TestWithToken:
    """A server that wants a token."""

    @pytest.fixture
    def token(self) -> Secret:
        """Return the token."""
        return Secret(os.fsdecode(b"s3cret"))

    async def test_calls_need_the_token(self, address: str, ingest: Recorder) -> None:
        """As HTTP requests do; nothing is stored without."""
        for metadata in ((), (("authorization", "Bearer wrong"),)):
            caught = await failure(address, metadata=metadata)
            assert caught.code() is grpc.StatusCode.UNAUTHENTICATED
        assert ingest.accepted == []
        async with grpc.aio.insecure_channel(address) as channel:
            await MetricsServiceStub(channel).Export(
                request(), metadata=(("authorization", "Bearer s3cret"),)
            )
        assert len(ingest.accepted) == 1


async def test_a_port_that_is_taken_is_an_error(address: str, ingest: Recorder) -> None:
    """Two servers do not share a port in silence."""
    with pytest.raises(UnavailableError, match="cannot listen"):
        OtlpGrpc(ingest).bind(address)  # type: ignore[arg-type]
