"""The messages of OTLP's signals, and the stamp by which a repeated request is known again."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# Field 1000, eight bytes (wire type 1), as a protobuf varint.
_DELIVERY_TAG: Final = b"\xc1\x3e"


@dataclass(frozen=True, slots=True)
class OtlpSignal:
    """A signal of OTLP: the path it is posted to and the message of a request."""

    name: str
    """`traces`, `logs` or `metrics`; the path is `/v1/NAME`."""
    request: type[Message]
    """The message of a request."""

    @property
    def message(self) -> str:
        """The name of the message, in OTLP as in a schema for the engine."""
        return str(self.request.DESCRIPTOR.name)


@dataclass(frozen=True, slots=True)
class EngineSignal(OtlpSignal):
    """A signal whose requests the engine itself decodes."""

    schema: Path
    """The file that describes the parts of the message that are stored."""


TRACES: Final = EngineSignal(
    "traces", ExportTraceServiceRequest, Path(__file__).with_name("otlp_traces.proto")
)
LOGS: Final = EngineSignal(
    "logs", ExportLogsServiceRequest, Path(__file__).with_name("otlp_logs.proto")
)
METRICS: Final = OtlpSignal("metrics", ExportMetricsServiceRequest)


def stamp(message: bytes) -> bytes:
    """
    Return *message* with its fingerprint as the field `delivery` in front.

    A client that got no answer sends the same bytes again, and so the same fingerprint. In front,
    for a field behind a message that is cut short would become part of what is missing.
    """
    return _DELIVERY_TAG + blake2b(message, digest_size=8).digest() + message
