"""What spans, records and events say of the time around the onset."""

from collections.abc import Mapping
from typing import Any, Final

from veriscope.insight.evidence.asking import Asking, Case
from veriscope.query import logs, traces
from veriscope.signals.events import Event
from veriscope.signals.evidence import LogPattern
from veriscope.signals.predicates import AllOf, Equals, Field, Place
from veriscope.signals.searches import Search

_MINUTE_MS: Final = 60_000
_BEFORE_MS: Final = 60 * _MINUTE_MS
_AROUND_MS: Final = 5 * _MINUTE_MS
_MOST_PATTERNS: Final = 5
_MOST_TRACES: Final = 5
_MOST_EVENTS: Final = 10
_RISEN: Final = 2.0
_SERVICE: Final = Field(Place.COLUMN, "service_name")


def find_patterns(case: Case, asking: Asking) -> Mapping[str, Any]:
    """
    Return patterns of the service's errors that are new since the onset or twice as frequent.

    What an alert sees has begun before it: the range of its expression counts as after it.
    """
    wanted = AllOf((Equals(_SERVICE, case.service), logs.parse("level:>=error")))
    onset_ms = case.onset_ms - _lead_ms(case)
    start_ms = onset_ms - _BEFORE_MS
    minutes = max(1.0, (case.now_ms - onset_ms) / _MINUTE_MS)
    found = [
        LogPattern(
            each.pattern,
            each.service,
            each.since,
            each.before / (_BEFORE_MS / _MINUTE_MS),
            each.since / minutes,
            each.example,
        )
        for each in asking.sources.logs.patterns(
            wanted,
            start_ms=start_ms,
            onset_ms=onset_ms,
            end_ms=case.now_ms,
            limit=4 * _MOST_PATTERNS,
            limits=asking.limits(),
        )
    ]
    risen = [x for x in found if x.per_minute_since > _RISEN * x.per_minute_before]
    return {"log_patterns": tuple(risen[:_MOST_PATTERNS])}


def find_traces(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Return the slowest failed spans of the service since the onset, then its slowest ones."""
    of_service = Equals(_SERVICE, case.service)
    failed = AllOf((of_service, traces.parse("status:error")))
    start_ms = case.onset_ms - _lead_ms(case)
    found = [
        trace
        for predicate in (failed, of_service)
        for trace in asking.sources.spans.examples(
            Search(predicate, start_ms, case.now_ms), _MOST_TRACES, asking.limits()
        )
    ]
    once = {trace.trace_id: trace for trace in reversed(found)}
    order = dict.fromkeys(trace.trace_id for trace in found)
    return {"traces": tuple(once[trace_id] for trace_id in order)[:_MOST_TRACES]}


def find_events(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Return what happened in the hour before the onset and since: of these alerts' place first."""
    found = asking.sources.events.find(
        case.onset_ms - _BEFORE_MS, case.now_ms, limit=100, limits=asking.limits()
    )
    common = case.common

    def is_elsewhere(event: Event) -> bool:
        return any(common.get(name, value) != value for name, value in event.labels)

    return {"events": tuple(each for each in found if not is_elsewhere(each))[:_MOST_EVENTS]}


def _lead_ms(case: Case) -> int:
    range_ms = case.expression.range_ms if case.expression is not None else 0
    return min(max(range_ms, _MINUTE_MS), _AROUND_MS)
