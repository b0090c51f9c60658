"""Reads spans: by trace, and counts by service."""

from collections.abc import Mapping
from typing import Any, Final

from veriscope.signals import FetchLimits
from veriscope.store.engine import Engine
from veriscope.store.resources import (
    ATTRIBUTES,
    read_attributes,
    read_resources,
    settings_of,
    to_attributes,
    to_hex,
)

_INNER: Final = (
    "arrayMap(inner -> CAST(mapKeys(inner), 'Array(String)'), `{0}.attributes`) AS {0}_keys,"
    " arrayMap(inner -> mapValues(inner), `{0}.attributes`) AS {0}_texts,"
    " CAST(`{0}.attribute_types`, 'Array(Array(String))') AS {0}_types"
)
_TRACE: Final = f"""
SELECT
    service_name, toUnixTimestamp64Nano(start_time) AS start_ns, trace_id, span_id, parent_span_id,
    trace_state, flags, name, toString(kind) AS kind, duration_ns,
    toString(status_code) AS status_code, status_message, resource_id,
    scope_name, scope_version, {ATTRIBUTES.format("scope_")}, {ATTRIBUTES.format("")},
    arrayMap(t -> toUnixTimestamp64Nano(t), events.time) AS event_times,
    CAST(events.name, 'Array(String)') AS event_names, {_INNER.format("events")},
    links.trace_id AS link_traces, links.span_id AS link_spans,
    links.trace_state AS link_states, links.flags AS link_flags, {_INNER.format("links")}
FROM spans FINAL
WHERE trace_id = toFixedString(unhex({{trace:String}}), 16)
ORDER BY start_time, span_id
LIMIT {{limit:UInt32}}"""  # noqa: S608 - no value in it


class SpanReader:
    """Reads spans. Safe to use from many threads; calls block; raises as `SeriesReader` does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def trace(
        self, trace_id: bytes, limits: FetchLimits, max_spans: int = 10_000
    ) -> list[dict[str, Any]]:
        """
        Return the spans of the trace *trace_id*, 16 bytes, by start: at most *max_spans*.

        Each is a document whose values are Python's; times are Unix nanoseconds.
        """
        parameters = {"trace": trace_id.hex(), "limit": max_spans}
        rows = self._engine.query(_TRACE, parameters, settings_of(limits)).to_pylist()
        resources = read_resources(self._engine, [row["resource_id"] for row in rows], limits)
        return [_to_document(row, resources) for row in rows]

    def counts(self, limits: FetchLimits) -> dict[str, int]:
        """Return how many spans there are of each service."""
        rows = self._engine.query(
            "SELECT toString(service_name) AS service, count() AS spans FROM spans FINAL"
            " GROUP BY service ORDER BY service",
            None,
            settings_of(limits),
        )
        return dict(zip(rows["service"].to_pylist(), rows["spans"].to_pylist(), strict=True))


def _to_document(row: Mapping[str, Any], resources: Mapping[int, Any]) -> dict[str, Any]:
    return {
        "trace_id": to_hex(row["trace_id"]),
        "span_id": to_hex(row["span_id"]),
        "parent_span_id": to_hex(row["parent_span_id"]),
        "trace_state": row["trace_state"],
        "flags": row["flags"],
        "name": row["name"],
        "kind": row["kind"],
        "service_name": row["service_name"],
        "start_time_unix_nano": row["start_ns"],
        "duration_nano": row["duration_ns"],
        "status": {"code": row["status_code"], "message": row["status_message"]},
        "attributes": read_attributes(row),
        "events": [
            {
                "time_unix_nano": time_ns,
                "name": name,
                "attributes": to_attributes(keys, texts, types),
            }
            for time_ns, name, keys, texts, types in _zip(row, "events", "event_times event_names")
        ],
        "links": [
            {
                "trace_id": to_hex(trace),
                "span_id": to_hex(span),
                "trace_state": state,
                "flags": flags,
                "attributes": to_attributes(keys, texts, types),
            }
            for trace, span, state, flags, keys, texts, types in _zip(
                row, "links", "link_traces link_spans link_states link_flags"
            )
        ],
        "scope": {
            "name": row["scope_name"],
            "version": row["scope_version"],
            "attributes": read_attributes(row, "scope_"),
        },
        "resource": resources.get(row["resource_id"], {}),
    }


def _zip(row: Mapping[str, Any], part: str, columns: str) -> "zip[tuple[Any, ...]]":
    names = [*columns.split(), f"{part}_keys", f"{part}_texts", f"{part}_types"]
    return zip(*(row[name] for name in names), strict=True)
