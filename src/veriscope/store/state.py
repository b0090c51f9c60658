"""Small changing state: documents by kind and key, behind one door."""

from collections.abc import Collection, Mapping

import pyarrow as pa

from veriscope.store.engine import Engine


class StateStore:
    """Documents of any *kind* by key; a write is durable on return, and the last one wins."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, kind: str, key: str, body: bytes) -> None:
        """Write the document, UTF-8 text, in place of the former one."""
        self.put_many(kind, {key: body})

    def put_many(self, kind: str, documents: Mapping[str, bytes]) -> None:
        """Write *documents* by key, as `put` does; after a crash all are there or none."""
        self._write(kind, {key: body.decode() for key, body in documents.items()}, deleted=False)

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
        self.delete_many(kind, [key])

    def delete_many(self, kind: str, keys: Collection[str]) -> None:
        """Remove the documents, as `delete` does; after a crash all are gone or none."""
        self._write(kind, dict.fromkeys(keys, ""), deleted=True)

    def _write(self, kind: str, bodies: Mapping[str, str], *, deleted: bool) -> None:
        if not bodies:
            return
        count = len(bodies)
        columns = {
            "kind": pa.array([kind] * count),
            "key": pa.array(bodies),
            "body": pa.array(bodies.values()),
            "deleted": pa.array([int(deleted)] * count, pa.uint8()),
        }
        self._engine.insert_arrow("state_door", pa.table(columns))

    def _read(self, where: str, kind: str, key: str) -> dict[str, bytes]:
        rows = self._engine.query(
            f"SELECT key, body FROM state FINAL WHERE {where} AND NOT deleted ORDER BY key",  # noqa: S608 - *where* is one of two texts above
            {"kind": kind, "key": key},
        )
        return {row["key"]: row["body"].encode() for row in rows.to_pylist()}
