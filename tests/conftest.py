"""Fixtures that many rooms share."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import chdb
import pytest

from veriscope.signals import Duration
from veriscope.store import RetentionOptions, Store, StoreOptions

_databases = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden files be written anew."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded engine for the whole run: a process can host only one."""
    path = tmp_path_factory.mktemp("engine")
    keep_open = chdb.connect(str(path))
    yield f"chdb://{path}"
    keep_open.close()


@pytest.fixture
def open_store(engine_url: str) -> Iterator[Callable[..., Store]]:
    """Open stores, each in a new database that keeps samples for ever unless told otherwise."""
    opened: list[Store] = []

    def open_one(database: str | None = None, retention: str = "0s") -> Store:
        store = Store.open(
            StoreOptions(
                url=engine_url,
                database=database or f"test_{next(_databases)}",
                retention=RetentionOptions(metrics=Duration.parse(retention)),
            )
        )
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    """Return an empty store."""
    return open_store()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with a file under `tests/golden`; `--update-golden` writes it."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()

    return compare
