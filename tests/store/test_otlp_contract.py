"""What a store promises of spans and log records, whether its engine is embedded or a server."""

import math
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from veriscope.signals import FetchLimits
from veriscope.store import RefusedError, Store

LIMITS = FetchLimits()
TRACE = bytes(range(16))
NOW_NS = time.time_ns()
FAR_NS = 4_102_444_800_000_000_000
ODD = 'it\'s \\ "quoted"\ttab\nline ☃ \0 {x:String} %s ?'
NESTED = {"list": [1, "two", [True, None]], "map": {"deep": {"er": b"\xff"}}}


def fill(value: AnyValue, given: object) -> None:
    """Set *value* to what Python calls *given*."""
    match given:
        case None:
            pass
        case bool():
            value.bool_value = given
        case str():
            value.string_value = given
        case int():
            value.int_value = given
        case float():
            value.double_value = given
        case bytes():
            value.bytes_value = given
        case list():
            value.array_value.SetInParent()
            for item in given:
                fill(value.array_value.values.add(), item)
        case dict():
            value.kvlist_value.SetInParent()
            fill_pairs(value.kvlist_value.values, given)


def fill_pairs(pairs: Any, given: dict[str, Any]) -> None:
    """Add each of *given* to the repeated field *pairs*."""
    for key, item in given.items():
        pair = pairs.add(key=key)
        pair.value.SetInParent()
        fill(pair.value, item)


def spans_request(
    count: int = 1, service: str = "shop", attributes: dict[str, Any] | None = None, **fields: Any
) -> ExportTraceServiceRequest:
    """Return a request of *count* spans of one trace."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    fill_pairs(resource.resource.attributes, {"service.name": service, "pid": 7})
    scoped = resource.scope_spans.add()
    scoped.scope.name, scoped.scope.version = "lib", "1.2"
    for number in range(count):
        span = scoped.spans.add(
            trace_id=TRACE,
            span_id=(number + 1).to_bytes(8),
            name="op",
            start_time_unix_nano=NOW_NS + number,
            end_time_unix_nano=NOW_NS + number + 1_000,
        )
        fill_pairs(span.attributes, attributes or {})
        for name, value in fields.items():
            setattr(span, name, value)
    return request


def logs_request(*bodies: Any, service: str = "shop", **fields: Any) -> ExportLogsServiceRequest:
    """Return a request of a record for each of *bodies*."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    fill_pairs(resource.resource.attributes, {"service.name": service})
    scoped = resource.scope_logs.add()
    for body in bodies:
        record = scoped.log_records.add(time_unix_nano=NOW_NS)
        fill(record.body, body)
        for name, value in fields.items():
            setattr(record, name, value)
    return request


def put(store: Store, *requests: Any) -> None:
    """Store *requests* as one group."""
    bodies = [request.SerializeToString() for request in requests]
    if isinstance(requests[0], ExportTraceServiceRequest):
        store.otlp.insert_traces(bodies)
    else:
        store.otlp.insert_logs(bodies)


def last_logs(store: Store, service: str = "shop") -> list[dict[str, Any]]:
    """Return every record of *service*."""
    return store.logs.latest(service, 0, 1_000, LIMITS)


def test_a_span_comes_back_whole(any_store: Store) -> None:
    """Every field, event, link and attribute of any type is read as it was sent."""
    request = spans_request(
        attributes={"text": ODD, "empty": "", "nothing": None, "no": False, **NESTED},
        trace_state="a=1",
        parent_span_id=b"parent!!",
        kind=3,
        flags=257,
    )
    [span] = request.resource_spans[0].scope_spans[0].spans
    span.status.code, span.status.message = 2, "broke"
    event = span.events.add(time_unix_nano=NOW_NS + 5, name="exception")
    fill_pairs(event.attributes, {"exception.type": "ValueError", "n": 2**63 - 1})
    link = span.links.add(trace_id=TRACE[::-1], span_id=b"linked!!", trace_state="b=2", flags=1)
    fill_pairs(link.attributes, {"f": 0.1})
    fill_pairs(request.resource_spans[0].scope_spans[0].scope.attributes, {"s": -1})
    put(any_store, request)
    assert any_store.spans.trace(TRACE, LIMITS) == [
        {
            "trace_id": TRACE.hex(),
            "span_id": "0000000000000001",
            "parent_span_id": b"parent!!".hex(),
            "trace_state": "a=1",
            "flags": 257,
            "name": "op",
            "kind": "client",
            "service_name": "shop",
            "start_time_unix_nano": NOW_NS,
            "duration_nano": 1_000,
            "status": {"code": "error", "message": "broke"},
            "attributes": {"text": ODD, "empty": "", "nothing": None, "no": False, **NESTED},
            "events": [
                {
                    "time_unix_nano": NOW_NS + 5,
                    "name": "exception",
                    "attributes": {"exception.type": "ValueError", "n": 2**63 - 1},
                }
            ],
            "links": [
                {
                    "trace_id": TRACE[::-1].hex(),
                    "span_id": b"linked!!".hex(),
                    "trace_state": "b=2",
                    "flags": 1,
                    "attributes": {"f": 0.1},
                }
            ],
            "scope": {"name": "lib", "version": "1.2", "attributes": {"s": -1}},
            "resource": {"service.name": "shop", "pid": 7},
        }
    ]


