"""Evidence as notifications show it: fields for programs, lines for people."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from veriscope.alert.notify.sending import cut
from veriscope.signals import Labels
from veriscope.signals.evidence import (
    ChangedSeries,
    Evidence,
    HostFigure,
    LogPattern,
    TraceExample,
    ValueThen,
)

_MOST_LINES: Final = 3
"""Of each kind; the page shows the rest."""
_MOST_CHANGES: Final = 5
_MOST_FIGURES: Final = 6
_LINE_CHARACTERS: Final = 240
"""A message of a log may be a page long."""


_Item = TypeVar("_Item")


class Section(NamedTuple):
    """Lines of one kind."""

    title: str
    lines: list[str]


def is_worth_showing(evidence: Evidence) -> bool:
    """Tell whether there is anything to show; some services refuse what is empty."""
    return bool(evidence.graph_png or evidence_text(evidence))


def evidence_fields(evidence: Evidence) -> dict[str, Any]:
    """Return what JSON receivers get; the graph is an address there, not an image."""
    fields: dict[str, Any] = msgspec.to_builtins(evidence)
    del fields["graph_png"]
    return fields


def evidence_sections(evidence: Evidence) -> list[Section]:
    """Return what was found, the most telling first; without kinds of which nothing was."""
    found = [
        Section("Seen before", list(evidence.hints)),
        Section("Value", _shown(evidence.values, _value)),
        Section("Changed at the same time", _shown(evidence.changed, _change, _MOST_CHANGES)),
        Section("Events", _shown(evidence.events, lambda event: f"{event.kind}: {event.title}")),
        Section("Logs", _shown(evidence.log_patterns, _pattern)),
        Section("Traces", _shown(evidence.traces, _trace)),
        Section("Host", _shown(evidence.host, _figure, _MOST_FIGURES)),
    ]
    return [
        Section(title, [cut(" ".join(line.split()), _LINE_CHARACTERS) for line in lines])
        for title, lines in found
        if lines
    ]


def evidence_lines(evidence: Evidence) -> list[str]:
    """Return the same in lines that each say what they are of."""
    return [
        line if title == "Seen before" else f"{title}: {line}"
        for title, lines in evidence_sections(evidence)
        for line in lines
    ]


def evidence_links(evidence: Evidence) -> list[tuple[str, str]]:
    """Return text and address of what can be looked at."""
    links = [("View", evidence.view_url), ("Runbook", evidence.runbook_url)]
    return [(text, url) for text, url in links if url]


def evidence_text(evidence: Evidence) -> str:
    """Return lines and links as plain text."""
    links = [f"{text}: {url}" for text, url in evidence_links(evidence)]
    return "\n".join([*evidence_lines(evidence), *links])


def _shown(
    found: Sequence[_Item], show: Callable[[_Item], str], most: int = _MOST_LINES
) -> list[str]:
    return [show(each) for each in found[:most]]


def _value(value: ValueThen) -> str:
    then = (
        ("at onset", value.onset),
        ("1 h before", value.hour_before),
        ("1 d before", value.day_before),
        ("1 w before", value.week_before),
    )
    now = "none now" if value.now is None else f"{_number(value.now)} now"
    before = [f"{_number(number)} {when}" for when, number in then if number is not None]
    return _named(value.labels, ", ".join([now, *before]))


def _change(series: ChangedSeries) -> str:
    unit = "/s" if series.is_rate else ""
    return _named(series.labels, f"{_number(series.before)}{unit} → {_number(series.after)}{unit}")


def _pattern(found: LogPattern) -> str:
    rate = f"{_number(found.per_minute_before)} → {_number(found.per_minute_since)} a minute"
    return f"{found.service}: {cut(found.pattern, _LINE_CHARACTERS - len(rate) - 50)} ({rate})"


def _trace(trace: TraceExample) -> str:
    failed = ", failed" if trace.is_error else ""
    return f"{trace.service} {trace.name}, {trace.duration_ms:.0f} ms{failed} ({trace.trace_id})"


def _figure(figure: HostFigure) -> str:
    return f"{figure.instance}: {figure.name} {figure.text}"


def _named(labels: Labels, text: str) -> str:
    """Return *text* after the labels as PromQL has them, but for the alert's name."""
    given = dict(labels)
    given.pop("alertname", None)
    name = given.pop("__name__", "")
    pairs = ", ".join(f"{label}={value}" for label, value in given.items())
    series = f"{name}{{{pairs}}}" if name and pairs else name or pairs
    return f"{series}: {text}" if series else text


def _number(value: float) -> str:
    return f"{value:.4g}"
