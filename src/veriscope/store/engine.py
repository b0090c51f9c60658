"""The one place that talks to ClickHouse, embedded (chDB) or over the network."""

import fcntl
import json
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClientError
from numpy.typing import NDArray

from veriscope.signals import FetchLimits, InvalidInputError, VeriscopeError
from veriscope.signals.cancel import Cancellation
from veriscope.store.blocks import read_blocks
from veriscope.store.errors import (
    DataDirectoryInUseError,
    EngineError,
    explain_connecting,
    translate,
    translate_insert,
)
from veriscope.store.select import Statement, settings

_EMBEDDED: Final = "chdb://"
_REMOTE: Final = ("clickhouse://", "clickhouses://")
_SETTINGS: Final[Mapping[str, Any]] = {
    # Answers stay in this process, or cross a network whose transport compresses them.
    "output_format_arrow_compression_method": "none",
    # A server may be set to gather inserts of its own accord, and to acknowledge them before they
    # are durable; ours are gathered already.
    "async_insert": 0,
}
# An insert takes about ten times the size of its bodies; a malformed length asks for far more.
_MAX_INSERT_BYTES: Final = 2 << 30
_KILL_AGAIN_S: Final = 0.05


class Engine:
    """
    A pool of clients on one ClickHouse database; safe to use from many threads.

    A client serves one call at a time, so the pool is also the bound on concurrency: a call
    waits until a client is free. Inserts have a client of their own and never wait for queries.
    """

    def __init__(self, url: str, database: str, readers: int) -> None:
        self._lock = _DirectoryLock(Path(url.removeprefix(_EMBEDDED))) if is_embedded(url) else None
        self._readers: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self._writers: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self._clients: list[Client] = []
        self.url = url
        self.database = database
        try:
            first = _connect(url, None)
            first.command(f"CREATE DATABASE IF NOT EXISTS {_quote(database)}")
            first.close()
            for pool, count in ((self._readers, readers), (self._writers, 1)):
                for _ in range(count):
                    client = _connect(url, database)
                    self._clients.append(client)
                    pool.put(client)
        except BaseException:
            self.close()
            raise

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, int] | None = None,
        cancel: Cancellation | None = None,
    ) -> pa.Table:
        """
        Return the rows of *sql* in columns. *parameters* are bound by the engine.

        Raises `WorkCancelledError` where *cancel* was cancelled; the engine's work has ended then.
        """
        with (
            self._watched(settings, cancel) as clause,
            self._borrow(self._readers, translate) as client,
        ):
            bound = dict(parameters or {})
            answer = client.raw_query(f"{sql}{clause}", parameters=bound, fmt="Arrow")
            return pa.ipc.open_file(answer).read_all()

    def ask(self, statement: Statement, limits: FetchLimits) -> pa.Table:
        """Return the rows of *statement*, held to *limits*; raises as `query`."""
        return self.query(statement.sql, statement.parameters, settings(limits), limits.cancel)

    def stream(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, int] | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[tuple[NDArray[Any], ...], None, None]:
        """
        Yield the rows of *sql* in pieces, of one array a column, while the engine reads on.

        Columns are numbers of 64 bits. Whoever stops in the middle must close the iterator, which
        holds a client. Raises as `query`.
        """
        with (
            self._watched(settings, cancel) as clause,
            self._borrow(self._readers, translate) as client,
            client.raw_stream(
                f"{sql}{clause}", parameters=dict(parameters or {}), fmt="Native"
            ) as stream,
        ):
            yield from read_blocks(stream)

    @contextmanager
    def _watched(
        self, settings: Mapping[str, int] | None, cancel: Cancellation | None
    ) -> Iterator[str]:
        """Yield the clause that gives a query its *settings*, and kill it with *cancel*."""
        # As a clause: the embedded client would set and restore settings one by one around it.
        clause = [f"{name} = {int(value)}" for name, value in (settings or {}).items()]
        if cancel is None:
            yield _settings_clause(clause)
            return
        # The embedded engine takes no query id; a comment finds the query as well.
        comment = uuid4().hex
        clause.append(f"log_comment = '{comment}'")
        ended = threading.Event()
        # In a thread of its own: this one may be the one that waits for the query.
        killer = threading.Thread(target=self._kill, args=(comment, ended), daemon=True)
        forget = cancel.on_cancel(killer.start)
        try:
            cancel.check()
            yield _settings_clause(clause)
        except VeriscopeError:
            cancel.check()
            raise
        finally:
            ended.set()
            forget()

    def _kill(self, comment: str, ended: threading.Event) -> None:
        """Kill the query with this comment, on a client of its own: the others may be busy."""
        with suppress(ClientError), _connect(self.url, self.database) as client:
            # Again until it has ended: the first time it may still have waited for its client.
            while not ended.is_set():
                client.command(f"KILL QUERY WHERE Settings['log_comment'] = '{comment}' ASYNC")
                ended.wait(_KILL_AGAIN_S)

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that has no answer, such as DDL."""
        with self._borrow(self._writers, translate) as client:
            client.command(sql, parameters=dict(parameters or {}))

    def insert_protobuf(self, table: str, stream: bytes, schema: Path, message: str) -> None:
        """
        Insert a stream of length-delimited messages; durable on return.

        *schema* is the `.proto` file that describes *message*.
        """
        settings: dict[str, Any] = (
            {"format_schema": f"{schema}:{message}"}
            if is_embedded(self.url)
            else {
                # The server has no such file. An embedded engine would keep a copy of the text
                # in the working directory, wherever that is.
                "format_schema_source": "string",
                "format_schema": schema.read_text(encoding="utf-8"),
                "format_schema_message_name": message,
            }
        )
        settings["max_memory_usage"] = _MAX_INSERT_BYTES
        with self._borrow(self._writers, translate_insert) as client:
            client.raw_insert(table, insert_block=stream, fmt="Protobuf", settings=settings)

    def insert_arrow(self, table: str, rows: pa.Table) -> None:
        """Insert *rows*, whose columns are named as the table's; durable on return."""
        with self._borrow(self._writers, translate_insert) as client:
            client.insert_arrow(table, rows)

    def close(self) -> None:
        """Stop queries that still run, close every client, give the data directory back."""
        if self._clients and is_embedded(self.url):
            # A client's close waits for its call; whoever waits for the answer is gone by now.
            with _connect(self.url, self.database) as client:
                client.command("KILL QUERY WHERE query_kind = 'Select'")
        while self._clients:
            self._clients.pop().close()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def _borrow(
        self,
        pool: "queue.SimpleQueue[Client]",
        translated: Callable[[ClientError], VeriscopeError],
    ) -> Iterator[Client]:
        client = pool.get()
        try:
            yield client
        except ClientError as error:
            if is_embedded(self.url):
                _drain(client)
            raise translated(error) from error
        except (ConnectionError, RuntimeError, pa.ArrowException) as error:
            raise EngineError(f"the storage engine failed: {error}") from error
        finally:
            pool.put(client)