@pytest.mark.parametrize("body", [ODD, "", None, True, -5, 1.5, NESTED, ["a"], b"\0\xff"])
def test_a_record_comes_back_whole(any_store: Store, body: Any) -> None:
    """A body of any type, and every field."""
    request = logs_request(
        body,
        severity_number=17,
        severity_text="ERROR",
        event_name="gen_ai.choice",
        trace_id=TRACE,
        span_id=b"span!!!!",
        flags=1,
        observed_time_unix_nano=NOW_NS + 3,
    )
    fill_pairs(request.resource_logs[0].scope_logs[0].log_records[0].attributes, {"k": [1.5, "x"]})
    put(any_store, request)
    assert last_logs(any_store) == [
        {
            "time_unix_nano": NOW_NS,
            "observed_time_unix_nano": NOW_NS + 3,
            "severity_number": 17,
            "severity_text": "ERROR",
            "event_name": "gen_ai.choice",
            "body": body,
            "body_cut_bytes": 0,
            "trace_id": TRACE.hex(),
            "span_id": b"span!!!!".hex(),
            "flags": 1,
            "service_name": "shop",
            "attributes": {"k": [1.5, "x"]},
            "scope": {"name": "", "version": "", "attributes": {}},
            "resource": {"service.name": "shop"},
        }
    ]


def test_what_is_sent_again_is_stored_once(any_store: Store) -> None:
    """A client that got no answer repeats its request, alone or in another group."""
    spans, logs = spans_request(3), logs_request("same", "same", "other")
    put(any_store, spans)
    put(any_store, spans_request(1, service="else"), spans, spans)
    put(any_store, logs)
    put(any_store, logs_request("else", service="else"), logs, logs)
    assert any_store.spans.counts(LIMITS) == {"else": 1, "shop": 3}
    assert [record["body"] for record in last_logs(any_store)] == ["other", "same", "same"]
    any_store.compact()
    rows = {table.table: table.rows for table in any_store.health().tables}
    assert (rows["spans"], rows["logs"], rows["resources"]) == (4, 4, 4)


def test_a_record_with_an_id_of_its_own_is_stored_once_in_any_request(any_store: Store) -> None:
    """`log.record.uid` is the producer's word for sameness; without it equal records are two."""
    first, second = logs_request("a"), logs_request("a", "b")
    for request in (first, second):
        record = request.resource_logs[0].scope_logs[0].log_records[0]
        fill_pairs(record.attributes, {"log.record.uid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
    put(any_store, first)
    put(any_store, second)
    put(any_store, logs_request("b"))
    assert sorted(record["body"] for record in last_logs(any_store)) == ["a", "b", "b"]


def test_a_malformed_body_is_refused_and_swallows_nothing(any_store: Store) -> None:
    """Cut at any byte, a body harms no neighbour."""
    whole, neighbour = spans_request(2), spans_request(1, service="neighbour")
    body = whole.SerializeToString()
    for cut in range(1, len(body), 7):
        with pytest.raises(RefusedError, match=r"^the body is"):
            any_store.otlp.insert_traces([body[:cut], neighbour.SerializeToString()])
    any_store.otlp.insert_traces([neighbour.SerializeToString()])
    assert any_store.spans.counts(LIMITS) == {"neighbour": 1}
    with pytest.raises(RefusedError, match=r"^the body is"):
        any_store.otlp.insert_logs([b"\x0a\x0b\x12\x09\x12\xff\xff\xff\xff\x7fabc"])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b"short"}, "a span has no valid ids"),
        ({"trace_id": b""}, "a span has no valid ids"),
        ({"span_id": b"123456789"}, "a span has no valid ids"),
        ({"parent_span_id": b"1"}, "a span has no valid ids"),
        ({"start_time_unix_nano": 0}, "a span has no start time"),
        ({"start_time_unix_nano": FAR_NS}, "a time is not between 1970 and 2100"),
        ({"end_time_unix_nano": 2**64 - 1}, "a time is not between 1970 and 2100"),
    ],
)
def test_a_span_against_a_rule_is_refused_by_it(
    store: Store, fields: dict[str, Any], reason: str
) -> None:
    """The reason is the rule's own words, and nothing of the request is stored."""
    request = spans_request(3, **fields)
    with pytest.raises(RefusedError, match=reason):
        put(store, request)
    assert store.spans.counts(LIMITS) == {}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b"short"}, "a record has no valid ids"),
        ({"time_unix_nano": FAR_NS}, "a time is not between 1970 and 2100"),
        ({"observed_time_unix_nano": 2**63}, "a time is not between 1970 and 2100"),
    ],
)
def test_a_record_against_a_rule_is_refused_by_it(
    store: Store, fields: dict[str, Any], reason: str
) -> None:
    """The reason is the rule's own words, and nothing of the request is stored."""
    with pytest.raises(RefusedError, match=reason):
        put(store, logs_request("a", "b", **fields))
    assert last_logs(store) == []


