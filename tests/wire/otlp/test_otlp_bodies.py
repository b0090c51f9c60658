"""Bodies of OTLP/HTTP: the stamp, gzip, JSON, answers."""

import gzip
import json
import re

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from veriscope.signals import InvalidInputError, LimitExceededError
from veriscope.wire import otlp
from veriscope.wire.otlp import LOGS, TRACES, Encoding, OtlpSignal, RpcCode


def to_otlp_json(message: ExportTraceServiceRequest) -> bytes:
    """Write *message* as OTLP/JSON."""
    document = json_format.MessageToDict(message, use_integers_for_enums=True)
    for resource in document.get("resourceSpans", ()):
        for scoped in resource.get("scopeSpans", ()):
            for span, whole in zip(
                scoped.get("spans", ()), message.resource_spans[0].scope_spans[0].spans, strict=True
            ):
                span["traceId"], span["spanId"] = whole.trace_id.hex(), whole.span_id.hex()
    return json.dumps(document).encode()


def test_a_stamp_stands_in_front_and_is_no_part_of_the_message() -> None:
    """OpenTelemetry's own reader sees the request as it was; equal bytes have equal stamps."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().schema_url = "x"
    body = request.SerializeToString()
    stamped = otlp.stamp(body)
    assert stamped == otlp.stamp(body)
    assert stamped != otlp.stamp(body + b"\0")
    assert stamped.endswith(body)
    read = ExportTraceServiceRequest.FromString(stamped)
    assert list(read.resource_spans) == list(request.resource_spans)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_what_was_compressed_is_read(parts: list[bytes]) -> None:
    """Also where it was compressed in parts, one behind the other."""
    body = b"".join(gzip.compress(part) for part in parts)
    assert otlp.decompress(body, 200) == b"".join(parts)


@given(st.binary(max_size=200))
def test_noise_is_not_gzip(noise: bytes) -> None:
    """Whatever else is sent is refused, never anything but an error of ours."""
    with pytest.raises(InvalidInputError):
        otlp.decompress(noise, 1_000)


def test_what_unpacks_to_too_much_is_refused() -> None:
    """A limit is a limit, to the byte, also for many parts together."""
    assert len(otlp.decompress(gzip.compress(bytes(100)), 100)) == 100
    for bomb in (gzip.compress(bytes(101)), gzip.compress(bytes(60)) * 2):
        with pytest.raises(LimitExceededError, match="more than 100 bytes"):
            otlp.decompress(bomb, 100)


@given(st.binary(max_size=60))
def test_noise_is_not_json(noise: bytes) -> None:
    """What is not an object is refused with words."""
    with pytest.raises(InvalidInputError, match="not OTLP/JSON"):
        otlp.from_json(TRACES, b"[" + noise)


def test_json_is_the_message_that_it_spells() -> None:
    """Ids as hexadecimal, a value of every type, unknown fields and null left out."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes(range(16)), b"\xff" * 8, "ö\0"
    span.start_time_unix_nano = 2**63
    values = [span.attributes.add(key=str(number)).value for number in range(7)]
    values[0].string_value = ""
    values[1].bool_value = False
    values[2].int_value = -(2**63)
    values[3].double_value = float("inf")
    values[4].array_value.values.add().int_value = 1
    values[5].kvlist_value.values.add(key="spanId").value.string_value = "zz"
    values[6].bytes_value = b"\0\xff"
    assert otlp.from_json(TRACES, to_otlp_json(request)) == request.SerializeToString()
    odd = b'{"resourceSpans": null, "new": {"resourceSpans": [1]}}'
    assert otlp.from_json(TRACES, odd) == b""


@pytest.mark.parametrize("signal", [TRACES, LOGS], ids=lambda signal: signal.name)
def test_the_trimmed_schema_agrees_with_opentelemetry(signal: OtlpSignal) -> None:
    """Every field that is kept has OpenTelemetry's number, name and place."""
    known = fields_of(signal.request.DESCRIPTOR, {})
    kept: dict[tuple[str, str], int] = {}
    for part in re.split(r"^message ", signal.schema.read_text(), flags=re.MULTILINE)[1:]:
        message = part.split()[0]
        for field, number in re.findall(r"(\w+) = (\d+);", part):
            kept[message, field] = int(number)
    assert kept.pop((signal.message, "delivery")) == 1000
    assert len(kept) > 25
    assert kept.items() <= known.items()


def fields_of(message: Descriptor, known: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return the number of each field of *message* and of all that it holds."""
    for field in message.fields:
        if (message.name, field.name) not in known:
            known[message.name, field.name] = field.number
            if field.message_type is not None:
                fields_of(field.message_type, known)
    return known


def test_answers_have_the_encoding_of_the_request() -> None:
    """An empty message, or a google.rpc.Status."""
    assert otlp.encode_success(Encoding.PROTOBUF) == b""
    assert json.loads(otlp.encode_success(Encoding.JSON)) == {}
    text = "ä" * 100
    status = otlp.encode_status(RpcCode.UNAVAILABLE, text, Encoding.PROTOBUF)
    assert status == b"\x08\x0e\x12\xc8\x01" + text.encode()
    found = json.loads(otlp.encode_status(RpcCode.UNAVAILABLE, text, Encoding.JSON))
    assert found == {"code": 14, "message": text}
