"""What the store says of itself."""

from dataclasses import dataclass

from veriscope.store.engine import Engine


@dataclass(frozen=True, slots=True)
class TableHealth:
    """The active parts of one table."""

    table: str
    rows: int
    parts: int
    bytes_on_disk: int


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """Sizes of the tables, and the engine's own memory in bytes."""

    tables: tuple[TableHealth, ...]
    memory_bytes: int


def read_health(engine: Engine) -> StoreHealth:
    """Ask the engine for its sizes; raises `EngineError` when it does not answer."""
    tables = engine.query(
        "SELECT table, sum(rows) AS rows, count() AS parts, sum(bytes_on_disk) AS bytes"
        " FROM system.parts WHERE active AND database = {database:String}"
        " GROUP BY table ORDER BY table",
        {"database": engine.database},
    )
    memory = engine.query("SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'")
    return StoreHealth(
        tables=tuple(
            TableHealth(row["table"], row["rows"], row["parts"], row["bytes"])
            for row in tables.to_pylist()
        ),
        memory_bytes=max(0, memory["value"][0].as_py()) if memory.num_rows else 0,
    )
