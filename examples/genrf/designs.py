"""
The design store: jobs, circuits and ratings in one SQLite file.

Write-ahead logging with full synchronisation: what was stored is there after `kill -9` and after
a power cut. Safe from many threads, which take turns.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from examples.genrf.circuits import CircuitSpec
from examples.genrf.generation import Circuit
from veriscope.signals import Clock, UnavailableError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    circuit_id TEXT,
    reason TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS circuits (
    id TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    circuit_type TEXT NOT NULL,
    technology TEXT NOT NULL,
    frequency REAL NOT NULL,
    topology TEXT NOT NULL,
    score REAL NOT NULL,
    met INTEGER NOT NULL,
    generation_time_s REAL NOT NULL,
    detail TEXT NOT NULL,
    netlist TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS circuits_by_age ON circuits (created_ms);
CREATE TABLE IF NOT EXISTS ratings (
    circuit_id TEXT NOT NULL REFERENCES circuits (id),
    feature TEXT NOT NULL,
    score REAL NOT NULL,
    user_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
"""
_SUMMARY: Final = (
    "id, created_ms, user_id, circuit_type, technology, frequency, topology, score, met,"
    " generation_time_s"
)

UNFINISHED: Final = ("queued", "running")
"""States of jobs that a stopped service leaves behind."""


class Designs:
    """Jobs, circuits and ratings; at most *max_jobs* jobs and *max_circuits* circuits are kept."""

    def __init__(
        self, path: Path, clock: Clock, *, max_jobs: int = 20_000, max_circuits: int = 20_000
    ) -> None:
        self._clock = clock
        self._max_jobs = max_jobs
        self._max_circuits = max_circuits
        self._lock = threading.Lock()
        try:
            # Autocommit: each transaction is spelled out in `_writing`.
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise UnavailableError(f"the design store {path} cannot be opened: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def ping(self) -> None:
        """Read from the file; raises `sqlite3.Error` when it cannot be read."""
        self._rows("SELECT count(*) FROM (SELECT 1 FROM jobs LIMIT 1)")

    def interrupt_unfinished(self) -> int:
        """Mark what a former process left unfinished as `interrupted`; return how many."""
        with self._writing() as connection:
            return connection.execute(
                "UPDATE jobs SET state = 'interrupted', reason = 'the service was killed',"
                " changed_ms = ? WHERE state IN (?, ?)",
                (self._clock.now_ms(), *UNFINISHED),
            ).rowcount

    def add_job(self, job_id: str, spec: CircuitSpec) -> None:
        """Store a new job, `queued`."""
        now = self._clock.now_ms()
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO jobs (id, state, spec, created_ms, changed_ms)"
                " VALUES (?, 'queued', ?, ?, ?)",
                (job_id, msgspec.json.encode(spec).decode(), now, now),
            )
            connection.execute(
                "DELETE FROM jobs WHERE rowid <= (SELECT max(rowid) FROM jobs) - ?",
                (self._max_jobs,),
            )

    def change_job(self, job_id: str, state: str, reason: str | None = None) -> None:
        """Set a job's *state*, and why it ended so."""
        with self._writing() as connection:
            self._set_state(connection, job_id, state, None, reason)

    def finish(self, job_id: str, circuit: Circuit, generation_time_s: float) -> None:
        """Store *circuit* under the job's id and the job as `done`, both or neither."""
        spec = circuit.spec
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO circuits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job_id,
                    self._clock.now_ms(),
                    spec.user_id,
                    spec.circuit_type,
                    spec.technology,
                    spec.frequency,
                    circuit.topology,
                    circuit.score,
                    not circuit.unmet,
                    generation_time_s,
                    json.dumps(_detail(circuit)),
                    circuit.netlist,
                ),
            )
            old = "SELECT id FROM circuits ORDER BY created_ms DESC, id LIMIT -1 OFFSET ?"
            limit = (self._max_circuits,)
            connection.execute(f"DELETE FROM ratings WHERE circuit_id IN ({old})", limit)  # noqa: S608 - a constant
            connection.execute(f"DELETE FROM circuits WHERE id IN ({old})", limit)  # noqa: S608 - a constant
            self._set_state(connection, job_id, "done", job_id, "; ".join(circuit.unmet) or None)

    def rate(self, circuit_id: str, feature: str, score: float, user_id: str) -> bool:
        """Store a rating; False when there is no such circuit."""
        with self._writing() as connection:
            return bool(
                connection.execute(
                    "INSERT INTO ratings SELECT id, ?, ?, ?, ? FROM circuits WHERE id = ?",
                    (feature, score, user_id, self._clock.now_ms(), circuit_id),
                ).rowcount
            )

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Return a job as it is answered; None when there is none."""
        rows = self._rows("SELECT * FROM jobs WHERE id = ?", job_id)
        if not rows:
            return None
        return {**rows[0], "spec": json.loads(rows[0]["spec"])}

    def circuits(self, limit: int, circuit_type: str | None) -> list[dict[str, Any]]:
        """Return the newest circuits' summaries, of one type or all."""
        chosen = "" if circuit_type is None else "WHERE circuit_type = ?"
        wanted = () if circuit_type is None else (circuit_type,)
        return self._rows(
            f"SELECT {_SUMMARY} FROM circuits {chosen} ORDER BY created_ms DESC LIMIT ?",  # noqa: S608 - constants
            *wanted,
            limit,
        )

    def circuit(self, circuit_id: str) -> dict[str, Any] | None:
        """Return a circuit whole, with its ratings; None when there is none."""
        rows = self._rows("SELECT * FROM circuits WHERE id = ?", circuit_id)
        if not rows:
            return None
        ratings = self._rows(
            "SELECT feature, score, user_id FROM ratings WHERE circuit_id = ?", circuit_id
        )
        detail = json.loads(rows[0].pop("detail"))
        return {**rows[0], **detail, "ratings": ratings}

    def _set_state(
        self,
        connection: sqlite3.Connection,
        job_id: str,
        state: str,
        circuit_id: str | None,
        reason: str | None,
    ) -> None:
        connection.execute(
            "UPDATE jobs SET state = ?, circuit_id = ?, reason = ?, changed_ms = ? WHERE id = ?",
            (state, circuit_id, reason, self._clock.now_ms(), job_id),
        )

    def _rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._connection.execute(query, values)]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _detail(circuit: Circuit) -> Mapping[str, object]:
    return {
        "targets": circuit.spec.targets,
        "figures": circuit.figures,
        "corners": circuit.corners,
        "unmet": circuit.unmet,
        "values": circuit.values,
        "simulations": circuit.simulations,
        "rounds": circuit.rounds,
        "failures": circuit.failures,
    }
