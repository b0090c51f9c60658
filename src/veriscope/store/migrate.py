"""Versioned changes of the schema, applied once each and in order."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

import structlog

from veriscope.signals import Duration, UnavailableError
from veriscope.store.engine import Engine
from veriscope.store.options import RetentionOptions

_log = structlog.get_logger(__name__)
_FILE_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_STATEMENT_END: Final = re.compile(r";[ \t]*$", re.MULTILINE)
# The column whose age retention goes by, of each table that grows.
_AGE: Final = {
    "samples": "ts",
    "histograms": "ts",
    "exemplars": "ts",
    "series": "last_ts",
    "rollups_5m": "ts",
    "rollups_1h": "ts",
    "spans": "start_time",
    "logs": "time",
    "resources": "last_seen",
    "events": "time",
}


class SchemaError(UnavailableError):
    """The database was made by another version of Veriscope than this one can work with."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of statements; a file that was released is never edited."""

    version: int
    name: str
    text: str

    @property
    def statements(self) -> list[str]:
        """The file's statements, without comments."""
        parts = _STATEMENT_END.split(_COMMENT.sub("", self.text))
        return [part.strip() for part in parts if part.strip()]

    @property
    def checksum(self) -> str:
        """A fingerprint of the statements."""
        return hashlib.sha256("\n".join(self.statements).encode()).hexdigest()[:16]


def load_migrations() -> list[Migration]:
    """Return the migrations that came with this version, in order."""
    files = resources.files("veriscope.store").joinpath("migrations").iterdir()
    found = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in files
        if (match := _FILE_NAME.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def migrate(engine: Engine) -> int:
    """
    Bring the database up to this version and return how many migrations that took.

    A migration that was cut short (a crash) is applied again from its first statement: tables
    and views it had made already are left as they are. Raises `SchemaError` where the database
    is newer than this program or a migration was changed after it had been applied.
    """
    engine.command(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String,"
        " checksum String, applied DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version"
    )
    applied = {
        row["version"]: row["checksum"]
        for row in engine.query("SELECT version, checksum FROM schema_migrations").to_pylist()
    }
    known = load_migrations()
    if newer := sorted(set(applied) - {migration.version for migration in known}):
        raise SchemaError(
            f"the database has schema version {newer[-1]}, this program knows "
            f"{known[-1].version}; install the newer Veriscope again"
        )
    pending = [migration for migration in known if migration.version not in applied]
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise SchemaError(
                f"migration {migration.version} was applied in another form; this program and "
                "the database do not belong together"
            )
    for migration in pending:
        for statement in migration.statements:
            engine.command(_repeatable(statement))
        engine.command(
            "INSERT INTO schema_migrations (version, name, checksum)"
            " VALUES ({version:UInt32}, {name:String}, {checksum:String})",
            {
                "version": migration.version,
                "name": migration.name,
                "checksum": migration.checksum,
            },
        )
        _log.info("schema_migrated", version=migration.version, name=migration.name)
    return len(pending)


def apply_retention(engine: Engine, retention: RetentionOptions) -> None:
    """Make each table drop what is older than *retention* says; zero keeps everything."""
    spans, logs = retention.spans, retention.logs
    ages = {
        "samples": retention.metrics,
        "histograms": retention.metrics,
        "exemplars": retention.metrics,
        "rollups_5m": retention.rollups_5m,
        "rollups_1h": retention.rollups_1h,
        # The same of a series, whose labels its roll-ups need as well.
        "series": _longest(retention.metrics, retention.rollups_5m, retention.rollups_1h),
        "spans": spans,
        "logs": logs,
        # A resource stays while a span or a record may refer to it.
        "resources": _longest(spans, logs),
        "events": retention.events,
    }
    for table, column in _AGE.items():
        if age := ages[table]:
            engine.command(
                f"ALTER TABLE {table} MODIFY TTL {column}"
                f" + toIntervalSecond({int(age.seconds)})"
                " SETTINGS materialize_ttl_after_modify = 0"
            )
        elif _has_ttl(engine, table):
            engine.command(f"ALTER TABLE {table} REMOVE TTL")


def _longest(*ages: Duration) -> Duration:
    """Return the greatest of *ages*, of which zero is for ever."""
    return max(ages) if all(ages) else Duration(0)


def _has_ttl(engine: Engine, table: str) -> bool:
    found = engine.query(
        "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}"
        " AND position(engine_full, ' TTL ') > 0",
        {"database": engine.database, "table": table},
    )
    return bool(found.num_rows)


def _repeatable(statement: str) -> str:
    return re.sub(
        r"^CREATE (TABLE|MATERIALIZED VIEW)(?! IF NOT EXISTS)",
        r"CREATE \1 IF NOT EXISTS",
        statement,
    )