def is_embedded(url: str) -> bool:
    """Tell whether *url* names an engine inside this process."""
    return url.startswith(_EMBEDDED)


def _settings_clause(settings: Sequence[str]) -> str:
    return f"\nSETTINGS {', '.join(settings)}" if settings else ""


def _connect(url: str, database: str | None) -> Client:
    settings = dict(_SETTINGS)
    try:
        if is_embedded(url):
            # The path as it is: in a DSN `#` and `%` would mean something else.
            path = url.removeprefix(_EMBEDDED)
            return clickhouse_connect.get_client(
                interface="chdb", path=path, database=database, settings=settings
            )
        if not url.startswith(_REMOTE):
            raise InvalidInputError(
                f"store url {url!r} is neither chdb:///PATH nor clickhouse://HOST:PORT"
            )
        # Without a session of its own a client may serve calls in any order, as the pool does.
        return clickhouse_connect.get_client(
            dsn=url,
            database=database or "__default__",
            settings=settings,
            autogenerate_session_id=False,
        )
    except ClientError as error:
        raise explain_connecting(error) from error
    except ValueError as error:
        raise InvalidInputError(f"store url cannot be read: {error}") from error


def _drain(client: Client) -> None:
    """
    Take what a failed query had answered so far off the client.

    chDB 4.4 puts it in front of the client's next answer.
    """
    with suppress(ClientError):
        client.raw_query("SELECT 1", fmt="TabSeparated")


def _quote(identifier: str) -> str:
    if not identifier.isidentifier() or not identifier.isascii():
        raise InvalidInputError(f"database name {identifier!r} must be letters, digits and _")
    return f"`{identifier}`"


class _DirectoryLock:
    """Holds a data directory for this process; the kernel lets go of it however we end."""

    def __init__(self, directory: Path) -> None:
        if "?" in str(directory):
            raise InvalidInputError(
                f"data directory {directory} has a question mark, which the engine takes for"
                " options; choose another directory with --data"
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(directory / "veriscope.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise EngineError(
                f"data directory {directory} cannot be used: {error.strerror};"
                " choose another directory with --data"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 200, 0).decode(errors="replace").strip()
            os.close(self._file)
            pid = json.loads(holder).get("pid", "?") if holder.startswith("{") else "?"
            raise DataDirectoryInUseError(
                f"data directory {directory} is in use by process {pid}; stop that process, "
                "or choose another directory with --data"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"pid": os.getpid()}).encode(), 0)

    def release(self) -> None:
        """Let another process have the directory."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