@pytest.mark.parametrize("place", ["resource", "scope", "span", "event", "link"])
def test_attributes_have_limits_wherever_they_stand(store: Store, place: str) -> None:
    """Their number, the length of a key, and that they are text."""
    for attributes, reason in (
        ({f"k{number}": number for number in range(1_025)}, "more than 1,024 attributes"),
        ({"k" * 1_025: 1}, "key of an attribute is longer than 1,024 bytes"),
        ({"k": "BROKEN"}, "not valid UTF-8"),
        ({"BROKEN": 1}, "not valid UTF-8"),
    ):
        request = spans_request()
        [resource] = request.resource_spans
        [span] = resource.scope_spans[0].spans
        owner = {
            "resource": resource.resource,
            "scope": resource.scope_spans[0].scope,
            "span": span,
        }.get(place)
        if owner is None:
            owner = (
                span.events.add(name="e")
                if place == "event"
                else span.links.add(trace_id=TRACE, span_id=b"12345678")
            )
        fill_pairs(owner.attributes, attributes)
        body = request.SerializeToString().replace(b"BROKEN", b"BR\xc3\x28EN")
        with pytest.raises(RefusedError, match=reason):
            store.otlp.insert_traces([body])


def test_times_that_are_missing_or_odd_have_a_meaning(store: Store) -> None:
    """No end is no duration, an earlier end a negative one; no time is the observed one, or now."""
    put(store, spans_request(end_time_unix_nano=0))
    assert store.spans.trace(TRACE, LIMITS)[0]["duration_nano"] == 0
    put(store, spans_request(end_time_unix_nano=NOW_NS - 10))
    assert store.spans.trace(TRACE, LIMITS)[0]["duration_nano"] == -10
    put(store, logs_request("seen", time_unix_nano=0, observed_time_unix_nano=NOW_NS + 1))
    put(store, logs_request("timeless", time_unix_nano=0))
    found = {record["body"]: record["time_unix_nano"] for record in last_logs(store)}
    assert found["seen"] == NOW_NS + 1
    assert abs(found["timeless"] - time.time_ns()) < 120e9


def test_what_a_newer_sender_calls_its_kinds_is_unspecified(store: Store) -> None:
    """Numbers that this version does not know break nothing."""
    put(store, spans_request(kind=9))
    request = spans_request(service="newer")
    request.resource_spans[0].scope_spans[0].spans[0].status.code = 77
    put(store, request)
    put(store, logs_request("x", severity_number=99))
    assert {span["kind"] for span in store.spans.trace(TRACE, LIMITS)} == {"unspecified"}
    assert {span["status"]["code"] for span in store.spans.trace(TRACE, LIMITS)} == {"unset"}
    assert last_logs(store)[0]["severity_number"] == 0


