"""What a trace took, and which spans made it take so long."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from veriscope.facade.traces.trace import Span

_NS: Final = 1_000_000_000


@dataclass(slots=True)
class _Node:
    """A span on the time line, in nanoseconds, with its children."""

    span: Span | None
    start: int
    end: int
    children: list["_Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the critical path, in nanoseconds, in which only *span* could be faster."""

    span: Span
    start: int
    end: int


def summarize(trace_id: str, spans: Sequence[Span], *, complete: bool) -> dict[str, Any]:
    """
    Return the summary of a trace from its finished *spans*; all times in seconds.

    `total_duration` is the wall time from the first start to the last end. The `self_time` of
    a span is its duration less the time in which at least one of its children ran. The entries
    of `critical_path` are in time order; where the trace has one root, their contributions add
    up to its duration.
    """
    root = _tree(spans)
    self_times = {id(node.span): _self_time(node) for node in _walk(root)}
    return {
        "trace_id": trace_id,
        "span_count": len(spans),
        "total_duration": (root.end - root.start) / _NS,
        "complete": complete,
        "spans": [
            {
                "span_id": span.span_id,
                "parent_span_id": span.parent_span_id,
                "operation_name": span.operation_name,
                "duration": span.duration,
                "self_time": self_times[id(span)] / _NS,
                "status": span.status,
                "tags": dict(span.tags),
            }
            for span in spans
        ],
        "critical_path": [_entry(section, root) for section in _sections(root)],
    }


def critical_path(spans: Sequence[Span]) -> list[Section]:
    """
    Return the critical path of the trace of *spans*, in time order.

    From the end of a span backwards: the child that ended last is on the path, then the one
    that ended last before that child began, and so on; the gaps are the span's own. A child is
    cut to the time of its parent. Source: Zhang et al., "CRISP: Critical Path Analysis of
    Large-Scale Microservice Architectures", USENIX ATC 2022, section 3.
    """
    return _sections(_tree(spans))


def _tree(spans: Sequence[Span]) -> _Node:
    """Hang *spans* below one root that lasts from the first start to the last end."""
    nodes = [
        (span, _Node(span, span.started_ns, span.started_ns + round(span.duration * _NS)))
        for span in spans
    ]
    root = _Node(
        None,
        min((node.start for _, node in nodes), default=0),
        max((node.end for _, node in nodes), default=0),
    )
    # Of spans that were given the same id, the first is the parent of those below that id.
    named = {span.span_id: node for span, node in reversed(nodes)}
    parents = _parents({span.span_id: span.parent_span_id for span, _ in reversed(nodes)})
    for span, node in nodes:
        is_named = named[span.span_id] is node
        parent = parents[span.span_id] if is_named else span.parent_span_id
        named.get(parent or "", root).children.append(node)
    return root


def _parents(said: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the parent of each id as *said*; None where there is only a circle of ids."""
    parents = dict(said)
    rooted: set[str] = set()
    for key in parents:
        trail: list[str] = []
        step: str | None = key
        seen: set[str] = set()
        while step in parents and step not in rooted and step not in seen:
            seen.add(step)
            trail.append(step)
            step = parents[step]
        if step in seen:
            parents[trail[-1]] = None
        rooted.update(trail)
    return parents


def _walk(root: _Node) -> Iterator[_Node]:
    waiting = list(root.children)
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children


def _self_time(node: _Node) -> int:
    """Return the nanoseconds of *node* in which no child ran."""
    covered, reached = 0, node.start
    for child in sorted(node.children, key=lambda child: child.start):
        start, end = max(child.start, reached), min(child.end, node.end)
        if end > start:
            covered += end - start
            reached = end
    return node.end - node.start - covered


def _sections(root: _Node) -> list[Section]:
    path: list[Section] = []
    waiting = [(root, root.start, root.end)]
    while waiting:
        node, start, end = waiting.pop()
        for child, child_start, child_end in _last_finishing(node.children, start, end):
            _add(path, node.span, child_end, end)
            waiting.append((child, child_start, child_end))
            end = child_start
        _add(path, node.span, start, end)
    path.sort(key=lambda section: (section.start, section.end))
    return path


def _last_finishing(
    children: Iterable[_Node], start: int, end: int
) -> Iterator[tuple[_Node, int, int]]:
    """Yield, from *end* backwards, the children on the path with the times they are cut to."""
    # Cut to the parent first: only a sibling, not the parent's end, rules a child out.
    cut = [(child, max(child.start, start), min(child.end, end)) for child in children]
    for child, child_start, child_end in sorted(cut, key=lambda item: item[2], reverse=True):
        if child_start < child_end <= end:
            yield child, child_start, child_end
            end = child_start


def _add(path: list[Section], span: Span | None, start: int, end: int) -> None:
    if span is not None and end > start:
        path.append(Section(span, start, end))


def _entry(section: Section, root: _Node) -> dict[str, Any]:
    length = section.end - section.start
    return {
        "span_id": section.span.span_id,
        "operation_name": section.span.operation_name,
        "start_offset": (section.start - root.start) / _NS,
        "contribution": length / _NS,
        "share": length / ((root.end - root.start) or 1),
    }
