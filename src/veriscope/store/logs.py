"""Reads log records: the last of a service, and counts by service."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from veriscope.signals import FetchLimits
from veriscope.store.engine import Engine
from veriscope.store.resources import (
    ATTRIBUTES,
    read_attributes,
    read_resources,
    settings_of,
    to_hex,
)
from veriscope.wire.otlp import read_value

COLUMNS: Final = f"""
    service_name, toUnixTimestamp64Nano(time) AS time_ns,
    toUnixTimestamp64Nano(observed_time) AS observed_ns, severity_number, severity_text,
    event_name, body, body_cut_bytes, toString(body_type) AS body_type, trace_id, span_id, flags,
    resource_id, scope_name, scope_version,
    {ATTRIBUTES.format("scope_")}, {ATTRIBUTES.format("")}"""
"""What `to_documents` reads."""
_LATEST: Final = f"""
SELECT{COLUMNS}
FROM logs FINAL
WHERE time >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')
    AND {{service:String}} IN ('', service_name)
ORDER BY time DESC, delivery, position DESC
LIMIT {{limit:UInt32}}"""


class LogReader:
    """Reads log records. Safe to use from many threads; calls block; raises as `SeriesReader`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(
        self, service: str, since_ms: int, limit: int, limits: FetchLimits
    ) -> list[dict[str, Any]]:
        """
        Return the last *limit* records of *service* (of all where it is `""`), newest first.

        None is older than *since_ms*, Unix milliseconds. Each is a document whose values are
        Python's; times are Unix nanoseconds.
        """
        parameters = {"since": since_ms, "service": service, "limit": limit}
        rows = self._engine.query(_LATEST, parameters, settings_of(limits)).to_pylist()
        return to_documents(self._engine, rows, limits)

    def counts(self, limits: FetchLimits) -> dict[str, int]:
        """Return how many records there are of each service."""
        rows = self._engine.query(
            "SELECT toString(service_name) AS service, count() AS records FROM logs FINAL"
            " GROUP BY service ORDER BY service",
            None,
            settings_of(limits),
        )
        return dict(zip(rows["service"].to_pylist(), rows["records"].to_pylist(), strict=True))


def to_documents(
    engine: Engine, rows: Sequence[Mapping[str, Any]], limits: FetchLimits
) -> list[dict[str, Any]]:
    """Return *rows*, which have `COLUMNS`, as `LogReader.latest` does."""
    resources = read_resources(engine, [row["resource_id"] for row in rows], limits)
    return [_to_document(row, resources) for row in rows]


def _to_document(row: Mapping[str, Any], resources: Mapping[int, Any]) -> dict[str, Any]:
    # What was cut can no longer be read as what it was; its text can.
    whole = not row["body_cut_bytes"]
    return {
        "time_unix_nano": row["time_ns"],
        "observed_time_unix_nano": row["observed_ns"],
        "severity_number": row["severity_number"],
        "severity_text": row["severity_text"],
        "event_name": row["event_name"],
        "body": read_value(row["body_type"], row["body"]) if whole else row["body"],
        "body_cut_bytes": row["body_cut_bytes"],
        "trace_id": to_hex(row["trace_id"]),
        "span_id": to_hex(row["span_id"]),
        "flags": row["flags"],
        "service_name": row["service_name"],
        "attributes": read_attributes(row),
        "scope": {
            "name": row["scope_name"],
            "version": row["scope_version"],
            "attributes": read_attributes(row, "scope_"),
        },
        "resource": resources.get(row["resource_id"], {}),
    }
