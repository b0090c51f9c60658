"""Versions of the schema."""

from collections.abc import Callable

import pytest

from veriscope.store import SchemaError, Store
from veriscope.store.migrate import Migration, load_migrations, migrate


def test_a_second_start_finds_the_schema_in_place(open_store: Callable[..., Store]) -> None:
    """Migrations are applied once each."""
    open_store("twice").close()
    again = open_store("twice")
    assert migrate(again._engine) == 0


def test_a_migration_cut_short_is_finished(open_store: Callable[..., Store]) -> None:
    """A crash between two statements is mended by the next start."""
    store = open_store("crashed")
    store._engine.command("DROP VIEW otlp_traces_check")
    store._engine.command("TRUNCATE TABLE schema_migrations")
    assert migrate(store._engine) == len(load_migrations())
    views = store._engine.query(
        "SELECT count() AS n FROM system.tables WHERE database = 'crashed'"
        " AND name = 'otlp_traces_check'"
    )
    assert views["n"].to_pylist() == [1]


def test_merged_parts_are_removed_by_one_thread(open_store: Callable[..., Store]) -> None:
    """No table that is inserted into all the time starts the engine's pool of removal threads."""
    store = open_store("removal")
    others = store._engine.query(
        "SELECT name FROM system.tables WHERE database = 'removal' AND engine LIKE '%MergeTree'"
        " AND NOT position(engine_full, 'concurrent_part_removal_threshold = 10000') > 0"
    )
    assert others["name"].to_pylist() == ["schema_migrations"]


def test_a_newer_database_is_refused(open_store: Callable[..., Store]) -> None:
    """An old program does not touch data that a newer one has changed."""
    store = open_store("newer")
    store._engine.command("INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')")
    with pytest.raises(SchemaError, match="schema version 9999"):
        migrate(store._engine)


def test_an_edited_migration_is_refused(open_store: Callable[..., Store]) -> None:
    """What was released cannot change under a database that has applied it."""
    store = open_store("edited")
    store._engine.command("TRUNCATE TABLE schema_migrations")
    store._engine.command(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (1, 'metrics', 'other')"
    )
    with pytest.raises(SchemaError, match="migration 1 was applied in another form"):
        migrate(store._engine)


def test_versions_are_consecutive() -> None:
    """A number given twice or left out is a mistake of ours."""
    assert [known.version for known in load_migrations()] == list(
        range(1, len(load_migrations()) + 1)
    )


def test_statements_end_at_line_ends_only() -> None:
    """A semicolon in a string does not end a statement."""
    text = "-- about; this\nSELECT 'a; b';\nSELECT 2;\n"
    assert Migration(1, "x", text).statements == ["SELECT 'a; b'", "SELECT 2"]
