"""ClickHouse over the network, for tests of the store."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from veriscope.signals import Duration
from veriscope.store import RetentionOptions, Store, StoreOptions

_PASSWORD = "se/cret"  # noqa: S105 - of a server that lives as long as its test
_databases = itertools.count()


@dataclass
class ClickHouse:
    """A ClickHouse server of its own; see `clickhouse_http.py`."""

    directory: Path
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, on the port that it had before."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("clickhouse_http.py")),
                str(self.directory / "engine"),
                str(self.port),
                _PASSWORD,
            ],
            stdout=subprocess.PIPE,
            text=True,
            # The engine keeps the schemas of formats in its working directory.
            cwd=self.directory,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Let it go away without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=10)
            self._process = None

    def url(self, password: str = _PASSWORD) -> str:
        """Return what `--store` takes."""
        return f"clickhouse://default:{password.replace('/', '%2F')}@127.0.0.1:{self.port}"

    def open_store(self, retention: str = "0s") -> Store:
        """Open a store in a new database that keeps all for ever unless told otherwise."""
        age = Duration.parse(retention)
        return Store.open(
            StoreOptions(
                url=self.url(),
                database=f"remote_{next(_databases)}",
                retention=RetentionOptions(
                    metrics=age, rollups_5m=age, rollups_1h=age, spans=age, logs=age, events=age
                ),
            )
        )


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """One ClickHouse server for the whole run."""
    server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """Return a ClickHouse server that the test may kill."""
    server = ClickHouse(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["embedded", "remote"])
def any_store(request: pytest.FixtureRequest, open_store: Callable[..., Store]) -> Iterator[Store]:
    """Return an empty store of each kind."""
    if request.param == "embedded":
        yield open_store()
        return
    store = request.getfixturevalue("clickhouse").open_store()
    yield store
    store.close()
