"""Evidence: what was seen around the moment at which alerts began to fire."""

from dataclasses import dataclass

from veriscope.signals.events import Event
from veriscope.signals.labels import Labels


@dataclass(frozen=True, slots=True)
class FiringAlerts:
    """The alerts of one notification, as far as evidence is gathered for them."""

    labels: tuple[Labels, ...]
    """Of each alert."""
    common_labels: Labels
    """What all of them share."""
    common_annotations: Labels
    """Likewise; `runbook_url` is taken from it."""
    starts_at_ms: int
    """When the first of them began, in Unix milliseconds."""
    generator_urls: tuple[str, ...]
    """Where each came from; a rule's holds its expression as `g0.expr`."""


@dataclass(frozen=True, slots=True)
class ValueThen:
    """What an alert's expression gave at a moment; None where it gave nothing."""

    labels: Labels
    now: float | None
    onset: float | None
    hour_before: float | None
    day_before: float | None
    week_before: float | None


@dataclass(frozen=True, slots=True)
class ChangedSeries:
    """Another series that changed at the onset; the greater the score, the more unusual."""

    labels: Labels
    score: float
    before: float
    """Median before the onset."""
    after: float
    """Median since."""
    is_rate: bool = False
    """Whether both are the increase a second of a counter."""


@dataclass(frozen=True, slots=True)
class TraceExample:
    """A trace worth looking at."""

    trace_id: str
    service: str
    name: str
    start_ms: int
    duration_ms: float
    is_error: bool


@dataclass(frozen=True, slots=True)
class LogPattern:
    """A kind of record, new or risen since the onset; `<*>` stands for what varies."""

    pattern: str
    service: str
    count: int
    """Records since the onset."""
    per_minute_before: float
    per_minute_since: float
    example: str


@dataclass(frozen=True, slots=True)
class HostFigure:
    """One figure of the host's state at the onset, as it is shown: `memory`, `91 %`."""

    instance: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found in time; what was not is named in `missing`."""

    gathered_ms: int
    """When, in Unix milliseconds."""
    view_url: str = ""
    """A page with the expression over the right time range."""
    graph_url: str = ""
    """Where the graph can be had, for those who take no attachments."""
    graph_png: bytes = b""
    """The graph of the expression around the onset."""
    runbook_url: str = ""
    values: tuple[ValueThen, ...] = ()
    changed: tuple[ChangedSeries, ...] = ()
    traces: tuple[TraceExample, ...] = ()
    log_patterns: tuple[LogPattern, ...] = ()
    events: tuple[Event, ...] = ()
    host: tuple[HostFigure, ...] = ()
    hints: tuple[str, ...] = ()
    """Sentences, such as `fired at this hour on 4 of the last 7 days`."""
    missing: tuple[str, ...] = ()
    """Parts that failed or came too late, each with the reason."""
