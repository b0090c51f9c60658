"""
Sloth's files, `version: prometheus/v1`.

https://sloth.dev/specs/default/
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from veriscope.rules.slo.definition import (
    SLOTH,
    AlertTexts,
    Definition,
    Events,
    Ratio,
    percent,
)
from veriscope.rules.slo.queries import check_windowed
from veriscope.signals import Duration

_PERIOD: Final = Duration.parse("30d")
_NO_PLUGINS: Final = (
    "plugins are programs, which are not run; write `events` or `raw` with the queries that the"
    " plugin gives"
)


class EventsIndicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bad events and all events."""

    error_query: str
    """Those that were bad within `{{.window}}`."""
    total_query: str
    """All within `{{.window}}`."""

    def __post_init__(self) -> None:
        _check_query("error_query", self.error_query)
        _check_query("total_query", self.total_query)


class RawIndicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of what was bad, as it is."""

    error_ratio_query: str
    """From 0 to 1, within `{{.window}}`."""

    def __post_init__(self) -> None:
        _check_query("error_ratio_query", self.error_ratio_query)


class Indicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well the service does; one of the two."""

    events: EventsIndicator | None = None
    raw: RawIndicator | None = None
    plugin: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.plugin is not None:
            raise ValueError(_NO_PLUGINS)
        if (self.events is None) == (self.raw is None):
            raise ValueError("an `sli` has either `events` or `raw`; give one of them")


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two alerts."""

    disable: bool = False
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Alerting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The alerts of an objective."""

    name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    page_alert: Alert = Alert()
    ticket_alert: Alert = Alert()

    def texts(self, alert: Alert) -> AlertTexts | None:
        """Return what the alert is given, None where it is disabled."""
        if alert.disable:
            return None
        labels, annotations = self.labels | alert.labels, self.annotations | alert.annotations
        return AlertTexts(self.name, labels, annotations)


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One objective."""

    name: str
    objective: str
    """In per cent."""
    sli: Indicator
    description: str = ""
    labels: dict[str, str] = {}
    alerting: Alerting = Alerting()
    plugins: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        percent(self.objective)
        if self.plugins is not None:
            raise ValueError(_NO_PLUGINS)
        alerts = (self.alerting.page_alert, self.alerting.ticket_alert)
        if not self.alerting.name and not all(alert.disable for alert in alerts):
            raise ValueError("`alerting` needs a `name` for the alerts; give one, or disable both")


class SlothFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The objectives of a service."""

    version: Literal["prometheus/v1"]
    service: str
    slos: tuple[Slo, ...]
    labels: dict[str, str] = {}
    slo_plugins: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.slo_plugins is not None:
            raise ValueError(_NO_PLUGINS)
        if not self.slos:
            raise ValueError("there is no objective; list one in `slos`")

    def definitions(self, file: str) -> Iterator[Definition]:
        """Yield the objectives; *file* is where they stand."""
        for slo in self.slos:
            events, raw = slo.sli.events, slo.sli.raw
            indicator: Events | Ratio
            if events is not None:
                indicator = Events(events.error_query, events.total_query)
            elif raw is not None:
                indicator = Ratio(raw.error_ratio_query)
            yield Definition(
                service=self.service,
                name=slo.name,
                description=slo.description,
                percent=percent(slo.objective),
                period_ms=_PERIOD,
                labels=self.labels | slo.labels,
                indicator=indicator,
                page=slo.alerting.texts(slo.alerting.page_alert),
                ticket=slo.alerting.texts(slo.alerting.ticket_alert),
                dialect=SLOTH,
                file=file,
            )


def _check_query(key: str, text: str) -> None:
    try:
        check_windowed(text)
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from error
