"""Copies of an embedded store, made in a moment: the files of its parts, linked a second time."""

import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from veriscope.signals import UnavailableError
from veriscope.store.engine import Engine, is_embedded
from veriscope.store.errors import EngineError

# What refers to others comes before them, so that a copy holds whatever its rows refer to. Which
# roll-ups are to be made again stands in `state`: before those that are made meanwhile.
_FIRST: Final = ("samples", "histograms", "exemplars", "spans", "logs", "state")
_SCHEME: Final = "chdb://"


class Snapshots:
    """
    Makes copies under `snapshots/` beside the store.

    A copy is a data directory: `veriscope server --data DIRECTORY` opens it. Parts never change,
    so their files are linked and not copied; a copy costs space only as the store moves on.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, now_ms: int) -> str:
        """
        Copy what is durable now, at *now_ms*, and return the copy's name.

        It is the time and a random number, such as `20260131T235959Z-8f0c2d6a1b3e4f57`.

        Raises `UnavailableError` where the store is not embedded, `EngineError` where the disk
        does not take it.
        """
        if not is_embedded(self._engine.url):
            raise UnavailableError(
                "the store is a ClickHouse server; copy it with ClickHouse's own BACKUP"
            )
        store = Path(self._engine.url.removeprefix(_SCHEME))
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        token = secrets.token_hex(8)
        name = f"{moment:%Y%m%dT%H%M%SZ}-{token}"
        target, frozen = store.parent / "snapshots" / name / store.name, store / "shadow" / token
        try:
            for table in self._tables():
                self._engine.command(f"ALTER TABLE `{table}` FREEZE WITH NAME '{token}'")
            self._assemble(store, frozen, target)
        except OSError as error:
            shutil.rmtree(target.parent, ignore_errors=True)
            raise EngineError(f"cannot write the snapshot {target}: {error.strerror}") from error
        finally:
            shutil.rmtree(frozen, ignore_errors=True)
        return name

    def _tables(self) -> list[str]:
        rows = self._engine.query(
            "SELECT name FROM system.tables"
            " WHERE database = {database:String} AND engine LIKE '%MergeTree' ORDER BY name",
            {"database": self._engine.database},
        )
        found: list[str] = rows["name"].to_pylist()
        return sorted(found, key=lambda table: (table not in _FIRST, table == "state", table))

    def _assemble(self, store: Path, frozen: Path, target: Path) -> None:
        """Put the schema beside the parts, as the engine lays a data directory out."""
        database = self._engine.database
        target.mkdir(parents=True)
        (target / "metadata").mkdir()
        shutil.copy2(store / "metadata" / f"{database}.sql", target / "metadata")
        tables = store / "metadata" / database
        (target / "metadata" / database).symlink_to(tables.readlink())
        tables = tables.resolve()
        shutil.copytree(tables, target / tables.relative_to(store.resolve()))
        for group in sorted((frozen / "store").iterdir()):
            for parts in sorted(group.iterdir()):
                place = target / "store" / group.name / parts.name
                place.parent.mkdir(parents=True, exist_ok=True)
                parts.rename(place)
                version = store / "store" / group.name / parts.name / "format_version.txt"
                shutil.copy2(version, place)
