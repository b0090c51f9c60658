"""A ClickHouse server behind `--store`: opening it, losing it, getting it back."""

import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veriscope.signals import (
    FetchLimits,
    InvalidInputError,
    RawFetch,
    SampleBatch,
    to_labels,
)
from veriscope.store import EngineError, Store, StoreOptions
from veriscope.store.migrate import load_migrations, migrate
from veriscope.wire import remote_write

T0 = 1_700_000_000_000
EVERYTHING = RawFetch((), 0, 9_999_999_999_999)
GOOD = SampleBatch.at((to_labels({"__name__": "good"}),), np.ones(1), T0)


def test_the_schema_is_made_once(clickhouse: Any) -> None:
    """A second opening finds nothing left to do; retention is set and taken away again."""
    store = clickhouse.open_store(retention="30d")
    engine = store._engine
    assert migrate(engine) == 0
    applied = engine.query("SELECT version FROM schema_migrations ORDER BY version")
    assert applied["version"].to_pylist() == [migration.version for migration in load_migrations()]
    made = engine.query(
        "SELECT create_table_query AS text FROM system.tables"
        " WHERE database = {database:String} AND name = 'samples'",
        {"database": engine.database},
    )
    assert "TTL" in made["text"][0].as_py()
    store.close()


@pytest.mark.parametrize(
    ("url", "error", "reason"),
    [
        ("clickhouse://127.0.0.1:1", EngineError, "127.0.0.1:1: .*Connection refused"),
        ("clickhouse://nowhere.invalid:8123", EngineError, "nowhere.invalid:8123: .*resolve"),
        ("clickhouse://127.0.0.1:port", InvalidInputError, "store url cannot be read"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_in_words(
    url: str, error: type[Exception], reason: str
) -> None:
    """The one line says where it was looked for and what was found there."""
    with pytest.raises(error, match=reason) as caught:
        Store.open(StoreOptions(url=url))
    assert "Max retries" not in str(caught.value)


def test_a_wrong_password_is_told_without_it(clickhouse: Any) -> None:
    """The server's own words, and no secret."""
    with pytest.raises(
        EngineError, match=r"cannot open the store.*Authentication failed"
    ) as caught:
        Store.open(StoreOptions(url=clickhouse.url("not-it")))
    assert "not-it" not in str(caught.value)


def test_a_server_may_go_away_and_come_back(own_clickhouse: Any) -> None:
    """Meanwhile every call fails with the reason; after that, all is there and goes on."""
    store = own_clickhouse.open_store()
    store.metrics.insert_batches([GOOD])
    own_clickhouse.kill()
    for call in (
        store.health,
        lambda: store.metrics.insert_batches([GOOD]),
        lambda: store.metrics.insert_remote_write([remote_write.encode(GOOD)]),
        lambda: store.series.fetch(EVERYTHING, FetchLimits()),
    ):
        with pytest.raises(EngineError, match=r"no answer from ClickHouse at 127\.0\.0\.1"):
            call()
    own_clickhouse.start()
    later = SampleBatch.at(GOOD.labels, np.full(1, 2.0), T0 + 1)
    store.metrics.insert_remote_write([remote_write.encode(later)])
    found = store.series.fetch(EVERYTHING, FetchLimits())
    assert found.joined().values.tolist() == [1, 2]
    store.close()


def test_the_server_command_keeps_its_data_in_clickhouse(
    own_clickhouse: Any, run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """`veriscope server --store` writes, answers, survives the engine's absence, and stops."""
    data = tmp_path / "unused"
    server = run_server(data, "--store", own_clickhouse.url())
    now_s = int(time.time())
    batch = SampleBatch.at(GOOD.labels, np.full(1, 7.0), now_s * 1000)
    assert server.write(remote_write.encode(batch)) == 204
    [found] = server.query("good", time=str(now_s))
    assert found["value"][1] == "7"
    assert server.write(b"\xff\xff\xff") == 400
    own_clickhouse.kill()
    answer = server.get("/api/v1/query", query="good", time=str(now_s))
    assert answer["errorType"] == "internal"
    assert "no answer from ClickHouse" in answer["error"]
    assert server.write(remote_write.encode(batch)) in (500, 503)
    assert "no answer" in server.get("/health")["checks"]["store"]
    own_clickhouse.start()
    assert server.write(remote_write.encode(batch)) == 204
    assert server.get("/health")["status"] == "healthy"
    assert server.stop() == 0
    assert not (data / "store").exists()
    with pytest.raises(urllib.error.URLError):
        server.get("/-/healthy")


def test_a_missing_server_ends_the_command_with_one_line(tmp_path: Path) -> None:
    """Exit code 1, no traceback."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "veriscope", "server", "--data", str(tmp_path)),
            *("--listen", "127.0.0.1:0", "--store", "clickhouse://127.0.0.1:1"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert "veriscope: cannot open the store: no answer from ClickHouse" in ended.stderr
    assert "Traceback" not in ended.stderr
