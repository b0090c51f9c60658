"""Small changing state: documents by kind and key, behind one door."""

from typing import Final

from veriscope.store.engine import Engine

# The version is the time of writing, and one more than the last where clocks disagree: of two
# servers on one database, the later writer wins.
_WRITE: Final = """
INSERT INTO state (kind, key, body, version, deleted)
SELECT
    {kind:String}, {key:String}, {body:String},
    greatest(
        toUInt64(toUnixTimestamp64Nano(now64(9))),
        (SELECT max(version) FROM state WHERE kind = {kind:String} AND key = {key:String}) + 1
    ),
    {deleted:UInt8}
"""


class StateStore:
    """Documents of any *kind* by key; a write is durable on return, and the last one wins."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, kind: str, key: str, body: bytes) -> None:
        """Write the document, UTF-8 text, in place of the former one."""
        self._write(kind, key, body, deleted=False)

    def get(self, kind: str, key: str) -> bytes | None:
        """Return the document, or None where there is none."""
        return self._read("kind = {kind:String} AND key = {key:String}", kind, key).get(key)

    def all(self, kind: str) -> dict[str, bytes]:
        """Return every document of *kind* by key, in the order of keys."""
        return self._read("kind = {kind:String}", kind, "")

    def count(self, kind: str) -> int:
        """Return how many documents of *kind* there are."""
        [row] = self._engine.query(
            "SELECT count() AS documents FROM state FINAL"
            " WHERE kind = {kind:String} AND NOT deleted",
            {"kind": kind},
        ).to_pylist()
        return int(row["documents"])

    def delete(self, kind: str, key: str) -> None:
        """Remove the document; nothing happens where there is none."""
        self._write(kind, key, b"", deleted=True)

    def _write(self, kind: str, key: str, body: bytes, *, deleted: bool) -> None:
        self._engine.command(
            _WRITE, {"kind": kind, "key": key, "body": body.decode(), "deleted": int(deleted)}
        )

    def _read(self, where: str, kind: str, key: str) -> dict[str, bytes]:
        rows = self._engine.query(
            f"SELECT key, body FROM state FINAL WHERE {where} AND NOT deleted ORDER BY key",  # noqa: S608 - *where* is one of two texts above
            {"kind": kind, "key": key},
        )
        return {row["key"]: row["body"].encode() for row in rows.to_pylist()}
