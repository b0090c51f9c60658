import asyncio
import copy
import dataclasses
import pickle
import threading
import uuid
from datetime import datetime, timedelta

import pytest
from opentelemetry import trace as otel

from veriscope.facade.traces.ids import span_number, trace_number
from veriscope.facade.traces.trace import LogLevel, Span, TraceContext

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_span_has_the_documents_fields_and_defaults() -> None:
    """Pasted code that builds or unpacks a span by position runs."""
    names = [field.name for field in dataclasses.fields(Span)]
    assert names == [
        "trace_id",
        "span_id",
        "parent_span_id",
        "operation_name",
        "start_time",
        "end_time",
        "duration",
        "tags",
        "logs",
        "status",
    ]
    span = Span("t", "s", None, "work")
    assert (span.end_time, span.duration, span.tags, span.logs) == (None, 0.0, {}, [])
    assert span.status == "started"
    assert abs(datetime.now() - span.start_time) < timedelta(seconds=5)  # noqa: DTZ005 - as the document


def test_log_levels_are_the_documents() -> None:
    """Five levels, each with its name as value."""
    assert [level.value for level in LogLevel] == ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_a_child_of_a_context_is_below_it() -> None:
    """`create_child_span` keeps the trace and names the parent."""
    context = TraceContext()
    child = context.create_child_span("work")
    assert (child.trace_id, child.parent_span_id) == (context.trace_id, context.span_id)
    assert (len(context.trace_id), len(context.span_id)) == (32, 16)
    assert context.baggage == {}


def test_ids_of_any_form_are_kept_and_exported_under_a_fixed_number() -> None:
    """A UUID is its own number, other text is hashed, and never is a number zero."""
    given = str(uuid.uuid4())
    assert TraceContext(given).trace_id == given
    assert trace_number(given) == uuid.UUID(given).int
    assert trace_number("order 7") == trace_number("order 7") != trace_number("order 8")
    assert 0 < span_number(given) < 2**64
    for text in ("", "0", "0" * 32, "-"):
        assert trace_number(text) > 0


def test_headers_carry_a_context_to_another_service() -> None:
    """What one service injects the next one extracts, baggage included, in any case of letters."""
    sent = TraceContext()
    sent.baggage["user"] = "ä b"
    headers = {name.title(): value for name, value in sent.to_headers().items()}
    found = TraceContext.from_headers(headers)
    assert (found.trace_id, found.span_id) == (sent.trace_id, sent.span_id)
    assert found.baggage == {"user": "ä b"}


def test_the_sampling_decision_and_state_of_the_caller_travel_on() -> None:
    """A trace that the caller does not keep stays unkept downstream."""
    found = TraceContext.from_headers({"traceparent": PARENT[:-1] + "0", "tracestate": "v=1"})
    assert found.to_headers() == {"traceparent": PARENT[:-1] + "0", "tracestate": "v=1"}


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_a_malformed_header_begins_a_new_trace(header: str) -> None:
    """W3C: what cannot be read is as if it were not there; the baggage still counts."""
    found = TraceContext.from_headers({"traceparent": header, "baggage": "a=b"})
    assert len(found.trace_id) == 32
    assert found.baggage == {"a": "b"}


def test_inside_a_span_opentelemetry_nests_below_it() -> None:
    """Automatic instrumentation hangs its spans where they belong."""
    with Span(TraceContext().trace_id, "a1b2c3d4e5f60718", None, "work") as span:
        place = otel.get_current_span().get_span_context()
        assert f"{place.trace_id:032x}" == span.trace_id
        assert f"{place.span_id:016x}" == span.span_id
        current = TraceContext.current()
        assert current is not None
        assert (current.trace_id, current.span_id) == (span.trace_id, span.span_id)
    assert TraceContext.current() is None


def test_the_ids_of_the_document_are_found_again_inside() -> None:
    """A trace id that is no hexadecimal number does not change on the way down."""
    with TraceContext("order 7", "first").create_child_span("work") as span:
        current = TraceContext.current()
        assert current is not None
        assert (current.trace_id, current.span_id) == ("order 7", span.span_id)


