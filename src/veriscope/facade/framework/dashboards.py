"""Dashboards: from the document's widgets to panels that the server shows."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from veriscope.instrument import delivery
from veriscope.instrument.delivery.names import label_name, metric_name
from veriscope.signals import UnavailableError, VeriscopeError

_COLUMNS: Final = 24
_PANEL_WIDTH: Final = 12
_PANEL_HEIGHT: Final = 8
_TYPES: Final = {
    "timeseries": "timeseries",
    "time_series": "timeseries",
    "graph": "timeseries",
    "line": "timeseries",
    "line_chart": "timeseries",
    "chart": "timeseries",
    "area": "timeseries",
    "stat": "stat",
    "number": "stat",
    "counter": "stat",
    "single_stat": "stat",
    "metric": "stat",
    "gauge": "gauge",
    "gauge_chart": "gauge",
    "bar": "bar",
    "bar_chart": "bar",
    "histogram": "bar",
    "table": "table",
    "list": "table",
    "text": "text",
    "markdown": "text",
}
_UNITS: Final = {
    "%": "percent",
    "percentage": "percent",
    "s": "seconds",
    "sec": "seconds",
    "second": "seconds",
    "byte": "bytes",
    "b": "bytes",
    "bps": "bytes/s",
    "c": "celsius",
    "w": "watts",
    "rps": "per second",
    "count": "count",
    "number": "number",
    "ratio": "ratio",
}
_COLORS: Final = {
    "good": "good",
    "ok": "good",
    "green": "good",
    "warning": "warning",
    "yellow": "warning",
    "orange": "warning",
    "critical": "critical",
    "red": "critical",
}
# The server's own limits; what is beyond is cut, so that the rest is shown.
_MAX_ITEMS: Final = 20
_MAX_PANELS: Final = 100
_MAX_NAME: Final = 200
_MAX_TEXT: Final = 10_000
_LARGEST: Final = sys.float_info.max
_PATH: Final = "/api/veriscope/v1/dashboards/"
_PAUSE_S: Final = 5.0
_TRIES: Final = 60


def to_document(dashboard: Mapping[str, Any], service_name: str) -> dict[str, Any]:
    """
    Return the server's dashboard document for one of `create_dashboard`.

    A widget's query is its `expr`, `query` or `queries`; else its `metric` or `metrics`, of
    this service, with its `tags`. A widget of unknown `type` is a time series where it has a
    query, and else a text.
    """
    return {
        "uid": dashboard["dashboard_id"],
        "title": str(dashboard["dashboard_name"])[:_MAX_NAME] or "unnamed",
        "tags": [service_name[:_MAX_NAME]] if service_name else [],
        "source": "library",
        "panels": [
            _panel(widget, index, service_name)
            for index, widget in enumerate(dashboard["widgets"][:_MAX_PANELS])
        ],
        **{key: _absolute(dashboard[key]) for key in ("created_at", "updated_at")},
    }


class Upload:
    """
    A worker's job that puts *document* on the server, where one is configured.

    It is tried again while the server cannot be reached, and given up where it is refused:
    then *on_drop* is called, and *logger* is told.
    """

    def __init__(
        self, document: Mapping[str, Any], logger: logging.Logger, on_drop: Callable[[], None]
    ) -> None:
        self._document = document
        self._logger = logger
        self._on_drop = on_drop
        self._tries = 0

    def __call__(self) -> float | None:
        """Try once; return the seconds after which to try again, None when it is over."""
        exporter = delivery.current()
        if exporter is None:
            return None
        self._tries += 1
        try:
            exporter.client.send_json("PUT", f"{_PATH}{self._document['uid']}", self._document)
        except UnavailableError as error:
            if self._tries < _TRIES:
                return _PAUSE_S
            self._give_up(error)
        except VeriscopeError as error:
            self._give_up(error)
        return None

    def _give_up(self, error: VeriscopeError) -> None:
        self._on_drop()
        self._logger.warning("dashboard %s not sent: %s", self._document["title"], error)


def _absolute(local_time: str) -> str:
    return datetime.fromisoformat(local_time).astimezone().isoformat()


def _panel(widget: Mapping[str, Any], index: int, service_name: str) -> dict[str, Any]:
    targets = [
        {"expr": expr[:_MAX_TEXT], "legend": str(widget.get("legend", ""))[:_MAX_NAME]}
        for expr in _expressions(widget, service_name)[:_MAX_ITEMS]
    ]
    wanted = str(widget.get("type", "timeseries")).lower().replace("-", "_")
    kind = _TYPES.get(wanted, "timeseries" if targets else "text")
    panel: dict[str, Any] = {
        "title": str(widget.get("title") or widget.get("name") or widget.get("metric") or wanted)[
            :_MAX_NAME
        ],
        "type": kind,
        "targets": targets,
        "gridPos": _place(widget, index),
    }
    unit = str(widget.get("unit") or "").lower()
    panel["unit"] = _UNITS.get(unit, unit if unit in _UNITS.values() else "")
    panel |= {key: widget[key] for key in ("min", "max") if _is_number(widget.get(key))}
    panel["thresholds"] = list(_thresholds(widget.get("thresholds")))[:_MAX_ITEMS]
    if kind == "text":
        panel["text"] = str(widget.get("text") or widget.get("content") or "")[:_MAX_TEXT]
    return panel


def _thresholds(found: object) -> Iterator[dict[str, Any]]:
    """Yield thresholds from a list of `{value, color}`, or from a mapping of colour to value."""
    if isinstance(found, Mapping):
        found = [{"color": color, "value": value} for color, value in found.items()]
    for each in found if isinstance(found, Sequence) else ():
        if isinstance(each, Mapping) and _is_number(each.get("value")):
            color = _COLORS.get(str(each.get("color")).lower(), "critical")
            yield {"value": each["value"], "color": color}


def _is_number(value: object) -> bool:
    """Tell whether *value* is a number that JSON and a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST <= value <= _LARGEST


def _expressions(widget: Mapping[str, Any], service_name: str) -> list[str]:
    for key in ("expr", "query", "queries"):
        if widget.get(key):
            return _strings(widget[key])
    tags = widget.get("tags") or {}
    return [
        _selector(metric, tags if isinstance(tags, Mapping) else {}, service_name)
        for key in ("metric", "metrics")
        for metric in _strings(widget.get(key))
    ]


def _strings(value: object) -> list[str]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(each) for each in value if str(each)]
    return [str(value)] if value else []


def _selector(metric: str, tags: Mapping[str, Any], service_name: str) -> str:
    """Return the PromQL of *metric* under the name that delivery gives it."""
    labels = {"service": service_name, **tags}
    matchers = ",".join(
        f"{label_name(str(key))}={_quoted(str(text))}" for key, text in labels.items()
    )
    return f"{metric_name(metric)}{{{matchers}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _place(widget: Mapping[str, Any], index: int) -> dict[str, int]:
    """Return where the panel stands: as the widget says, else two in a row."""
    given = widget.get("gridPos") or widget.get("position")
    row, column = divmod(index * _PANEL_WIDTH, _COLUMNS)
    place = {"x": column, "y": row * _PANEL_HEIGHT, "w": _PANEL_WIDTH, "h": _PANEL_HEIGHT}
    if isinstance(given, Mapping):
        place |= {key: int(given[key]) for key in place if _is_number(given.get(key))}
    return {
        "x": min(max(place["x"], 0), _COLUMNS - 1),
        "y": min(max(place["y"], 0), _MAX_TEXT),
        "w": min(max(place["w"], 1), _COLUMNS),
        "h": min(max(place["h"], 1), _MAX_PANELS),
    }
