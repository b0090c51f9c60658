"""Opening, sharing and failing."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import chdb
import pytest

from veriscope.signals import InvalidInputError
from veriscope.signals.cancel import Cancellation, WorkCancelledError
from veriscope.store import DataDirectoryInUseError, EngineError, RefusedError, Store, StoreOptions
from veriscope.store.engine import Engine

_HOLD = """
import fcntl, json, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(lock, json.dumps({"pid": os.getpid()}).encode())
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_in_use_is_refused_with_its_holder(tmp_path: Path) -> None:
    """The message names the process that has it; once that ended, the directory is free."""
    lock = tmp_path / "veriscope.lock"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DataDirectoryInUseError, match=f"process {holder.pid}"):
            Store.open(StoreOptions(url=f"chdb://{tmp_path}"))


def test_the_lock_names_its_holder(store: Store, engine_url: str) -> None:
    """Whoever finds the directory locked can find out by whom."""
    assert store is not None
    lock = Path(engine_url.removeprefix("chdb://")) / "veriscope.lock"
    assert json.loads(lock.read_text()) == {"pid": os.getpid()}


@pytest.mark.parametrize("url", ["postgres://localhost", "", "/var/lib"])
def test_an_unknown_store_is_refused(url: str) -> None:
    """Only the two kinds of URL are taken."""
    with pytest.raises(InvalidInputError, match="chdb:///PATH"):
        Engine(url, "x", 1)


def test_a_database_name_is_an_identifier(engine_url: str) -> None:
    """It is the one name that cannot be bound."""
    with pytest.raises(InvalidInputError, match="database name"):
        Engine(engine_url, "x`; DROP DATABASE y", 1)


def test_a_server_that_is_not_there_is_an_engine_error() -> None:
    """A refused connection is told in words."""
    with pytest.raises(EngineError, match="cannot open the store"):
        Engine("clickhouse://127.0.0.1:1", "x", 1)


def test_a_wrong_statement_fails_and_the_pool_lives_on(store: Store) -> None:
    """A client that saw an error serves the next call."""
    for _ in range(10):
        with pytest.raises((RefusedError, EngineError)):
            store._engine.query("SELECT nonsense(")
    assert store._engine.query("SELECT 1 AS one")["one"].to_pylist() == [1]


def test_closing_does_not_wait_for_a_query(engine_url: str) -> None:
    """A stop of the server is not held up by what nobody waits for any more."""
    engine = Engine(engine_url, "closing", 1)
    endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
    failures: list[Exception] = []

    def ask() -> None:
        try:
            engine.query(endless)
        except EngineError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    with chdb.connect(engine_url.removeprefix("chdb://")) as watcher:
        deadline = time.monotonic() + 60
        running = "SELECT count() FROM system.processes WHERE query LIKE '%1000000000000%'"
        while str(watcher.query(running)).strip() != "2" and time.monotonic() < deadline:
            time.sleep(0.01)
    engine.close()
    asking.join(10)
    assert not asking.is_alive()
    assert len(failures) == 1


def test_a_cancelled_query_ends_in_the_engine(store: Store) -> None:
    """Who cancels need not wait for the query's own end, and the engine is free again."""
    cancel = Cancellation()
    threading.Timer(0.3, cancel.cancel).start()
    begun = time.monotonic()
    with pytest.raises(WorkCancelledError):
        store._engine.query(
            "SELECT sum(sleepEachRow(0.01)) FROM numbers(10000)",
            settings={"max_block_size": 1},
            cancel=cancel,
        )
    assert time.monotonic() - begun < 30
    assert store._engine.query("SELECT 1 AS x").to_pylist() == [{"x": 1}]


def test_what_was_cancelled_before_is_not_begun(store: Store) -> None:
    """No engine query is started for somebody who has gone."""
    cancel = Cancellation()
    cancel.cancel()
    with pytest.raises(WorkCancelledError):
        store._engine.query("SELECT throwIf(1)", cancel=cancel)