def test_baggage_is_there_inside_and_on_the_way_out() -> None:
    """What came in with the request goes out with the calls that it causes."""
    incoming = TraceContext()
    incoming.baggage["tenant"] = "a"
    with incoming.create_child_span("work") as span:
        current = TraceContext.current()
        assert current is not None
        assert current.baggage == {"tenant": "a"}
        assert span.context().to_headers()["baggage"] == "tenant=a"


def test_an_exception_is_noted_and_goes_on() -> None:
    """A span that fails says why, and hides nothing from the application."""
    span = TraceContext().create_child_span("work")
    with pytest.raises(ValueError, match="broken"), span:
        raise ValueError("broken")
    assert span.status == "error"
    assert span.logs[0]["exception.type"] == "ValueError"
    assert "broken" in span.logs[0]["exception.stacktrace"]


def test_finishing_twice_changes_nothing() -> None:
    """The first end counts."""
    span = TraceContext().create_child_span("work")
    assert span.finish("completed")
    ended = span.end_time
    assert not span.finish("error")
    assert (span.status, span.end_time) == ("completed", ended)


def test_many_threads_end_a_span_once() -> None:
    """Of 16 threads that finish the same span exactly one does."""
    span = TraceContext().create_child_span("work")
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(span.finish())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 15 + [True]


def test_the_duration_does_not_follow_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back by an hour makes no span negative."""
    span = TraceContext().create_child_span("work")
    monkeypatch.setattr("time.time_ns", lambda: 0)
    span.finish()
    assert 0 <= span.duration < 5
    assert span.end_time is not None
    assert span.end_time >= span.start_time


def test_a_given_start_time_counts_into_the_duration() -> None:
    """A span may be made after the fact."""
    before = datetime.now() - timedelta(seconds=10)  # noqa: DTZ005 - as the document's
    span = Span("t", "s", None, "work", start_time=before)
    span.finish()
    assert 10 <= span.duration < 15


def test_a_start_time_ahead_makes_no_span_negative() -> None:
    """It may come from a machine whose clock is ahead."""
    ahead = datetime.now() + timedelta(hours=1)  # noqa: DTZ005 - as the document's
    span = Span("t", "s", None, "work", start_time=ahead)
    span.finish()
    assert span.duration == 0
    assert span.end_time == ahead


def test_an_id_that_utf8_cannot_spell_is_an_id() -> None:
    """A broken header must not break the request that came with it."""
    span = TraceContext("\udc80", "\udc81").create_child_span("work")
    assert span.finish()
    assert span.otel_span.get_span_context().is_valid


async def test_tasks_nest_apart() -> None:
    """Spans of concurrent tasks do not become each other's parents."""

    async def work(name: str) -> tuple[str, str | None]:
        outer = TraceContext().create_child_span(name)
        with outer:
            await asyncio.sleep(0)
            current = TraceContext.current()
            assert current is not None
            inner = current.create_child_span("inner")
            await asyncio.sleep(0)
            inner.finish()
        return outer.span_id, inner.parent_span_id

    for outer, parent in await asyncio.gather(*(work(str(index)) for index in range(20))):
        assert outer == parent


def test_spans_are_copied_and_pickled_by_what_they_say() -> None:
    """A span may be sent to another process."""
    span = TraceContext().create_child_span("work")
    span.set_tag("a", 1)
    span.finish()
    assert pickle.loads(pickle.dumps(span)) == span  # noqa: S301 - our own bytes
    assert copy.deepcopy(span) == span
    assert dataclasses.asdict(span)["tags"] == {"a": 1}


def test_an_error_without_a_text_is_noted_all_the_same() -> None:
    """Whatever an exception does when it is printed, the application gets its own error."""

    class Mute(Exception):  # noqa: N818 - a test's
        def __str__(self) -> str:
            raise RuntimeError("worse")

    span = TraceContext().create_child_span("work")
    with pytest.raises(Mute), span:
        raise Mute
    assert span.logs[0]["message"] == "Mute without a text"
