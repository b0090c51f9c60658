"""OTLP: what the engine reads of its requests, their encodings, and the values of attributes."""

from veriscope.wire.otlp.bodies import decompress, from_json
from veriscope.wire.otlp.messages import LOGS, METRICS, TRACES, EngineSignal, OtlpSignal, stamp
from veriscope.wire.otlp.status import Encoding, RpcCode, encode_status, encode_success
from veriscope.wire.otlp.values import AttributeValue, read_value

__all__ = [
    "LOGS",
    "METRICS",
    "TRACES",
    "AttributeValue",
    "Encoding",
    "EngineSignal",
    "OtlpSignal",
    "RpcCode",
    "decompress",
    "encode_status",
    "encode_success",
    "from_json",
    "read_value",
    "stamp",
]
