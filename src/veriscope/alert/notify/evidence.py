"""Evidence as notifications show it: fields for programs, lines for people."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from veriscope.signals import Labels
from veriscope.signals.evidence import Evidence

_MOST_LINES: Final = 3
"""Of each kind; the page shows the rest."""


def evidence_fields(evidence: Evidence) -> dict[str, Any]:
    """Return what JSON receivers get; the graph is an address there, not an image."""
    fields: dict[str, Any] = msgspec.to_builtins(evidence)
    del fields["graph_png"]
    return fields


def evidence_lines(evidence: Evidence) -> list[str]:
    """Return the evidence in a few lines, the most telling first."""
    return [
        *evidence.hints,
        *_values(evidence),
        *_changes(evidence),
        *_telemetry(evidence),
        *(f"Host {figure.instance}: {figure.name} {figure.text}" for figure in evidence.host),
    ]


def evidence_links(evidence: Evidence) -> list[tuple[str, str]]:
    """Return text and address of what can be looked at."""
    links = [("View", evidence.view_url), ("Runbook", evidence.runbook_url)]
    return [(text, url) for text, url in links if url]


def evidence_text(evidence: Evidence) -> str:
    """Return lines and links as plain text."""
    links = [f"{text}: {url}" for text, url in evidence_links(evidence)]
    return "\n".join([*evidence_lines(evidence), *links])


def _values(evidence: Evidence) -> Iterator[str]:
    for value in evidence.values[:_MOST_LINES]:
        before = [
            f"{when} {_number(number)}"
            for when, number in (
                ("at onset", value.onset),
                ("1 h before", value.hour_before),
                ("1 d before", value.day_before),
                ("1 w before", value.week_before),
            )
            if number is not None
        ]
        now = "no value now" if value.now is None else f"now {_number(value.now)}"
        yield f"Value{_named(value.labels)}: {', '.join([now, *before])}"


def _changes(evidence: Evidence) -> Iterator[str]:
    for series in evidence.changed[:_MOST_LINES]:
        change = f"{_number(series.before)} → {_number(series.after)}"
        yield f"Changed at the same time:{_named(series.labels)} {change}"


def _telemetry(evidence: Evidence) -> Iterator[str]:
    for pattern in evidence.log_patterns[:_MOST_LINES]:
        rate = (
            f"{_number(pattern.per_minute_before)} → {_number(pattern.per_minute_since)} a minute"
        )
        yield f"Log of {pattern.service}: {pattern.pattern} ({rate})"
    for trace in evidence.traces[:_MOST_LINES]:
        failed = ", failed" if trace.is_error else ""
        took = f"{trace.duration_ms:.0f} ms{failed}"
        yield f"Trace {trace.trace_id}: {trace.service} {trace.name} ({took})"
    for event in evidence.events[:_MOST_LINES]:
        yield f"Event: {event.kind}: {event.title}"


def _named(labels: Labels) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in labels if name != "alertname")
    return f" {shown}" if shown else ""


def _number(value: float) -> str:
    return f"{value:.4g}"
