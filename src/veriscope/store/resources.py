"""What spans and log records share: resources, attributes, ids, and limits of a read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from veriscope.signals import FetchLimits
from veriscope.store.engine import Engine
from veriscope.wire.otlp import AttributeValue, read_value

ATTRIBUTES: Final = (
    "CAST(mapKeys({0}attributes), 'Array(String)') AS {0}keys,"
    " mapValues({0}attributes) AS {0}texts, CAST({0}attribute_types, 'Array(String)') AS {0}types"
)
"""Columns that `read_attributes` reads, of `attributes` or, say, `scope_attributes`."""


def read_attributes(row: Mapping[str, Any], prefix: str = "") -> dict[str, AttributeValue]:
    """Return the attributes in *row*, in the order and of the types that they were sent in."""
    return to_attributes(row[f"{prefix}keys"], row[f"{prefix}texts"], row[f"{prefix}types"])


def to_attributes(
    keys: Sequence[str], texts: Sequence[str], types: Sequence[str]
) -> dict[str, AttributeValue]:
    """Return attributes by key; of a key that was sent twice, the last."""
    return {key: read_value(kind, text) for key, text, kind in zip(keys, texts, types, strict=True)}


def to_hex(identifier: bytes) -> str:
    """Return an id as OTLP/JSON spells it; empty where there is none."""
    return identifier.hex() if any(identifier) else ""


def read_resources(
    engine: Engine, ids: Iterable[int], limits: FetchLimits
) -> dict[int, dict[str, AttributeValue]]:
    """Return the attributes of each of the resources *ids*."""
    rows = engine.query(
        f"SELECT id, {ATTRIBUTES.format('')} FROM resources"  # noqa: S608 - no value in it
        " WHERE id IN {ids:Array(UInt64)} LIMIT 1 BY id",
        {"ids": sorted(set(ids))},
        settings_of(limits),
    )
    return {row["id"]: read_attributes(row) for row in rows.to_pylist()}


def settings_of(limits: FetchLimits) -> dict[str, int]:
    """Return the engine's settings that hold a query to *limits*."""
    return {
        "max_memory_usage": limits.max_memory_bytes,
        "max_execution_time": max(1, limits.timeout_ms // 1000),
    }