def test_a_service_without_a_name_is_called_unknown(store: Store) -> None:
    """As OpenTelemetry's SDKs call it; a resource that is left out is no fault."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=TRACE, span_id=b"12345678", start_time_unix_nano=NOW_NS
    )
    put(store, request)
    assert store.spans.counts(LIMITS) == {"unknown_service": 1}
    assert store.spans.trace(TRACE, LIMITS)[0]["resource"] == {}


def test_a_very_long_body_is_cut_and_marked(store: Store) -> None:
    """One MiB of it stays, and how much is gone is told; half a character is no text."""
    put(store, logs_request("x" + "é" * 1_000_000))
    [record] = last_logs(store)
    assert record["body_cut_bytes"] == 2_000_001 - (1 << 20)
    assert len(record["body"].encode()) <= (1 << 20) + 2
    assert record["body"].startswith("xéé")


def test_what_nests_wrongly_breaks_no_answer(store: Store) -> None:
    """An array that nobody can read is shown as it is kept; the rest of the trace is there."""
    deep: Any = "end"
    for _ in range(120):
        deep = [deep]
    request = spans_request(attributes={"broken": ["BROKEN"], "deep": deep, "fine": [1]})
    body = request.SerializeToString().replace(b"BROKEN", b"BR\xc3\x28EN")
    store.otlp.insert_traces([body])
    [span] = store.spans.trace(TRACE, LIMITS)
    assert span["attributes"]["fine"] == [1]
    assert isinstance(span["attributes"]["broken"], str)
    assert isinstance(span["attributes"]["deep"], str)


def test_spans_of_too_many_days_are_refused(store: Store) -> None:
    """A request cannot make the store open hundreds of partitions."""
    request = spans_request(150)
    for number, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        span.start_time_unix_nano = span.end_time_unix_nano = NOW_NS - number * 86_400 * 10**9
    with pytest.raises(RefusedError, match="100 different weeks or days"):
        put(store, request)


def test_words_of_a_body_are_found_by_the_index(any_store: Store) -> None:
    """Whatever their case; searches build on it."""
    put(any_store, logs_request("Payment REFUSED: card 42", "payment taken"))
    ask = any_store._engine.query
    for word, count in (("refused", 1), ("Payment", 2), ("pay", 0)):
        found = ask(
            "SELECT count() AS n FROM logs WHERE hasAllTokens(body, {word:String})", {"word": word}
        )
        assert found["n"].to_pylist() == [count]


def test_many_spans_of_one_trace_are_read_up_to_a_limit(store: Store) -> None:
    """They come by their start."""
    put(store, spans_request(3_000))
    starts = [
        span["start_time_unix_nano"] for span in store.spans.trace(TRACE, LIMITS, max_spans=2_000)
    ]
    assert starts == [NOW_NS + number for number in range(2_000)]


def test_retention_drops_old_days(open_store: Any) -> None:
    """Spans and records that are older than their retention are not kept."""
    store = open_store(retention="30d")
    old_ns = NOW_NS - 60 * 86_400 * 10**9
    put(store, spans_request(2, start_time_unix_nano=old_ns, end_time_unix_nano=old_ns))
    put(store, spans_request(1, service="young"))
    put(store, logs_request("old", time_unix_nano=old_ns))
    put(store, logs_request("young"))
    store.compact()
    assert store.spans.counts(LIMITS) == {"young": 1}
    assert [record["body"] for record in last_logs(store)] == ["young"]


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=20),
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_attributes = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=12), _values, max_size=6
)


def same(left: Any, right: Any) -> bool:
    """Tell whether both are the same value of the same type; every NaN is one."""
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=_attributes, body=_values)
def test_attributes_come_back_exactly(store: Store, sent: dict[str, Any], body: Any) -> None:
    """Of any type, with any text and any number, on spans, events and records."""
    for table in ("spans", "logs"):
        store._engine.command(f"TRUNCATE TABLE {table}")
    spans = spans_request(attributes=sent)
    event = spans.resource_spans[0].scope_spans[0].spans[0].events.add(name="e")
    fill_pairs(event.attributes, sent)
    logs = logs_request(body)
    fill_pairs(logs.resource_logs[0].scope_logs[0].log_records[0].attributes, sent)
    put(store, spans)
    put(store, logs)
    [span] = store.spans.trace(TRACE, LIMITS)
    [record] = last_logs(store)
    for found in (span, span["events"][0], record):
        assert same(found["attributes"], sent)
    assert same(record["body"], body)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3)
)
def test_noise_in_a_body_is_its_own_fault_or_does_no_harm(
    store: Store, edits: list[tuple[int, int]]
) -> None:
    """It is refused in words, or what it says can be read; it is never a fault of the engine."""
    spans, logs = spans_request(2, attributes=NESTED), logs_request(NESTED, "text", flags=1)
    for request, insert in ((spans, store.otlp.insert_traces), (logs, store.otlp.insert_logs)):
        body = bytearray(request.SerializeToString())
        for place, byte in edits:
            body[place % len(body)] = byte
        with suppress(RefusedError):
            insert([bytes(body)])
    last_logs(store, "")
    store.spans.trace(TRACE, LIMITS)
