from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.facade.traces.summary import critical_path, summarize
from veriscope.facade.traces.trace import Span

SECOND = 1_000_000_000


def span(name: str, parent: str | None, start: float, end: float) -> Span:
    """Return a finished span from *start* to *end*, in seconds of a clock of its own."""
    made = Span("t", name, parent, name, status="completed")
    made._started_ns = int(start * SECOND)
    made.duration = end - start
    return made


def path(*spans: Span) -> list[tuple[str, float, float]]:
    """Return the critical path as names with times in seconds."""
    return [
        (section.span.span_id, section.start / SECOND, section.end / SECOND)
        for section in critical_path(spans)
    ]


def by_name(summary: dict[str, Any], key: str) -> dict[str, Any]:
    """Return one figure of every span."""
    return {each["span_id"]: each[key] for each in summary["spans"]}


def test_children_one_after_the_other_are_all_on_the_path() -> None:
    """A request that calls three services in turn waits for each of them."""
    spans = (span("r", None, 0, 10), span("a", "r", 1, 4), span("b", "r", 4, 8))
    assert path(*spans) == [("r", 0, 1), ("a", 1, 4), ("b", 4, 8), ("r", 8, 10)]
    summary = summarize("t", spans, complete=True)
    assert by_name(summary, "self_time") == {"r": 3.0, "a": 3.0, "b": 4.0}
    assert summary["total_duration"] == 10.0
    assert sum(each["contribution"] for each in summary["critical_path"]) == 10.0


def test_of_parallel_children_only_the_last_to_end_is_on_the_path() -> None:
    """What ran beside a slower sibling could be faster without any gain."""
    spans = (span("r", None, 0, 10), span("fast", "r", 1, 5), span("slow", "r", 2, 9))
    assert path(*spans) == [("r", 0, 2), ("slow", 2, 9), ("r", 9, 10)]
    assert by_name(summarize("t", spans, complete=True), "self_time")["r"] == 2.0


def test_the_example_of_the_crisp_paper_holds() -> None:
    """Of overlapping siblings the path takes those that ended before the next one began."""
    spans = (
        span("s1", None, 0, 100),
        span("s2", "s1", 10, 40),
        span("s3", "s1", 20, 50),
        span("s4", "s1", 60, 90),
        span("s5", "s4", 65, 80),
    )
    assert path(*spans) == [
        ("s1", 0, 20),
        ("s3", 20, 50),
        ("s1", 50, 60),
        ("s4", 60, 65),
        ("s5", 65, 80),
        ("s4", 80, 90),
        ("s1", 90, 100),
    ]


def test_a_child_that_outlives_its_parent_is_cut() -> None:
    """Work that goes on in the background does not make the request longer."""
    spans = (span("r", None, 0, 4), span("late", "r", 3, 9))
    assert path(*spans) == [("r", 0, 3), ("late", 3, 4)]
    summary = summarize("t", spans, complete=True)
    assert summary["total_duration"] == 9.0
    assert by_name(summary, "self_time") == {"r": 3.0, "late": 6.0}


def test_spans_whose_parents_are_elsewhere_are_roots() -> None:
    """Parts of a trace that was started by another service are summed up by themselves."""
    spans = (span("a", "unknown", 0, 2), span("b", "unknown", 3, 5))
    assert path(*spans) == [("a", 0, 2), ("b", 3, 5)]
    assert summarize("t", spans, complete=True)["total_duration"] == 5.0


def test_spans_that_were_given_the_same_id_all_count() -> None:
    """The first of them is the parent; no span is lost and nothing raises."""
    spans = (
        span("a", None, 0, 4),
        span("b", "a", 1, 3),
        span("b", "a", 2, 4),
        span("c", "b", 1, 2),
    )
    summary = summarize("t", spans, complete=True)
    assert summary["span_count"] == 4
    assert [each["self_time"] for each in summary["spans"]] == pytest.approx([1, 1, 2, 1])


def test_ids_in_a_circle_do_no_harm() -> None:
    """A client that sends nonsense gets a summary, and no endless loop."""
    spans = (span("a", "b", 0, 4), span("b", "a", 1, 3), span("c", "c", 5, 6))
    summary = summarize("t", spans, complete=False)
    assert summary["span_count"] == 3
    assert not summary["complete"]


def test_a_deep_trace_is_no_problem() -> None:
    """Ten thousand nested spans do not exhaust the stack."""
    spans = [span("0", None, 0, 20_000)]
    spans += [span(str(i), str(i - 1), i, 20_000 - i) for i in range(1, 10_000)]
    assert len(path(*spans)) == 2 * len(spans) - 1


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """Draw a trace with one root in which anything may overlap anything."""
    spans = [span("0", None, 0, 100)]
    for index in range(1, draw(st.integers(1, 12))):
        start = draw(st.integers(0, 99))
        end = draw(st.integers(start, 120))
        spans.append(span(str(index), str(draw(st.integers(0, index - 1))), start, end))
    return spans


@given(traces())
def test_the_path_covers_the_root_exactly_once(spans: list[Span]) -> None:
    """The contributions are disjoint and add up to the root's duration."""
    sections = path(*spans)
    assert sections[0][1] == 0
    assert sections[-1][2] == 100
    for (_, _, end), (_, start, _) in pairwise(sections):
        assert end == start


@given(traces())
def test_self_time_is_between_nothing_and_the_duration(spans: list[Span]) -> None:
    """No overlap of children makes it negative."""
    summary = summarize("t", spans, complete=True)
    for each in summary["spans"]:
        assert 0 <= each["self_time"] <= each["duration"] + 1e-9


@pytest.mark.parametrize("count", [1, 2])
def test_spans_without_length_are_summed_up(count: int) -> None:
    """A trace that took no time at all has a share of zero, and no division fails."""
    spans = [span(str(index), None, 1, 1) for index in range(count)]
    assert summarize("t", spans, complete=True)["total_duration"] == 0
